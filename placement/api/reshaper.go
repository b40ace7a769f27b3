package api

import (
	"maps"
	"net/http"
	"slices"

	"nubo/internal/httpx"
	"nubo/placement"
)

// inventories is what a provider is to have, exactly.
type inventories struct {
	Generation  int64                          `json:"resource_provider_generation"`
	Inventories map[string]inventoryOrDefaults `json:"inventories"`
}

func (i *inventories) domain() []placement.Inventory {
	list := make([]placement.Inventory, 0, len(i.Inventories))
	for _, class := range slices.Sorted(maps.Keys(i.Inventories)) {
		list = append(list, i.Inventories[class].domain(class))
	}
	return list
}

func (h *handler) reshape(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Inventories map[string]inventories `json:"inventories"`
		Allocations map[string]*claim      `json:"allocations"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	shapes := make([]placement.Shape, 0, len(in.Inventories))
	for _, uuid := range slices.Sorted(maps.Keys(in.Inventories)) {
		one := in.Inventories[uuid]
		shapes = append(shapes, placement.Shape{Provider: dashed(uuid), Generation: one.Generation, Inventories: one.domain()})
	}
	if err := h.svc.Reshape(r.Context(), shapes, claims(r, in.Allocations)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

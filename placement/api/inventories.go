package api

import (
	"encoding/json"
	"net/http"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/placement"
)

// inventory is the wire form. Absent fields have Placement's defaults.
type inventory struct {
	Generation      *int64  `json:"resource_provider_generation,omitempty"`
	Total           int64   `json:"total"`
	Reserved        int64   `json:"reserved"`
	MinUnit         int64   `json:"min_unit"`
	MaxUnit         int64   `json:"max_unit"`
	StepSize        int64   `json:"step_size"`
	AllocationRatio float64 `json:"allocation_ratio"`
}

func (i inventory) domain(class string) placement.Inventory {
	return placement.Inventory{
		ResourceClass: class, Total: i.Total, Reserved: i.Reserved, MinUnit: i.MinUnit, MaxUnit: i.MaxUnit,
		StepSize: i.StepSize, AllocationRatio: i.AllocationRatio,
	}
}

// decodeInventory reads one over the defaults.
func decodeInventory(r *http.Request, v any, i *inventory) error {
	*i = defaults
	return httpx.Decode(r, v)
}

var defaults = inventory{MinUnit: 1, MaxUnit: placement.MaxInt, StepSize: 1, AllocationRatio: 1}

func viewInventory(i *placement.Inventory) inventory {
	return inventory{
		Total: i.Total, Reserved: i.Reserved, MinUnit: i.MinUnit, MaxUnit: i.MaxUnit, StepSize: i.StepSize, AllocationRatio: i.AllocationRatio,
	}
}

// sendInventory shows one with the provider's generation.
func sendInventory(w http.ResponseWriter, r *http.Request, status int, p *placement.Provider, i *placement.Inventory) error {
	view := viewInventory(i)
	view.Generation = &p.Generation
	fresh(w, r, i.UpdatedAt)
	return httpx.JSON(w, status, view)
}

func sendInventories(w http.ResponseWriter, r *http.Request, p *placement.Provider, list []placement.Inventory) error {
	views := make(map[string]inventory, len(list))
	var modified time.Time
	for i := range list {
		views[list[i].ResourceClass] = viewInventory(&list[i])
		if list[i].UpdatedAt.After(modified) {
			modified = list[i].UpdatedAt
		}
	}
	fresh(w, r, modified)
	return httpx.JSON(w, http.StatusOK, object{"resource_provider_generation": p.Generation, "inventories": views})
}

func (h *handler) listInventories(w http.ResponseWriter, r *http.Request) error {
	p, list, err := h.svc.Inventories(r.Context(), provider(r))
	if err != nil {
		return err
	}
	return sendInventories(w, r, p, list)
}

func (h *handler) showInventory(w http.ResponseWriter, r *http.Request) error {
	p, list, err := h.svc.Inventories(r.Context(), provider(r))
	if err != nil {
		return err
	}
	class := httpx.Param(r, "resource_class")
	for i := range list {
		if list[i].ResourceClass == class {
			return sendInventory(w, r, http.StatusOK, p, &list[i])
		}
	}
	return fault.NotFoundf("No inventory of class %s for %s", class, p.UUID)
}

// inventoryOrDefaults is an inventory in a map, which has no defaults to be
// decoded over.
type inventoryOrDefaults struct{ inventory }

// UnmarshalJSON reads the inventory over the defaults.
func (i *inventoryOrDefaults) UnmarshalJSON(b []byte) error {
	i.inventory = defaults
	return json.Unmarshal(b, &i.inventory)
}

func (h *handler) updateInventories(w http.ResponseWriter, r *http.Request) error {
	var in inventories
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	list := in.domain()
	p, err := h.svc.SetInventories(r.Context(), provider(r), in.Generation, list, since(r, 26))
	if err != nil {
		return err
	}
	return sendInventories(w, r, p, list)
}

func (h *handler) updateInventory(w http.ResponseWriter, r *http.Request) error {
	var in inventory
	if err := decodeInventory(r, &in, &in); err != nil {
		return err
	}
	i := in.domain(httpx.Param(r, "resource_class"))
	p, err := h.svc.SetInventory(r.Context(), provider(r), *in.Generation, i, since(r, 26))
	if err != nil {
		return err
	}
	return sendInventory(w, r, http.StatusOK, p, &i)
}

func (h *handler) createInventory(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		ResourceClass string `json:"resource_class"`
		inventory
	}
	if err := decodeInventory(r, &in, &in.inventory); err != nil {
		return err
	}
	i := in.domain(in.ResourceClass)
	p, err := h.svc.AddInventory(r.Context(), provider(r), i, since(r, 26))
	if err != nil {
		return err
	}
	w.Header().Set("Location", httpx.SelfURL(r)+"/"+in.ResourceClass)
	return sendInventory(w, r, http.StatusCreated, p, &i)
}

func (h *handler) deleteInventory(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteInventory(r.Context(), provider(r), httpx.Param(r, "resource_class")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) deleteInventories(w http.ResponseWriter, r *http.Request) error {
	if !since(r, 5) {
		return fault.New(fault.MethodNotAllowed, "The method specified is not allowed for this resource.")
	}
	if err := h.svc.DeleteInventories(r.Context(), provider(r)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

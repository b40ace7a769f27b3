package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

var flavorPage = httpx.PageSpec{
	Sort: map[string]string{
		"created_at": "created_at", "description": "description", "disabled": "disabled", "ephemeral_gb": "ephemeral_gb", "flavorid": "id",
		"id": "id", "is_public": "is_public", "memory_mb": "memory_mb", "name": "name", "root_gb": "root_gb", "rxtx_factor": "rxtx_factor",
		"swap": "swap_mb", "updated_at": "updated_at", "vcpus": "vcpus",
	},
	Default: []db.SortKey{{Column: "id"}},
}

// viewFlavor is a flavor whole.
func viewFlavor(r *http.Request, f *compute.Flavor) map[string]any {
	v := map[string]any{
		"id": f.ID, "name": f.Name, "ram": f.MemoryMB, "disk": f.RootGB, "vcpus": f.VCPUs, "OS-FLV-EXT-DATA:ephemeral": f.EphemeralGB,
		"swap": swapOf(r, f.SwapMB), "rxtx_factor": f.RxtxFactor, "OS-FLV-DISABLED:disabled": f.Disabled,
		"os-flavor-access:is_public": f.Public, "links": links(r, "flavors", f.ID),
	}
	if since(r, 55) {
		v["description"] = orNil(f.Description)
	}
	if since(r, 61) && httpx.Allowed(r.Context(), prefix+"os-flavor-extra-specs:index", ownTarget(r)) {
		v["extra_specs"] = orEmpty(f.ExtraSpecs)
	}
	return v
}

// swapOf is "" for no swap before microversion 2.75.
func swapOf(r *http.Request, mb int) any {
	if mb == 0 && !since(r, 75) {
		return ""
	}
	return mb
}

func (h *handler) flavorsPage(r *http.Request) ([]*compute.Flavor, string, error) {
	page, err := httpx.ParsePage(r, flavorPage)
	if err != nil {
		return nil, "", err
	}
	query := r.URL.Query()
	// Public ones, and those granted to the project; an admin may ask for more.
	q := compute.FlavorQuery{Page: page, ProjectID: caller(r).ProjectID}
	if s := query.Get("is_public"); s != "" && caller(r).IsAdmin {
		if s == "None" || s == "none" {
			q.ProjectID = ""
		} else {
			v, err := httpx.Bool(s)
			if err != nil {
				return nil, "", fault.Invalidf("Invalid is_public filter [%s]", s)
			}
			if public := v.(bool); !public {
				q.Public, q.ProjectID = &public, ""
			}
		}
	}
	for name, into := range map[string]*int{"minRam": &q.MinRAM, "minDisk": &q.MinDisk} {
		if s := query.Get(name); s != "" {
			if *into, err = strconv.Atoi(s); err != nil {
				return nil, "", fault.Invalidf("Invalid %s filter [%s]", name, s)
			}
		}
	}
	flavors, err := h.svc.Flavors(r.Context(), q)
	if err != nil || len(flavors) == 0 {
		return flavors, "", httpx.MarkerError(err, page.Marker)
	}
	return flavors, httpx.NextLink(r, page, len(flavors), flavors[len(flavors)-1].ID), nil
}

func (h *handler) listFlavors(w http.ResponseWriter, r *http.Request) error {
	flavors, next, err := h.flavorsPage(r)
	if err != nil {
		return err
	}
	views := make([]any, len(flavors))
	for i, f := range flavors {
		v := map[string]any{"id": f.ID, "name": f.Name, "links": links(r, "flavors", f.ID)}
		if since(r, 55) {
			v["description"] = orNil(f.Description)
		}
		views[i] = v
	}
	return httpx.JSON(w, http.StatusOK, withNext(map[string]any{"flavors": views}, "flavors", next))
}

func (h *handler) listFlavorsDetail(w http.ResponseWriter, r *http.Request) error {
	flavors, next, err := h.flavorsPage(r)
	if err != nil {
		return err
	}
	views := make([]any, len(flavors))
	for i, f := range flavors {
		views[i] = viewFlavor(r, f)
	}
	return httpx.JSON(w, http.StatusOK, withNext(map[string]any{"flavors": views}, "flavors", next))
}

func (h *handler) showFlavor(w http.ResponseWriter, r *http.Request) error {
	f, err := h.svc.Flavor(r.Context(), httpx.Param(r, "flavor_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"flavor": viewFlavor(r, f)})
}

func (h *handler) createFlavor(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Flavor struct {
			ID          httpx.LenientText  `json:"id"`
			Name        string             `json:"name"`
			Description string             `json:"description"`
			RAM         httpx.LenientInt   `json:"ram"`
			VCPUs       httpx.LenientInt   `json:"vcpus"`
			Disk        httpx.LenientInt   `json:"disk"`
			Ephemeral   httpx.LenientInt   `json:"OS-FLV-EXT-DATA:ephemeral"`
			Swap        httpx.LenientInt   `json:"swap"`
			Rxtx        httpx.LenientText  `json:"rxtx_factor"`
			Public      *httpx.LenientBool `json:"os-flavor-access:is_public"`
		} `json:"flavor"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	f := in.Flavor
	made := &compute.Flavor{
		ID: string(f.ID), Name: f.Name, Description: f.Description, MemoryMB: int(f.RAM), VCPUs: int(f.VCPUs), RootGB: int(f.Disk),
		EphemeralGB: int(f.Ephemeral), SwapMB: int(f.Swap), Public: f.Public == nil || bool(*f.Public),
	}
	if f.Rxtx != "" {
		var err error
		if made.RxtxFactor, err = strconv.ParseFloat(string(f.Rxtx), 64); err != nil {
			return fault.Invalidf("Invalid input for field/attribute rxtx_factor. Value: %s.", f.Rxtx)
		}
	}
	if err := h.svc.CreateFlavor(r.Context(), made); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"flavor": viewFlavor(r, made)})
}

func (h *handler) updateFlavor(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Flavor struct {
			Description *string `json:"description"`
		} `json:"flavor"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	f, err := h.svc.DescribeFlavor(r.Context(), httpx.Param(r, "flavor_id"), httpx.Deref(in.Flavor.Description))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"flavor": viewFlavor(r, f)})
}

func (h *handler) deleteFlavor(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteFlavor(r.Context(), httpx.Param(r, "flavor_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

func (h *handler) listExtraSpecs(w http.ResponseWriter, r *http.Request) error {
	f, err := h.svc.Flavor(r.Context(), httpx.Param(r, "flavor_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"extra_specs": orEmpty(f.ExtraSpecs)})
}

// specs are extra specs as they come: numbers become their text.
type specs map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (s *specs) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*s = make(specs, len(raw))
	for k, v := range raw {
		var text string
		if json.Unmarshal(v, &text) != nil {
			text = string(v)
		}
		(*s)[k] = text
	}
	return nil
}

func (h *handler) createExtraSpecs(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		ExtraSpecs specs `json:"extra_specs"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := h.svc.SetExtraSpecs(r.Context(), httpx.Param(r, "flavor_id"), in.ExtraSpecs); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"extra_specs": in.ExtraSpecs})
}

func (h *handler) showExtraSpec(w http.ResponseWriter, r *http.Request) error {
	f, err := h.svc.Flavor(r.Context(), httpx.Param(r, "flavor_id"))
	if err != nil {
		return err
	}
	key := httpx.Param(r, "key")
	v, err := f.ExtraSpec(key)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]string{key: v})
}

func (h *handler) updateExtraSpec(w http.ResponseWriter, r *http.Request) error {
	var in specs
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	key := httpx.Param(r, "key")
	if _, ok := in[key]; !ok {
		return fault.Invalidf("Request body and URI mismatch")
	}
	if err := h.svc.SetExtraSpecs(r.Context(), httpx.Param(r, "flavor_id"), in); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, in)
}

func (h *handler) deleteExtraSpec(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteExtraSpec(r.Context(), httpx.Param(r, "flavor_id"), httpx.Param(r, "key")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusOK)
}

// viewAccess lists who may use a private flavor.
func viewAccess(id string, projects []string) map[string]any {
	views := make([]any, len(projects))
	for i, p := range projects {
		views[i] = map[string]any{"flavor_id": id, "tenant_id": p}
	}
	return map[string]any{"flavor_access": views}
}

func (h *handler) listFlavorAccess(w http.ResponseWriter, r *http.Request) error {
	id := httpx.Param(r, "flavor_id")
	projects, err := h.svc.FlavorAccess(r.Context(), id)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, viewAccess(id, projects))
}

// tenantOf reads the project of an access action.
func tenantOf(r *http.Request, action string) (string, error) {
	var in map[string]struct{ Tenant string }
	if err := httpx.Decode(r, &in); err != nil {
		return "", err
	}
	return in[action].Tenant, nil
}

func (h *handler) grantFlavor(w http.ResponseWriter, r *http.Request) error {
	tenant, err := tenantOf(r, "addTenantAccess")
	if err != nil {
		return err
	}
	id := httpx.Param(r, "flavor_id")
	projects, err := h.svc.GrantFlavor(r.Context(), id, tenant)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, viewAccess(id, projects))
}

func (h *handler) revokeFlavor(w http.ResponseWriter, r *http.Request) error {
	tenant, err := tenantOf(r, "removeTenantAccess")
	if err != nil {
		return err
	}
	id := httpx.Param(r, "flavor_id")
	projects, err := h.svc.RevokeFlavor(r.Context(), id, tenant)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, viewAccess(id, projects))
}

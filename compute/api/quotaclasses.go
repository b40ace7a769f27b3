package api

import (
	"encoding/json"
	"net/http"
	"slices"

	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// maxClassName is how long the name of a quota class may be.
const maxClassName = 255

// classNames are the resources of a quota class that a microversion shows.
// Nova forgot the server groups before 2.50, and left in until then what the
// network service keeps.
func classNames(r *http.Request) []string {
	names := []string{"cores", "instances", "key_pairs", "metadata_items", "ram"}
	if since(r, 50) {
		names = append(names, "server_groups", "server_group_members")
	} else {
		names = append(names, "fixed_ips", "floating_ips", "security_groups", "security_group_rules")
	}
	if !since(r, 57) {
		names = append(names, "injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
	}
	return names
}

// writeQuotaClass answers a class's limits; "" as name leaves it out.
func (h *handler) writeQuotaClass(w http.ResponseWriter, r *http.Request, shown string) error {
	limits, err := h.svc.QuotaClass(r.Context(), httpx.Param(r, "id"))
	if err != nil {
		return err
	}
	v := map[string]any{}
	if shown != "" {
		v["id"] = shown
	}
	for _, name := range classNames(r) {
		v[name] = limits[name]
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota_class_set": v})
}

func (h *handler) showQuotaClass(w http.ResponseWriter, r *http.Request) error {
	return h.writeQuotaClass(w, r, httpx.Param(r, "id"))
}

func (h *handler) updateQuotaClass(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Set map[string]json.RawMessage `json:"quota_class_set"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	class := httpx.Param(r, "id")
	if len(class) > maxClassName {
		return fault.Invalidf("Quota class %s is longer than %d characters.", class, maxClassName)
	}
	// What is not shown before 2.50 can be set all the same; the schema says
	// what a microversion takes.
	limits, err := readLimits(in.Set, slices.Concat(classNames(r), []string{"server_groups", "server_group_members"}))
	if err != nil {
		return err
	}
	if err := h.svc.SetQuotaClass(r.Context(), class, limits); err != nil {
		return err
	}
	return h.writeQuotaClass(w, r, "")
}

package api

import (
	"encoding/json"
	"net/http"

	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// maxClassName is how long the name of a quota class may be.
const maxClassName = 255

// writeQuotaClass answers a class's limits; "" as name leaves it out.
func (h *handler) writeQuotaClass(w http.ResponseWriter, r *http.Request, shown string) error {
	limits, err := h.svc.QuotaClass(r.Context(), httpx.Param(r, "quota_class_name"))
	if err != nil {
		return err
	}
	set := map[string]any{}
	if shown != "" {
		set["id"] = shown
	}
	for name, limit := range limits {
		set[name] = limit
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota_class_set": set})
}

func (h *handler) showQuotaClass(w http.ResponseWriter, r *http.Request) error {
	return h.writeQuotaClass(w, r, httpx.Param(r, "quota_class_name"))
}

func (h *handler) updateQuotaClass(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Set map[string]json.RawMessage `json:"quota_class_set"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	class := httpx.Param(r, "quota_class_name")
	if len(class) > maxClassName {
		return fault.Invalidf("quota_class_name has %d characters, more than %d.", len(class), maxClassName)
	}
	limits, err := readLimits(in.Set)
	if err != nil {
		return err
	}
	if err := h.svc.SetQuotaClass(r.Context(), class, limits); err != nil {
		return err
	}
	return h.writeQuotaClass(w, r, "")
}

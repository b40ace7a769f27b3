package api

import (
	"fmt"
	"net/http"

	"nubo/internal/httpx"
	"nubo/network"
)

// limits checks {"quota": {RESOURCE: LIMIT}}.
type limits struct{}

var quotaBody = limits{}

// Validate implements httpx.Validator.
func (limits) Validate(doc any, _ httpx.Version) error {
	_, err := readLimits(doc)
	return err
}

func readLimits(doc any) (map[string]int64, error) {
	m, ok := doc.(map[string]any)
	if !ok {
		return nil, bad("Resource body required")
	}
	quota, ok := m["quota"].(map[string]any)
	if !ok {
		return nil, bad("Unable to find 'quota' in request body")
	}
	known := map[string]bool{}
	for _, name := range network.QuotaResources {
		known[name] = true
	}
	out := map[string]int64{}
	for name, v := range quota {
		if name == "project_id" || name == "tenant_id" {
			continue
		}
		if !known[name] {
			return nil, bad("Unrecognized attribute(s) '%s'", name)
		}
		n, err := limit(v)
		if err != nil {
			return nil, bad("Invalid input for %s. Reason: %s.", name, err)
		}
		out[name] = n
	}
	return out, nil
}

func limit(v any) (int64, error) {
	n, err := integer(v)
	if err != nil {
		return 0, err
	}
	if n.(int) < -1 {
		return 0, fmt.Errorf("'%s' should be greater than or equal to -1", show(v))
	}
	return int64(n.(int)), nil
}

// quotaView adds the project to limits.
func quotaView(project string, limits map[string]int64) map[string]any {
	out := map[string]any{"project_id": project, "tenant_id": project}
	for name, limit := range limits {
		out[name] = limit
	}
	return out
}

func (h *handler) listQuotas(w http.ResponseWriter, r *http.Request) error {
	all, err := h.svc.Quotas(r.Context())
	if err != nil {
		return err
	}
	out := []any{}
	for project, limits := range all {
		out = append(out, quotaView(project, limits))
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quotas": out})
}

func (h *handler) showQuota(w http.ResponseWriter, r *http.Request) error {
	limits, err := h.svc.Quota(r.Context(), httpx.Param(r, "id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota": limits})
}

func (h *handler) showDefaultQuota(w http.ResponseWriter, r *http.Request) error {
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota": h.svc.DefaultQuota()})
}

type quotaDetail struct {
	Limit    int64 `json:"limit"`
	Used     int64 `json:"used"`
	Reserved int64 `json:"reserved"`
}

func (h *handler) showQuotaDetails(w http.ResponseWriter, r *http.Request) error {
	details, err := h.svc.QuotaDetails(r.Context(), httpx.Param(r, "id"))
	if err != nil {
		return err
	}
	out := map[string]quotaDetail{}
	for name, d := range details {
		out[name] = quotaDetail{Limit: d.Limit, Used: d.Used}
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota": out})
}

func (h *handler) updateQuota(w http.ResponseWriter, r *http.Request) error {
	doc, err := document(r)
	if err != nil {
		return err
	}
	limits, err := readLimits(doc)
	if err != nil {
		return err
	}
	project, err := text(64)(httpx.Param(r, "id"))
	if err != nil {
		return bad("Invalid input for project_id. Reason: %s.", err)
	}
	limits, err = h.svc.SetQuota(r.Context(), project.(string), limits)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota": limits})
}

func (h *handler) deleteQuota(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.ResetQuota(r.Context(), httpx.Param(r, "id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

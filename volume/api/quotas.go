package api

import (
	"encoding/json"
	"net/http"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/internal/quota"
)

// quotaTarget is the project whose limits are asked for.
func quotaTarget(r *http.Request) (policy.Target, error) {
	return policy.Target{"project_id": httpx.Param(r, "target_id")}, nil
}

// maxProjectID is how long an id is that identity gives.
const maxProjectID = 64

func (h *handler) showQuotas(w http.ResponseWriter, r *http.Request) error {
	id := httpx.Param(r, "target_id")
	quotas, err := h.svc.Quotas(r.Context(), id)
	if err != nil {
		return err
	}
	usage, err := httpx.Bool(r.URL.Query().Get("usage"))
	set := map[string]any{"id": id}
	for name, q := range quotas {
		if err == nil && usage.(bool) {
			set[name] = map[string]any{"limit": q.Limit, "in_use": q.Used, "reserved": 0}
		} else {
			set[name] = q.Limit
		}
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota_set": set})
}

func (h *handler) showDefaultQuotas(w http.ResponseWriter, r *http.Request) error {
	limits, err := h.svc.QuotaClass(r.Context(), quota.DefaultClass)
	if err != nil {
		return err
	}
	set := map[string]any{"id": httpx.Param(r, "target_id")}
	for name, limit := range limits {
		set[name] = limit
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota_set": set})
}

// readLimits reads limits, without what clients send beside them.
func readLimits(in map[string]json.RawMessage) (map[string]int64, error) {
	limits := map[string]int64{}
	for name, raw := range in {
		switch name {
		case "tenant_id", "force", "skip_validation", "class_name":
			continue
		}
		var n httpx.LenientInt
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, fault.Invalidf("Quota '%s' limit must be an integer.", name).WithCause(err)
		}
		limits[name] = int64(n)
	}
	return limits, nil
}

func (h *handler) updateQuotas(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Set map[string]json.RawMessage `json:"quota_set"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if id := httpx.Param(r, "target_id"); len(id) > maxProjectID {
		return fault.Invalidf("Project ID %s is not a valid project.", id)
	}
	limits, err := readLimits(in.Set)
	if err != nil {
		return err
	}
	if err := h.svc.SetQuotas(r.Context(), httpx.Param(r, "target_id"), limits); err != nil {
		return err
	}
	quotas, err := h.svc.Quotas(r.Context(), httpx.Param(r, "target_id"))
	if err != nil {
		return err
	}
	set := map[string]any{}
	for name, q := range quotas {
		set[name] = q.Limit
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota_set": set})
}

func (h *handler) deleteQuotas(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.ResetQuotas(r.Context(), httpx.Param(r, "target_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusOK)
}

// limits are the caller's own quotas in another form.
func (h *handler) limits(w http.ResponseWriter, r *http.Request) error {
	quotas, err := h.svc.Quotas(r.Context(), caller(r).ProjectID)
	if err != nil {
		return err
	}
	absolute := map[string]any{}
	for name, names := range map[string][2]string{
		"volumes": {"maxTotalVolumes", "totalVolumesUsed"}, "gigabytes": {"maxTotalVolumeGigabytes", "totalGigabytesUsed"},
		"snapshots": {"maxTotalSnapshots", "totalSnapshotsUsed"}, "backups": {"maxTotalBackups", "totalBackupsUsed"},
		"backup_gigabytes": {"maxTotalBackupGigabytes", "totalBackupGigabytesUsed"},
	} {
		absolute[names[0]], absolute[names[1]] = quotas[name].Limit, quotas[name].Used
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"limits": map[string]any{"rate": []any{}, "absolute": absolute}})
}

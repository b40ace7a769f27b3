package api

import (
	"net/http"
	"strings"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/volume"
)

func (h *handler) listServices(w http.ResponseWriter, r *http.Request) error {
	rows, err := h.svc.Services(r.Context())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	views := []any{}
	for i := range rows {
		one := &rows[i]
		host, _, _ := strings.Cut(one.Host, "@")
		if s := q.Get("host"); s != "" && s != one.Host && s != host {
			continue
		}
		if s := q.Get("binary"); s != "" && s != one.Binary {
			continue
		}
		views = append(views, h.viewService(r, one))
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"services": views})
}

func (h *handler) viewService(r *http.Request, one *volume.Service) map[string]any {
	up := one.Up(h.svc.Now())
	out := map[string]any{
		"binary": one.Binary, "host": one.Host, "zone": one.AZ, "status": choose(one.Disabled, "disabled", "enabled"),
		"state": choose(up, "up", "down"), "updated_at": stamp(one.SeenAt), "disabled_reason": orNil(one.Reason),
	}
	if since(r, 7) {
		out["cluster"] = nil
	}
	if one.Binary == volume.BinaryVolume {
		out["replication_status"], out["active_backend_id"], out["frozen"] = "disabled", nil, false
		if since(r, 49) {
			out["backend_state"] = choose(up, "up", "down")
		}
	}
	return out
}

func choose(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// switchService is what the three switches have in common.
func (h *handler) switchService(w http.ResponseWriter, r *http.Request, disabled, withReason bool) error {
	var in struct {
		Host    string `json:"host"`
		Binary  string `json:"binary"`
		Service string `json:"service"`
		Reason  string `json:"disabled_reason"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if in.Binary == "" {
		in.Binary = in.Service
	}
	if in.Binary == "" {
		return fault.Invalidf("Invalid input received: 'binary' is a required property")
	}
	reason := ""
	if withReason {
		reason = in.Reason
	}
	if err := h.svc.SwitchService(r.Context(), in.Binary, in.Host, disabled, reason); err != nil {
		return err
	}
	out := map[string]any{
		"host": in.Host, "service": in.Service, "binary": in.Binary, "disabled": disabled, "status": choose(disabled, "disabled", "enabled"),
	}
	if withReason {
		out["disabled_reason"] = reason
	}
	return httpx.JSON(w, http.StatusOK, out)
}

func (h *handler) enableService(w http.ResponseWriter, r *http.Request) error {
	return h.switchService(w, r, false, false)
}

func (h *handler) disableService(w http.ResponseWriter, r *http.Request) error {
	return h.switchService(w, r, true, false)
}

func (h *handler) disableServiceWithReason(w http.ResponseWriter, r *http.Request) error {
	return h.switchService(w, r, true, true)
}

// listPools shows the back ends that are up, each of one pool.
func (h *handler) listPools(w http.ResponseWriter, r *http.Request) error {
	rows, err := h.svc.Services(r.Context())
	if err != nil {
		return err
	}
	detail, _ := httpx.Bool(r.URL.Query().Get("detail"))
	views := []any{}
	for i := range rows {
		one := &rows[i]
		if one.Binary != volume.BinaryVolume || !one.Up(h.svc.Now()) {
			continue
		}
		name := one.Pool()
		_, backend, _ := strings.Cut(one.Host, "@")
		pool := map[string]any{"name": name}
		if detail == true {
			pool["capabilities"] = map[string]any{
				"pool_name": backend, "volume_backend_name": backend, "total_capacity_gb": one.TotalGB, "free_capacity_gb": one.FreeGB,
				"allocated_capacity_gb": one.TotalGB - one.FreeGB, "reserved_percentage": 0, "driver_version": "1.0", "vendor_name": "nubo",
				"storage_protocol": "nbd", "QoS_support": false, "thin_provisioning_support": true, "multiattach": false, "timestamp": stamp(one.SeenAt),
			}
		}
		views = append(views, pool)
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"pools": views})
}

func (h *handler) listZones(w http.ResponseWriter, r *http.Request) error {
	zones, err := h.svc.Zones(r.Context())
	if err != nil {
		return err
	}
	views := []any{}
	for _, z := range zones {
		views = append(views, map[string]any{"zoneName": z.Name, "zoneState": map[string]any{"available": z.Available}})
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"availabilityZoneInfo": views})
}

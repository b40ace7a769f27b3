package api

import (
	"net/http"

	"nubo/internal/httpx"
)

func (h *handler) listZones(w http.ResponseWriter, r *http.Request) error {
	return h.writeZones(w, r, false)
}

func (h *handler) listZonesDetail(w http.ResponseWriter, r *http.Request) error {
	return h.writeZones(w, r, true)
}

// writeZones lists the zones; the detailed list, which is for admins, has
// their hosts and the zone of the internal services.
func (h *handler) writeZones(w http.ResponseWriter, r *http.Request, detail bool) error {
	zones, err := h.svc.Zones(r.Context())
	if err != nil {
		return err
	}
	views := []any{}
	for _, z := range zones {
		if !detail && z.Name == h.svc.Config().Default.InternalServiceZone {
			continue
		}
		v := map[string]any{"zoneName": z.Name, "zoneState": map[string]bool{"available": z.Available}, "hosts": nil}
		if detail {
			hosts := map[string]any{}
			for host, services := range z.Hosts {
				byBinary := map[string]any{}
				for _, s := range services {
					byBinary[s.Binary] = map[string]any{"available": h.svc.IsUp(s), "active": !s.Disabled, "updated_at": stampOrNil(s.LastSeen)}
				}
				hosts[host] = byBinary
			}
			v["hosts"] = hosts
		}
		views = append(views, v)
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"availabilityZoneInfo": views})
}

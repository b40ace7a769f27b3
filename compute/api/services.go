package api

import (
	"net/http"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// enabledWord and upWord are how services tell their state.
func enabledWord(s *compute.ComputeService) string {
	if s.Disabled {
		return "disabled"
	}
	return "enabled"
}

func upWord(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

// viewService is a service whole.
func (h *handler) viewService(r *http.Request, s *compute.ComputeService) map[string]any {
	v := map[string]any{
		"id": s.Num, "binary": s.Binary, "host": s.Host, "zone": s.AZ, "status": enabledWord(s), "state": upWord(h.svc.IsUp(s)),
		"updated_at": stampOrNil(s.LastSeen), "disabled_reason": orNil(s.DisabledReason),
	}
	if since(r, 53) {
		v["id"] = s.ID
	}
	if since(r, 11) {
		v["forced_down"] = s.ForcedDown
	}
	return v
}

func (h *handler) listServices(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	services, err := h.svc.Services(r.Context(), q.Get("host"), q.Get("binary"))
	if err != nil {
		return err
	}
	views := make([]any, len(services))
	for i, s := range services {
		views[i] = h.viewService(r, s)
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"services": views})
}

// serviceBody is the body of the operations on services, of any microversion.
type serviceBody struct {
	Host       string             `json:"host"`
	Binary     string             `json:"binary"`
	Status     string             `json:"status"`
	Reason     string             `json:"disabled_reason"`
	ForcedDown *httpx.LenientBool `json:"forced_down"`
}

// byHost changes the service that the body names, as before 2.53.
func (h *handler) byHost(r *http.Request, change func(in *serviceBody) compute.ServiceChange) (*compute.ComputeService, *serviceBody, error) {
	var in serviceBody
	if err := httpx.Decode(r, &in); err != nil {
		return nil, nil, err
	}
	s, err := h.svc.FindService(r.Context(), in.Host, in.Binary)
	if err != nil {
		return nil, nil, err
	}
	s, err = h.svc.UpdateService(r.Context(), s.ID, change(&in))
	return s, &in, err
}

func (h *handler) enableService(w http.ResponseWriter, r *http.Request) error {
	s, _, err := h.byHost(r, func(*serviceBody) compute.ServiceChange { return compute.ServiceChange{Disabled: compute.Ptr(false)} })
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"service": map[string]any{"host": s.Host, "binary": s.Binary, "status": "enabled"}})
}

func (h *handler) disableService(w http.ResponseWriter, r *http.Request) error {
	s, in, err := h.byHost(r, func(in *serviceBody) compute.ServiceChange {
		return compute.ServiceChange{Disabled: compute.Ptr(true), Reason: &in.Reason}
	})
	if err != nil {
		return err
	}
	v := map[string]any{"host": s.Host, "binary": s.Binary, "status": "disabled"}
	if in.Reason != "" {
		v["disabled_reason"] = in.Reason
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"service": v})
}

func (h *handler) forceDown(w http.ResponseWriter, r *http.Request) error {
	s, _, err := h.byHost(r, func(in *serviceBody) compute.ServiceChange {
		return compute.ServiceChange{ForcedDown: compute.Ptr(bool(httpx.Deref(in.ForcedDown)))}
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"service": map[string]any{"host": s.Host, "binary": s.Binary, "forced_down": s.ForcedDown}})
}

func (h *handler) updateService(w http.ResponseWriter, r *http.Request) error {
	var in serviceBody
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	id := httpx.Param(r, "service_id")
	if !httpx.IsUUID(id) {
		return fault.Invalidf("Invalid uuid %s", id)
	}
	if in.Reason != "" && in.Status != "disabled" {
		return fault.Invalidf("Specifying disabled_reason requires that status is disabled.")
	}
	change := compute.ServiceChange{}
	if in.Status != "" {
		change.Disabled, change.Reason = compute.Ptr(in.Status == "disabled"), &in.Reason
	}
	if in.ForcedDown != nil {
		change.ForcedDown = compute.Ptr(bool(*in.ForcedDown))
	}
	s, err := h.svc.UpdateService(r.Context(), id, change)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"service": h.viewService(r, s)})
}

func (h *handler) deleteService(w http.ResponseWriter, r *http.Request) error {
	id := httpx.Param(r, "service_id")
	if since(r, 53) != httpx.IsUUID(id) {
		return fault.Invalidf("Invalid service id %s", id)
	}
	if err := h.svc.DeleteService(r.Context(), id); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

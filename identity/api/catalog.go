package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

func regionView(r *http.Request, v *identity.Region) object {
	return object{
		"id": v.ID, "description": v.Description, "parent_region_id": nullable(v.ParentRegionID), "links": self(r, "/regions/"+v.ID),
	}.with(v.Extra)
}

func (h *handler) listRegions(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Regions(), "regions", httpx.FilterSpec{"parent_region_id": httpx.Text}, regionView)
}

type regionIn struct {
	ID          *string
	Description *string
	Parent      *string `json:"parent_region_id"`
}

func (in *regionIn) apply(v *identity.Region, extra map[string]any) {
	set(&v.Description, in.Description)
	set(&v.ParentRegionID, in.Parent)
	v.Extra = merged(v.Extra, extra)
}

func (h *handler) createRegion(w http.ResponseWriter, r *http.Request) error {
	var in regionIn
	extra, err := body(r, "region", &in, "description", "parent_region_id")
	if err != nil {
		return err
	}
	v := &identity.Region{}
	set(&v.ID, in.ID)
	if id := httpx.Param(r, "region_id"); id != "" {
		if v.ID != "" && v.ID != id {
			return fault.Invalidf("Conflicting region IDs specified: \"%s\" != \"%s\"", id, v.ID)
		}
		v.ID = id
	}
	if len(v.ID) > 255 {
		return fault.Invalidf("Invalid input for field 'id': '%s' is too long", v.ID)
	}
	in.apply(v, extra)
	if err := h.svc.CreateRegion(r.Context(), v); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "region", v, regionView)
}

func (h *handler) updateRegion(w http.ResponseWriter, r *http.Request) error {
	var in regionIn
	extra, err := body(r, "region", &in, "description", "parent_region_id")
	if err != nil {
		return err
	}
	v, err := h.svc.UpdateRegion(r.Context(), httpx.Param(r, "region_id"), func(v *identity.Region) { in.apply(v, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "region", v, regionView)
}

func serviceView(r *http.Request, v *identity.Service) object {
	return object{
		"id": v.ID, "type": v.Type, "name": v.Name, "description": v.Description, "enabled": v.Enabled, "links": self(r, "/services/"+v.ID),
	}.with(v.Extra)
}

func (h *handler) listServices(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Services(), "services", httpx.FilterSpec{"type": httpx.Text, "name": httpx.Text}, serviceView)
}

type serviceIn struct {
	Type, Name, Description *string
	Enabled                 *bool
}

func (in *serviceIn) apply(v *identity.Service, extra map[string]any) {
	set(&v.Type, in.Type)
	set(&v.Name, in.Name)
	set(&v.Description, in.Description)
	set(&v.Enabled, in.Enabled)
	v.Extra = merged(v.Extra, extra)
}

var serviceKeys = []string{"type", "name", "description", "enabled"}

func (h *handler) createService(w http.ResponseWriter, r *http.Request) error {
	var in serviceIn
	extra, err := body(r, "service", &in, serviceKeys...)
	if err != nil {
		return err
	}
	v := &identity.Service{Enabled: true}
	in.apply(v, extra)
	if err := h.svc.CreateService(r.Context(), v); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "service", v, serviceView)
}

func (h *handler) updateService(w http.ResponseWriter, r *http.Request) error {
	var in serviceIn
	extra, err := body(r, "service", &in, serviceKeys...)
	if err != nil {
		return err
	}
	v, err := h.svc.UpdateService(r.Context(), httpx.Param(r, "service_id"), func(v *identity.Service) { in.apply(v, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "service", v, serviceView)
}

func endpointView(r *http.Request, v *identity.Endpoint) object {
	return object{
		"id": v.ID, "service_id": v.ServiceID, "region": nullable(v.RegionID), "region_id": nullable(v.RegionID), "interface": v.Interface,
		"url": v.URL, "enabled": v.Enabled, "links": self(r, "/endpoints/"+v.ID),
	}.with(v.Extra)
}

var endpointFilters = httpx.FilterSpec{"service_id": httpx.Text, "region_id": httpx.Text, "interface": httpx.Text}

func (h *handler) listEndpoints(w http.ResponseWriter, r *http.Request) error {
	fixed := []db.Filter{}
	if region := r.URL.Query().Get("region"); region != "" { // the older name
		fixed = append(fixed, equal("region_id", region))
	}
	return listTable(w, r, h.store.Endpoints(), "endpoints", endpointFilters, endpointView, fixed...)
}

type endpointIn struct {
	ServiceID *string `json:"service_id"`
	RegionID  *string `json:"region_id"`
	Region    *string
	Interface *string
	URL       *string
	Enabled   *bool
}

func (in *endpointIn) apply(v *identity.Endpoint, extra map[string]any) {
	set(&v.ServiceID, in.ServiceID)
	set(&v.RegionID, in.Region) // the older name
	set(&v.RegionID, in.RegionID)
	set(&v.Interface, in.Interface)
	set(&v.URL, in.URL)
	set(&v.Enabled, in.Enabled)
	v.Extra = merged(v.Extra, extra)
}

var endpointKeys = []string{"service_id", "region_id", "region", "interface", "url", "enabled"}

func (h *handler) createEndpoint(w http.ResponseWriter, r *http.Request) error {
	var in endpointIn
	extra, err := body(r, "endpoint", &in, endpointKeys...)
	if err != nil {
		return err
	}
	v := &identity.Endpoint{Enabled: true}
	in.apply(v, extra)
	if err := h.svc.CreateEndpoint(r.Context(), v); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "endpoint", v, endpointView)
}

func (h *handler) updateEndpoint(w http.ResponseWriter, r *http.Request) error {
	var in endpointIn
	extra, err := body(r, "endpoint", &in, endpointKeys...)
	if err != nil {
		return err
	}
	v, err := h.svc.UpdateEndpoint(r.Context(), httpx.Param(r, "endpoint_id"), func(v *identity.Endpoint) { in.apply(v, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "endpoint", v, endpointView)
}

package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/httpx"
)

func regionView(r *http.Request, v *identity.Region) object {
	return object{"id": v.ID, "description": v.Description, "parent_region_id": nullable(v.ParentRegionID), "links": self(r, "/regions/"+v.ID)}
}

func (h *handler) listRegions(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Regions(), "regions", httpx.FilterSpec{"parent_region_id": httpx.Text}, regionView)
}

func (h *handler) createRegion(w http.ResponseWriter, r *http.Request) error {
	return h.saveRegion(w, r, &identity.Region{}, true)
}

func (h *handler) updateRegion(w http.ResponseWriter, r *http.Request) error {
	v, err := h.store.Regions().Get(r.Context(), httpx.Param(r, "region_id"))
	if err != nil {
		return err
	}
	return h.saveRegion(w, r, v, false)
}

func (h *handler) saveRegion(w http.ResponseWriter, r *http.Request, v *identity.Region, create bool) error {
	var in struct {
		Region struct {
			ID          *string
			Description *string
			Parent      *string `json:"parent_region_id"`
		}
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	status := http.StatusOK
	if create {
		status = http.StatusCreated
		set(&v.ID, in.Region.ID)
	}
	set(&v.Description, in.Region.Description)
	set(&v.ParentRegionID, in.Region.Parent)
	if err := h.svc.SaveRegion(r.Context(), v, create); err != nil {
		return err
	}
	return show(w, r, status, "region", v, regionView)
}

func (h *handler) showRegion(w http.ResponseWriter, r *http.Request) error {
	v, err := h.store.Regions().Get(r.Context(), httpx.Param(r, "region_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "region", v, regionView)
}

func (h *handler) deleteRegion(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteRegion(r.Context(), httpx.Param(r, "region_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func serviceView(r *http.Request, v *identity.Service) object {
	return object{
		"id": v.ID, "type": v.Type, "name": v.Name, "description": v.Description, "enabled": v.Enabled, "links": self(r, "/services/"+v.ID),
	}
}

func (h *handler) listServices(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Services(), "services", httpx.FilterSpec{"type": httpx.Text, "name": httpx.Text}, serviceView)
}

func (h *handler) createService(w http.ResponseWriter, r *http.Request) error {
	return h.saveService(w, r, &identity.Service{Enabled: true}, true)
}

func (h *handler) updateService(w http.ResponseWriter, r *http.Request) error {
	v, err := h.store.Services().Get(r.Context(), httpx.Param(r, "service_id"))
	if err != nil {
		return err
	}
	return h.saveService(w, r, v, false)
}

func (h *handler) saveService(w http.ResponseWriter, r *http.Request, v *identity.Service, create bool) error {
	var in struct {
		Service struct {
			Type, Name, Description *string
			Enabled                 *bool
		}
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	set(&v.Type, in.Service.Type)
	set(&v.Name, in.Service.Name)
	set(&v.Description, in.Service.Description)
	set(&v.Enabled, in.Service.Enabled)
	if err := h.svc.SaveService(r.Context(), v, create); err != nil {
		return err
	}
	status := http.StatusOK
	if create {
		status = http.StatusCreated
	}
	return show(w, r, status, "service", v, serviceView)
}

func (h *handler) showService(w http.ResponseWriter, r *http.Request) error {
	v, err := h.store.Services().Get(r.Context(), httpx.Param(r, "service_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "service", v, serviceView)
}

func (h *handler) deleteService(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteService(r.Context(), httpx.Param(r, "service_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func endpointView(r *http.Request, v *identity.Endpoint) object {
	return object{
		"id": v.ID, "service_id": v.ServiceID, "region": nullable(v.RegionID), "region_id": nullable(v.RegionID), "interface": v.Interface,
		"url": v.URL, "enabled": v.Enabled, "links": self(r, "/endpoints/"+v.ID),
	}
}

func (h *handler) listEndpoints(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Endpoints(), "endpoints", httpx.FilterSpec{
		"service_id": httpx.Text, "region_id": httpx.Text, "interface": httpx.Text,
	}, endpointView)
}

func (h *handler) createEndpoint(w http.ResponseWriter, r *http.Request) error {
	return h.saveEndpoint(w, r, &identity.Endpoint{Enabled: true}, true)
}

func (h *handler) updateEndpoint(w http.ResponseWriter, r *http.Request) error {
	v, err := h.store.Endpoints().Get(r.Context(), httpx.Param(r, "endpoint_id"))
	if err != nil {
		return err
	}
	return h.saveEndpoint(w, r, v, false)
}

func (h *handler) saveEndpoint(w http.ResponseWriter, r *http.Request, v *identity.Endpoint, create bool) error {
	var in struct {
		Endpoint struct {
			ServiceID *string `json:"service_id"`
			RegionID  *string `json:"region_id"`
			Region    *string
			Interface *string
			URL       *string
			Enabled   *bool
		}
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	set(&v.ServiceID, in.Endpoint.ServiceID)
	set(&v.RegionID, in.Endpoint.Region) // the older name
	set(&v.RegionID, in.Endpoint.RegionID)
	set(&v.Interface, in.Endpoint.Interface)
	set(&v.URL, in.Endpoint.URL)
	set(&v.Enabled, in.Endpoint.Enabled)
	if err := h.svc.SaveEndpoint(r.Context(), v, create); err != nil {
		return err
	}
	status := http.StatusOK
	if create {
		status = http.StatusCreated
	}
	return show(w, r, status, "endpoint", v, endpointView)
}

func (h *handler) showEndpoint(w http.ResponseWriter, r *http.Request) error {
	v, err := h.store.Endpoints().Get(r.Context(), httpx.Param(r, "endpoint_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "endpoint", v, endpointView)
}

func (h *handler) deleteEndpoint(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteEndpoint(r.Context(), httpx.Param(r, "endpoint_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

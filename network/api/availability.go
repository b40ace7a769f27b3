package api

import (
	"net/http"

	"nubo/internal/httpx"
	"nubo/network"
)

type availabilityView struct {
	NetworkID   string                   `json:"network_id"`
	NetworkName string                   `json:"network_name"`
	ProjectID   string                   `json:"project_id"`
	TenantID    string                   `json:"tenant_id"`
	Total       int64                    `json:"total_ips"`
	Used        int64                    `json:"used_ips"`
	Subnets     []subnetAvailabilityView `json:"subnet_ip_availability"`
}

type subnetAvailabilityView struct {
	SubnetID   string `json:"subnet_id"`
	SubnetName string `json:"subnet_name"`
	CIDR       string `json:"cidr"`
	IPVersion  int    `json:"ip_version"`
	Total      int64  `json:"total_ips"`
	Used       int64  `json:"used_ips"`
}

func viewAvailability(a network.Availability) availabilityView {
	v := availabilityView{NetworkID: a.Network.ID, NetworkName: a.Network.Name, ProjectID: a.Network.ProjectID, TenantID: a.Network.ProjectID, Subnets: []subnetAvailabilityView{}}
	for _, s := range a.Subnets {
		v.Total += s.Total
		v.Used += s.Used
		v.Subnets = append(v.Subnets, subnetAvailabilityView{s.Subnet.ID, s.Subnet.Name, s.Subnet.CIDR, s.Subnet.Version, s.Total, s.Used})
	}
	return v
}

func (h *handler) listAvailability(w http.ResponseWriter, r *http.Request) error {
	filters, err := httpx.ParseFilters(r, httpx.FilterSpec{"network_id": httpx.Text, "network_name": httpx.Text, "project_id": httpx.Text, "tenant_id": httpx.Text})
	if err != nil {
		return err
	}
	for i, f := range filters {
		switch f.Column {
		case "network_id":
			filters[i].Column = "id"
		case "network_name":
			filters[i].Column = "name"
		}
	}
	networks, err := h.svc.Networks(r.Context(), network.Query{Filters: filters})
	if err != nil {
		return err
	}
	all, err := h.svc.Availability(r.Context(), networks)
	if err != nil {
		return err
	}
	out := []availabilityView{}
	for _, a := range all {
		out = append(out, viewAvailability(a))
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"network_ip_availabilities": out})
}

func (h *handler) showAvailability(w http.ResponseWriter, r *http.Request) error {
	n, err := h.svc.Network(r.Context(), httpx.Param(r, "id"))
	if err != nil {
		return err
	}
	all, err := h.svc.Availability(r.Context(), []*network.Network{n})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"network_ip_availability": viewAvailability(all[0])})
}

package api

import (
	"net/http"
	"slices"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/sdk/network"
)

// viewInterface is a port of a server.
func viewInterface(r *http.Request, s *compute.Server, p *network.Port) map[string]any {
	ips := make([]any, len(p.FixedIPs))
	for i, ip := range p.FixedIPs {
		ips[i] = map[string]any{"subnet_id": ip.SubnetID, "ip_address": ip.IPAddress}
	}
	v := map[string]any{"net_id": p.NetworkID, "port_id": p.ID, "mac_addr": p.MACAddress, "port_state": p.Status, "fixed_ips": ips}
	if since(r, 70) {
		v["tag"] = nil
		if i := slices.IndexFunc(s.VIFs, func(v compute.VIF) bool { return v.PortID == p.ID }); i >= 0 {
			v["tag"] = orNil(s.VIFs[i].Tag)
		}
	}
	return v
}

func (h *handler) listInterfaces(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	ports, err := h.svc.Interfaces(r.Context(), s)
	if err != nil {
		return err
	}
	views := make([]any, len(ports))
	for i := range ports {
		views[i] = viewInterface(r, s, &ports[i])
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"interfaceAttachments": views})
}

func (h *handler) showInterface(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	p, err := h.svc.Interface(r.Context(), s, httpx.Param(r, "port_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"interfaceAttachment": viewInterface(r, s, p)})
}

func (h *handler) attachInterface(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Attachment struct {
			NetID    string `json:"net_id"`
			PortID   string `json:"port_id"`
			Tag      string `json:"tag"`
			FixedIPs []struct {
				IP string `json:"ip_address"`
			} `json:"fixed_ips"`
		} `json:"interfaceAttachment"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	a := in.Attachment
	switch {
	case a.NetID != "" && a.PortID != "":
		return fault.Invalidf("Must not input both network_id and port_id")
	case len(a.FixedIPs) > 0 && a.NetID == "":
		return fault.Invalidf("Must input network_id when request IP address")
	}
	s, err := h.server(r)
	if err != nil {
		return err
	}
	n := compute.RequestedNetwork{NetworkID: a.NetID, PortID: a.PortID, Tag: a.Tag}
	if len(a.FixedIPs) > 0 {
		n.FixedIP = a.FixedIPs[0].IP
	}
	p, err := h.svc.AttachInterface(r.Context(), s, n)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"interfaceAttachment": viewInterface(r, s, p)})
}

func (h *handler) detachInterface(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	if err := h.svc.DetachInterface(r.Context(), s, httpx.Param(r, "port_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

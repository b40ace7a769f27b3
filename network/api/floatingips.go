package api

import (
	"context"

	"nubo/internal/httpx"
	"nubo/network"
)

var floatingIPResource = &resource{name: "floatingip", plural: "floatingips", attributes: []attribute{
	{name: "floating_network_id", convert: uuid, where: post | required},
	{name: "floating_ip_address", convert: orNull(address), where: post, def: "", guarded: true},
	{name: "subnet_id", convert: orNull(uuid), where: post},
	{name: "port_id", convert: orNull(uuid), where: both},
	{name: "fixed_ip_address", convert: orNull(address), where: both},
	{name: "router_id", convert: uuid, where: readOnly},
	{name: "qos_policy_id", convert: nothing, where: both},
	{name: "dns_name", convert: noText, where: post},
	{name: "dns_domain", convert: noText, where: post},
}}

// noText admits only the empty text: names of floating IPs are not served.
func noText(v any) (any, error) {
	if v == "" {
		return "", nil
	}
	return nothing(v)
}

// floatingIPView is a floating IP in answers.
type floatingIPView struct {
	standard
	FloatingNetworkID string   `json:"floating_network_id"`
	FloatingIPAddress string   `json:"floating_ip_address"`
	PortID            text0    `json:"port_id"`
	FixedIPAddress    text0    `json:"fixed_ip_address"`
	RouterID          text0    `json:"router_id"`
	Status            string   `json:"status"`
	PortForwardings   []string `json:"port_forwardings"`
}

func viewFloatingIP(f *network.FloatingIP, _ viewer) any {
	return floatingIPView{
		standard: standardOf(&f.Base), FloatingNetworkID: f.FloatingNetworkID, FloatingIPAddress: f.FloatingIPAddress, PortID: text0(f.PortID),
		FixedIPAddress: text0(f.FixedIPAddress), RouterID: text0(f.RouterID), Status: f.Status, PortForwardings: []string{},
	}
}

func (h *handler) floatingIPs() *kind[network.FloatingIP] {
	return &kind[network.FloatingIP]{
		res: floatingIPResource,
		filters: httpx.FilterSpec{
			"floating_network_id": httpx.Text, "floating_ip_address": httpx.Text, "port_id": httpx.Text, "fixed_ip_address": httpx.Text,
			"router_id": httpx.Text, "status": httpx.Text,
		},
		sort: map[string]string{"floating_network_id": "floating_network_id", "floating_ip_address": "floating_ip_address",
			"fixed_ip_address": "fixed_ip_address", "router_id": "router_id", "status": "status"},
		list: h.svc.FloatingIPs, get: h.svc.FloatingIP, view: viewFloatingIP, remove: h.svc.DeleteFloatingIP, setTags: h.svc.SetTags,
		create: func(ctx context.Context, in []attrs) ([]*network.FloatingIP, error) {
			var out []*network.FloatingIP
			for _, a := range in {
				f, err := h.svc.CreateFloatingIP(ctx, network.FloatingIPCreate{
					SubnetID: or(a, "subnet_id", ""),
					FloatingIP: network.FloatingIP{
						Base: baseOf(a), FloatingNetworkID: or(a, "floating_network_id", ""), FloatingIPAddress: or(a, "floating_ip_address", ""),
						PortID: or(a, "port_id", ""), FixedIPAddress: or(a, "fixed_ip_address", ""),
					},
				})
				if err != nil {
					return nil, err
				}
				out = append(out, f)
			}
			return out, nil
		},
		update: func(ctx context.Context, id string, a attrs) (*network.FloatingIP, error) {
			u := network.FloatingIPUpdate{Description: opt[string](a, "description"), PortID: opt[string](a, "port_id"), FixedIPAddress: opt[string](a, "fixed_ip_address")}
			if u.FixedIPAddress != nil && *u.FixedIPAddress == "" {
				u.FixedIPAddress = nil
			}
			return h.svc.UpdateFloatingIP(ctx, id, u)
		},
	}
}

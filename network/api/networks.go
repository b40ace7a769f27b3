package api

import (
	"context"

	"nubo/internal/httpx"
	"nubo/network"
)

var networkResource = &resource{name: "network", plural: "networks", attributes: []attribute{
	{name: "name", convert: text(255), where: both},
	{name: "admin_state_up", convert: boolean, where: both},
	{name: "shared", convert: boolean, where: both, def: false, guarded: true},
	{name: "router:external", convert: boolean, where: both, def: false, guarded: true},
	{name: "is_default", convert: boolean, where: both, def: false, guarded: true},
	{name: "port_security_enabled", convert: boolean, where: both, def: true, guarded: true},
	{name: "mtu", convert: integer, where: both},
	{name: "provider:network_type", convert: text(32), where: post, guarded: true},
	{name: "provider:physical_network", convert: orNull(text(64)), where: post, def: "", guarded: true},
	{name: "provider:segmentation_id", convert: segment, where: post, def: 0, guarded: true},
	{name: "availability_zone_hints", convert: emptyList, where: post},
	{name: "availability_zones", convert: texts(), where: readOnly},
	{name: "subnets", convert: uuids, where: readOnly},
	{name: "ipv4_address_scope", convert: nothing, where: readOnly},
	{name: "ipv6_address_scope", convert: nothing, where: readOnly},
}}

// segment is a segmentation id, 0 for null.
func segment(v any) (any, error) {
	if v == nil {
		return 0, nil
	}
	return integer(v)
}

// networkView is a network in answers.
type networkView struct {
	standard
	Name                  string        `json:"name"`
	Status                string        `json:"status"`
	AdminStateUp          bool          `json:"admin_state_up"`
	Shared                bool          `json:"shared"`
	External              bool          `json:"router:external"`
	IsDefault             bool          `json:"is_default"`
	MTU                   int           `json:"mtu"`
	PortSecurityEnabled   bool          `json:"port_security_enabled"`
	Subnets               []string      `json:"subnets"`
	AvailabilityZones     []string      `json:"availability_zones"`
	AvailabilityZoneHints []string      `json:"availability_zone_hints"`
	IPv4AddressScope      text0         `json:"ipv4_address_scope"`
	IPv6AddressScope      text0         `json:"ipv6_address_scope"`
	NetworkType           maybe[string] `json:"provider:network_type,omitzero"`
	PhysicalNetwork       maybe[text0]  `json:"provider:physical_network,omitzero"`
	SegmentationID        maybe[int0]   `json:"provider:segmentation_id,omitzero"`
}

func viewNetwork(n *network.Network, v viewer) any {
	return networkView{
		standard: standardOf(&n.Base), Name: n.Name, Status: n.Status, AdminStateUp: n.AdminStateUp, Shared: n.Shared, External: n.External,
		IsDefault: n.IsDefault, MTU: n.MTU, PortSecurityEnabled: n.PortSecurityEnabled, Subnets: orEmpty(n.Subnets),
		AvailabilityZones: []string{}, AvailabilityZoneHints: []string{},
		NetworkType:     shown(n.NetworkType, v, "provider:network_type"),
		PhysicalNetwork: shown(text0(n.PhysicalNetwork), v, "provider:physical_network"),
		SegmentationID:  shown(int0(n.SegmentationID), v, "provider:segmentation_id"),
	}
}

func (h *handler) networks() *kind[network.Network] {
	return &kind[network.Network]{
		res: networkResource,
		filters: httpx.FilterSpec{
			"name": httpx.Text, "status": httpx.Text, "admin_state_up": httpx.Bool, "shared": httpx.Bool, "router:external": httpx.Bool,
			"is_default": httpx.Bool, "mtu": httpx.Number, "port_security_enabled": httpx.Bool,
			"provider:network_type": httpx.Text, "provider:physical_network": httpx.Text, "provider:segmentation_id": httpx.Number,
		},
		sort:   map[string]string{"name": "name", "status": "status", "admin_state_up": "admin_state_up", "mtu": "mtu"},
		hidden: []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"},
		list:   h.svc.Networks, get: h.svc.Network, view: viewNetwork, remove: h.svc.DeleteNetwork, setTags: h.svc.SetTags,
		create: func(ctx context.Context, in []attrs) ([]*network.Network, error) {
			var list []*network.Network
			for _, a := range in {
				list = append(list, newNetwork(a))
			}
			return h.svc.CreateNetworks(ctx, list)
		},
		update: func(ctx context.Context, id string, a attrs) (*network.Network, error) {
			return h.svc.UpdateNetwork(ctx, id, network.NetworkUpdate{
				Name: opt[string](a, "name"), Description: opt[string](a, "description"), AdminStateUp: opt[bool](a, "admin_state_up"),
				Shared: opt[bool](a, "shared"), External: opt[bool](a, "router:external"), IsDefault: opt[bool](a, "is_default"),
				PortSecurityEnabled: opt[bool](a, "port_security_enabled"), MTU: opt[int](a, "mtu"),
			})
		},
	}
}

// baseOf is what a body says of the standard attributes.
func baseOf(a attrs) network.Base {
	return network.Base{ProjectID: or(a, "project_id", ""), Description: or(a, "description", "")}
}

func newNetwork(a attrs) *network.Network {
	return &network.Network{
		Base: baseOf(a), Name: or(a, "name", ""), AdminStateUp: or(a, "admin_state_up", true), Shared: or(a, "shared", false),
		External: or(a, "router:external", false), IsDefault: or(a, "is_default", false), MTU: or(a, "mtu", 0),
		PortSecurityEnabled: or(a, "port_security_enabled", true), NetworkType: or(a, "provider:network_type", ""),
		PhysicalNetwork: or(a, "provider:physical_network", ""), SegmentationID: or(a, "provider:segmentation_id", 0),
	}
}

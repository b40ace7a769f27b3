package api

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/network"
)

var portResource = &resource{name: "port", plural: "ports", attributes: []attribute{
	{name: "name", convert: text(255), where: both},
	{name: "network_id", convert: uuid, where: post | required},
	{name: "admin_state_up", convert: boolean, where: both},
	{name: "mac_address", convert: mac, where: both, guarded: true},
	{name: "fixed_ips", convert: fixedIPs, where: both, guarded: true},
	{name: "device_id", convert: orNull(text(255)), where: both},
	{name: "device_owner", convert: orNull(text(255)), where: both, def: "", guarded: true},
	{name: "security_groups", convert: uuids, where: both},
	{name: "port_security_enabled", convert: boolean, where: both, guarded: true},
	{name: "allowed_address_pairs", convert: addressPairs, where: both, guarded: true},
	{name: "binding:host_id", convert: orNull(text(255)), where: both, def: "", guarded: true},
	{name: "binding:vnic_type", convert: oneOf("normal"), where: both, def: "normal", guarded: true},
	{name: "binding:profile", convert: profile, where: both, guarded: true},
	{name: "binding:vif_type", convert: text(64), where: readOnly},
	{name: "binding:vif_details", convert: profile, where: readOnly},
	{name: "dns_name", convert: orNull(text(255)), where: both},
	{name: "extra_dhcp_opts", convert: emptyList, where: both},
	{name: "propagate_uplink_status", convert: onlyFalse, where: both},
}}

func fixedIPs(v any) (any, error) {
	list, err := items(v)
	out := []network.FixedIP{}
	for _, x := range list {
		m, err := dict(x, "subnet_id", "ip_address")
		if err != nil {
			return nil, err
		}
		subnet, err := memberText(m, "subnet_id", uuid)
		if err != nil {
			return nil, err
		}
		ip, err := memberText(m, "ip_address", address)
		if err != nil {
			return nil, err
		}
		f := network.FixedIP{SubnetID: subnet, IPAddress: ip}
		if ip != "" && slices.Contains(out, f) {
			return nil, fmt.Errorf("Duplicate IP address '%s'", ip)
		}
		out = append(out, f)
	}
	return out, err
}

func addressPairs(v any) (any, error) {
	list, err := items(v)
	out := []network.AddressPair{}
	for _, x := range list {
		m, err := dict(x, "mac_address", "ip_address")
		if err != nil {
			return nil, err
		}
		hw, err := memberText(m, "mac_address", mac)
		if err != nil {
			return nil, err
		}
		ip, _ := m["ip_address"].(string)
		if _, err := netip.ParsePrefix(ip); err != nil {
			if _, err := address(m["ip_address"]); err != nil {
				return nil, err
			}
		}
		out = append(out, network.AddressPair{MACAddress: hw, IPAddress: ip})
	}
	return out, err
}

func profile(v any) (any, error) {
	if v == nil {
		return map[string]any{}, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("'%s' is not a dictionary", show(v))
	}
	return m, nil
}

// portView is a port in answers.
type portView struct {
	standard
	Name                string                `json:"name"`
	NetworkID           string                `json:"network_id"`
	MACAddress          string                `json:"mac_address"`
	AdminStateUp        bool                  `json:"admin_state_up"`
	Status              string                `json:"status"`
	DeviceID            string                `json:"device_id"`
	DeviceOwner         string                `json:"device_owner"`
	FixedIPs            []network.FixedIP     `json:"fixed_ips"`
	SecurityGroups      []string              `json:"security_groups"`
	AllowedAddressPairs []network.AddressPair `json:"allowed_address_pairs"`
	PortSecurityEnabled bool                  `json:"port_security_enabled"`
	ExtraDHCPOpts       []string              `json:"extra_dhcp_opts"`
	DNSName             string                `json:"dns_name"`
	VNICType            string                `json:"binding:vnic_type"`
	HostID              maybe[string]         `json:"binding:host_id,omitzero"`
	VIFType             maybe[string]         `json:"binding:vif_type,omitzero"`
	VIFDetails          maybe[map[string]any] `json:"binding:vif_details,omitzero"`
	Profile             maybe[map[string]any] `json:"binding:profile,omitzero"`
}

func viewPort(p *network.Port, v viewer) any {
	profile := p.Profile
	if profile == nil {
		profile = map[string]any{}
	}
	return portView{
		standard: standardOf(&p.Base), Name: p.Name, NetworkID: p.NetworkID, MACAddress: p.MACAddress, AdminStateUp: p.AdminStateUp, Status: p.Status,
		DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner, FixedIPs: orEmpty(p.FixedIPs), SecurityGroups: orEmpty(p.SecurityGroups),
		AllowedAddressPairs: orEmpty(p.AllowedAddressPairs), PortSecurityEnabled: p.PortSecurityEnabled, ExtraDHCPOpts: []string{}, DNSName: p.DNSName,
		VNICType: p.VNICType, HostID: shown(p.HostID, v, "binding:host_id"), VIFType: shown(p.VIFType, v, "binding:vif_type"),
		VIFDetails: shown(p.VIFDetails(), v, "binding:vif_details"), Profile: shown(profile, v, "binding:profile"),
	}
}

func (h *handler) ports() *kind[network.Port] {
	return &kind[network.Port]{
		res: portResource,
		filters: httpx.FilterSpec{
			"name": httpx.Text, "network_id": httpx.Text, "mac_address": lower, "status": httpx.Text, "admin_state_up": httpx.Bool,
			"device_id": httpx.Text, "device_owner": httpx.Text, "security_groups": httpx.Text, "dns_name": httpx.Text,
			"binding:host_id": httpx.Text, "binding:vif_type": httpx.Text, "binding:vnic_type": httpx.Text, "port_security_enabled": httpx.Bool,
			"fixed_ips": httpx.Text,
		},
		sort: map[string]string{"name": "name", "network_id": "network_id", "mac_address": "mac_address", "status": "status",
			"admin_state_up": "admin_state_up", "device_id": "device_id", "device_owner": "device_owner"},
		hidden: []string{"binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile"},
		list:   h.listPorts, get: h.svc.Port, view: viewPort, remove: h.svc.DeletePort, setTags: h.svc.SetTags,
		about: func(ctx context.Context, p *network.Port, t policy.Target) error {
			if auth.From(ctx).IsAdmin {
				return nil // no rule says no to an admin for the network's owner
			}
			return h.aboutVisibleOr(ctx, p.NetworkID, t)
		},
		aboutNew: func(ctx context.Context, a attrs, t policy.Target) error {
			t["device_owner"] = or(a, "device_owner", "")
			return h.aboutVisible(ctx, or(a, "network_id", ""), t)
		},
		create: h.createPorts, update: h.updatePort,
	}
}

func lower(s string) (any, error) { return strings.ToLower(s), nil }

// aboutVisibleOr is aboutVisible, or aboutNetwork of a network that is not
// visible any more.
func (h *handler) aboutVisibleOr(ctx context.Context, id string, t policy.Target) error {
	if h.aboutVisible(ctx, id, t) == nil {
		return nil
	}
	return h.aboutNetwork(ctx, id, t)
}

// listPorts splits fixed_ips=KEY=VALUE filters into those the store knows.
func (h *handler) listPorts(ctx context.Context, q network.Query) ([]*network.Port, error) {
	var filters []db.Filter
	for _, f := range q.Filters {
		if f.Column != "fixed_ips" {
			filters = append(filters, f)
			continue
		}
		byKey := map[string][]any{}
		for _, v := range f.Values {
			key, value, _ := strings.Cut(v.(string), "=")
			byKey[key] = append(byKey[key], value)
		}
		for key, values := range byKey {
			if !slices.Contains([]string{"ip_address", "subnet_id", "ip_address_substr"}, key) {
				return nil, bad("Invalid input for fixed_ips. Reason: '%s' is not in ['ip_address', 'subnet_id', 'ip_address_substr'].", key)
			}
			filters = append(filters, db.Filter{Column: key, Values: values})
		}
	}
	q.Filters = filters
	return h.svc.Ports(ctx, q)
}

// allowFixed enforces the rules about single addresses.
func (h *handler) allowFixed(ctx context.Context, op operation, a attrs, t policy.Target) error {
	for _, f := range or[[]network.FixedIP](a, "fixed_ips", nil) {
		for key, given := range map[string]bool{"ip_address": f.IPAddress != "", "subnet_id": f.SubnetID != ""} {
			if !given {
				continue
			}
			if err := httpx.Enforce(ctx, op.verb()+"port:fixed_ips:"+key, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *handler) createPorts(ctx context.Context, in []attrs) ([]*network.Port, error) {
	var list []network.PortCreate
	for _, a := range in {
		if a.has("fixed_ips") {
			t := policy.Target{"project_id": or(a, "project_id", auth.From(ctx).ProjectID)}
			if err := h.aboutVisible(ctx, or(a, "network_id", ""), t); err != nil {
				return nil, err
			}
			if err := h.allowFixed(ctx, creating, a, t); err != nil {
				return nil, err
			}
		}
		list = append(list, network.PortCreate{
			FixedIPs: opt[[]network.FixedIP](a, "fixed_ips"), SecurityGroups: opt[[]string](a, "security_groups"),
			PortSecurityEnabled: opt[bool](a, "port_security_enabled"),
			Port: network.Port{
				Base: baseOf(a), Name: or(a, "name", ""), NetworkID: or(a, "network_id", ""), MACAddress: or(a, "mac_address", ""),
				AdminStateUp: or(a, "admin_state_up", true), DeviceID: or(a, "device_id", ""), DeviceOwner: or(a, "device_owner", ""),
				HostID: or(a, "binding:host_id", ""), VNICType: or(a, "binding:vnic_type", ""), DNSName: or(a, "dns_name", ""),
				Profile:             or[map[string]any](a, "binding:profile", nil),
				AllowedAddressPairs: or[[]network.AddressPair](a, "allowed_address_pairs", nil),
			},
		})
	}
	return h.svc.CreatePorts(ctx, list)
}

func (h *handler) updatePort(ctx context.Context, id string, a attrs) (*network.Port, error) {
	if a.has("fixed_ips") {
		p, err := h.svc.Port(ctx, id)
		if err != nil {
			return nil, err
		}
		t := policy.Target{"project_id": p.ProjectID}
		if err := h.aboutVisibleOr(ctx, p.NetworkID, t); err != nil {
			return nil, err
		}
		if err := h.allowFixed(ctx, updating, a, t); err != nil {
			return nil, err
		}
	}
	return h.svc.UpdatePort(ctx, id, network.PortUpdate{
		Name: opt[string](a, "name"), Description: opt[string](a, "description"), DeviceID: opt[string](a, "device_id"),
		DeviceOwner: opt[string](a, "device_owner"), MACAddress: opt[string](a, "mac_address"), HostID: opt[string](a, "binding:host_id"),
		VNICType: opt[string](a, "binding:vnic_type"), DNSName: opt[string](a, "dns_name"), AdminStateUp: opt[bool](a, "admin_state_up"),
		PortSecurityEnabled: opt[bool](a, "port_security_enabled"), FixedIPs: opt[[]network.FixedIP](a, "fixed_ips"),
		SecurityGroups: opt[[]string](a, "security_groups"), AllowedAddressPairs: opt[[]network.AddressPair](a, "allowed_address_pairs"),
		Profile: opt[map[string]any](a, "binding:profile"),
	})
}

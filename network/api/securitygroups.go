package api

import (
	"context"
	"fmt"

	"nubo/internal/httpx"
	"nubo/network"
)

var groupResource = &resource{name: "security_group", plural: "security_groups", attributes: []attribute{
	{name: "name", convert: text(255), where: both},
	{name: "stateful", convert: onlyTrue, where: both},
	{name: "security_group_rules", convert: items0, where: readOnly},
	{name: "shared", convert: boolean, where: readOnly},
}}

// onlyTrue admits true: groups are stateful.
func onlyTrue(v any) (any, error) {
	b, err := boolean(v)
	if err == nil && b != true {
		return nothing(v)
	}
	return b, err
}

func items0(v any) (any, error) { return items(v) }

var ruleResource = &resource{name: "security_group_rule", plural: "security_group_rules", attributes: []attribute{
	{name: "security_group_id", convert: uuid, where: post | required},
	{name: "direction", convert: oneOf(network.Ingress, network.Egress), where: post | required},
	{name: "ethertype", convert: ethertype, where: post},
	{name: "protocol", convert: protocol, where: post},
	{name: "port_range_min", convert: portNumber, where: post},
	{name: "port_range_max", convert: portNumber, where: post},
	{name: "remote_ip_prefix", convert: orNull(text(64)), where: post},
	{name: "remote_group_id", convert: orNull(uuid), where: post},
	{name: "remote_address_group_id", convert: nothing, where: post},
}}

func ethertype(v any) (any, error) {
	if v == nil {
		return network.IPv4, nil
	}
	return oneOf(network.IPv4, network.IPv6)(v)
}

// protocol is a name or a number; either may be written as a text.
func protocol(v any) (any, error) {
	if v == nil {
		return "", nil
	}
	if n, err := integer(v); err == nil {
		return fmt.Sprint(n), nil
	}
	return text(32)(v)
}

// portNumber is an end of a port range; nil stays nil: any.
func portNumber(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	n, err := integer(v)
	if err == nil && (n.(int) < -1 || n.(int) > 65535) {
		return nil, fmt.Errorf("Invalid port '%s', valid range 0 < port < 65536", show(v))
	}
	if n == -1 { // an old way to say any ICMP type
		return nil, err
	}
	return n, err
}

// ruleView is a rule in answers.
type ruleView struct {
	standard
	SecurityGroupID      string `json:"security_group_id"`
	Direction            string `json:"direction"`
	EtherType            string `json:"ethertype"`
	Protocol             text0  `json:"protocol"`
	PortRangeMin         *int   `json:"port_range_min"`
	PortRangeMax         *int   `json:"port_range_max"`
	RemoteIPPrefix       text0  `json:"remote_ip_prefix"`
	RemoteGroupID        text0  `json:"remote_group_id"`
	RemoteAddressGroupID text0  `json:"remote_address_group_id"`
	NormalizedCIDR       text0  `json:"normalized_cidr"`
}

func viewRule(r *network.SecurityGroupRule, _ viewer) any {
	v := ruleView{
		standard: standardOf(&r.Base), SecurityGroupID: r.SecurityGroupID, Direction: r.Direction, EtherType: r.EtherType, Protocol: text0(r.Protocol),
		RemoteIPPrefix: text0(r.RemoteIPPrefix), RemoteGroupID: text0(r.RemoteGroupID), NormalizedCIDR: text0(r.RemoteIPPrefix),
	}
	if r.HasMin {
		v.PortRangeMin = &r.PortRangeMin
	}
	if r.HasMax {
		v.PortRangeMax = &r.PortRangeMax
	}
	return v
}

// groupView is a security group in answers.
type groupView struct {
	standard
	Name     string `json:"name"`
	Stateful bool   `json:"stateful"`
	Shared   bool   `json:"shared"`
	Rules    []any  `json:"security_group_rules"`
}

func viewGroup(g *network.SecurityGroup, _ viewer) any {
	v := groupView{standard: standardOf(&g.Base), Name: g.Name, Stateful: g.Stateful, Rules: []any{}}
	for _, r := range g.Rules {
		v.Rules = append(v.Rules, viewRule(r, nil))
	}
	return v
}

func (h *handler) securityGroups() *kind[network.SecurityGroup] {
	return &kind[network.SecurityGroup]{
		res:     groupResource,
		filters: httpx.FilterSpec{"name": httpx.Text, "stateful": httpx.Bool},
		sort:    map[string]string{"name": "name"},
		list:    h.svc.SecurityGroups, get: h.svc.SecurityGroup, view: viewGroup, remove: h.svc.DeleteSecurityGroup, setTags: h.svc.SetTags,
		create: func(ctx context.Context, in []attrs) ([]*network.SecurityGroup, error) {
			var out []*network.SecurityGroup
			for _, a := range in {
				g, err := h.svc.CreateSecurityGroup(ctx, network.SecurityGroup{Base: baseOf(a), Name: or(a, "name", ""), Stateful: true})
				if err != nil {
					return nil, err
				}
				out = append(out, g)
			}
			return out, nil
		},
		update: func(ctx context.Context, id string, a attrs) (*network.SecurityGroup, error) {
			return h.svc.UpdateSecurityGroup(ctx, id, network.SecurityGroupUpdate{Name: opt[string](a, "name"), Description: opt[string](a, "description")})
		},
	}
}

func (h *handler) securityGroupRules() *kind[network.SecurityGroupRule] {
	return &kind[network.SecurityGroupRule]{
		res: ruleResource,
		filters: httpx.FilterSpec{
			"security_group_id": httpx.Text, "remote_group_id": httpx.Text, "remote_ip_prefix": httpx.Text, "direction": httpx.Text,
			"ethertype": httpx.Text, "protocol": httpx.Text, "port_range_min": httpx.Number, "port_range_max": httpx.Number,
		},
		sort: map[string]string{"security_group_id": "security_group_id", "direction": "direction", "ethertype": "ether_type", "protocol": "protocol"},
		list: h.svc.Rules, get: h.svc.Rule, view: viewRule, remove: h.svc.DeleteRule,
		create: func(ctx context.Context, in []attrs) ([]*network.SecurityGroupRule, error) {
			var list []network.SecurityGroupRule
			for _, a := range in {
				list = append(list, newRule(a))
			}
			return h.svc.CreateRules(ctx, list)
		},
	}
}

func newRule(a attrs) network.SecurityGroupRule {
	r := network.SecurityGroupRule{
		Base: baseOf(a), SecurityGroupID: or(a, "security_group_id", ""), RemoteGroupID: or(a, "remote_group_id", ""),
		RemoteIPPrefix: or(a, "remote_ip_prefix", ""), Direction: or(a, "direction", ""), EtherType: or(a, "ethertype", network.IPv4), Protocol: or(a, "protocol", ""),
	}
	r.PortRangeMin, r.HasMin = a["port_range_min"].(int)
	r.PortRangeMax, r.HasMax = a["port_range_max"].(int)
	return r
}

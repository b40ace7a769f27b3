package api

import (
	"context"

	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/network"
)

var subnetResource = &resource{name: "subnet", plural: "subnets", attributes: []attribute{
	{name: "name", convert: text(255), where: both},
	{name: "network_id", convert: uuid, where: post | required},
	{name: "ip_version", convert: ipVersion, where: post | required},
	{name: "cidr", convert: cidr, where: post | required},
	{name: "gateway_ip", convert: orNull(address), where: both},
	{name: "allocation_pools", convert: pools, where: both},
	{name: "dns_nameservers", convert: nameservers, where: both},
	{name: "host_routes", convert: routes, where: both},
	{name: "enable_dhcp", convert: boolean, where: both},
	{name: "ipv6_address_mode", convert: orNull(oneOf(network.ModeDHCPv6Stateful, network.ModeDHCPv6Stateless, network.ModeSLAAC)), where: post},
	{name: "ipv6_ra_mode", convert: orNull(oneOf(network.ModeDHCPv6Stateful, network.ModeDHCPv6Stateless, network.ModeSLAAC)), where: post},
	{name: "subnetpool_id", convert: nothing, where: post},
	{name: "prefixlen", convert: nothing, where: post},
	{name: "use_default_subnetpool", convert: onlyFalse, where: post},
	{name: "segment_id", convert: nothing, where: post},
	{name: "service_types", convert: emptyList, where: both},
	{name: "dns_publish_fixed_ip", convert: onlyFalse, where: both},
}}

func ipVersion(v any) (any, error) {
	n, err := integer(v)
	if n == 4 || n == 6 {
		return n, err
	}
	return oneOf("4", "6")(show(v))
}

// onlyFalse admits what is not served only where it is not asked for.
func onlyFalse(v any) (any, error) {
	if v == nil || v == false {
		return false, nil
	}
	return nothing(v)
}

func emptyList(v any) (any, error) {
	list, err := items(v)
	if err == nil && len(list) > 0 {
		return nothing(v)
	}
	return nil, err
}

func nameservers(v any) (any, error) {
	list, err := items(v)
	out := []string{}
	for _, x := range list {
		a, err := address(x)
		if err != nil {
			return nil, err
		}
		out = append(out, a.(string))
	}
	return out, err
}

func pools(v any) (any, error) {
	list, err := items(v)
	out := []network.AllocationPool{}
	for _, x := range list {
		m, err := dict(x, "start", "end")
		if err != nil {
			return nil, err
		}
		start, err := address(m["start"])
		if err != nil {
			return nil, err
		}
		end, err := address(m["end"])
		if err != nil {
			return nil, err
		}
		out = append(out, network.AllocationPool{Start: start.(string), End: end.(string)})
	}
	return out, err
}

// routes are static routes, of a subnet's hosts or of a router.
func routes(v any) (any, error) {
	list, err := items(v)
	out := []network.Route{}
	for _, x := range list {
		m, err := dict(x, "destination", "nexthop")
		if err != nil {
			return nil, err
		}
		dst, err := cidr(m["destination"])
		if err != nil {
			return nil, err
		}
		hop, err := address(m["nexthop"])
		if err != nil {
			return nil, err
		}
		out = append(out, network.Route{Destination: dst.(string), NextHop: hop.(string)})
	}
	return out, err
}

// subnetView is a subnet in answers.
type subnetView struct {
	standard
	Name            string                   `json:"name"`
	NetworkID       string                   `json:"network_id"`
	IPVersion       int                      `json:"ip_version"`
	CIDR            string                   `json:"cidr"`
	GatewayIP       text0                    `json:"gateway_ip"`
	EnableDHCP      bool                     `json:"enable_dhcp"`
	AllocationPools []network.AllocationPool `json:"allocation_pools"`
	DNSNameservers  []string                 `json:"dns_nameservers"`
	HostRoutes      []network.Route          `json:"host_routes"`
	AddressMode     text0                    `json:"ipv6_address_mode"`
	RAMode          text0                    `json:"ipv6_ra_mode"`
	SubnetpoolID    text0                    `json:"subnetpool_id"`
	SegmentID       text0                    `json:"segment_id"`
	ServiceTypes    []string                 `json:"service_types"`
}

func viewSubnet(s *network.Subnet, _ viewer) any {
	return subnetView{
		standard: standardOf(&s.Base), Name: s.Name, NetworkID: s.NetworkID, IPVersion: s.Version, CIDR: s.CIDR, GatewayIP: text0(s.GatewayIP),
		EnableDHCP: s.EnableDHCP, AllocationPools: orEmpty(s.AllocationPools), DNSNameservers: orEmpty(s.DNSNameservers),
		HostRoutes: orEmpty(s.HostRoutes), AddressMode: text0(s.AddressMode), RAMode: text0(s.RAMode), ServiceTypes: []string{},
	}
}

func (h *handler) subnets() *kind[network.Subnet] {
	return &kind[network.Subnet]{
		res: subnetResource,
		filters: httpx.FilterSpec{
			"name": httpx.Text, "network_id": httpx.Text, "ip_version": httpx.Number, "cidr": httpx.Text, "gateway_ip": httpx.Text,
			"enable_dhcp": httpx.Bool, "ipv6_address_mode": httpx.Text, "ipv6_ra_mode": httpx.Text,
		},
		sort: map[string]string{"name": "name", "network_id": "network_id", "cidr": "cidr", "ip_version": "version", "gateway_ip": "gateway_ip", "enable_dhcp": "enable_dhcp"},
		list: h.svc.Subnets, get: h.svc.Subnet, view: viewSubnet, remove: h.svc.DeleteSubnet, setTags: h.svc.SetTags,
		about: func(ctx context.Context, s *network.Subnet, t policy.Target) error {
			return h.aboutNetwork(ctx, s.NetworkID, t)
		},
		aboutNew: func(ctx context.Context, a attrs, t policy.Target) error {
			return h.aboutVisible(ctx, or(a, "network_id", ""), t)
		},
		create: func(ctx context.Context, in []attrs) ([]*network.Subnet, error) {
			var list []network.SubnetCreate
			for _, a := range in {
				list = append(list, newSubnet(a))
			}
			return h.svc.CreateSubnets(ctx, list)
		},
		update: func(ctx context.Context, id string, a attrs) (*network.Subnet, error) {
			return h.svc.UpdateSubnet(ctx, id, network.SubnetUpdate{
				Name: opt[string](a, "name"), Description: opt[string](a, "description"), GatewayIP: opt[string](a, "gateway_ip"),
				EnableDHCP: opt[bool](a, "enable_dhcp"), AllocationPools: opt[[]network.AllocationPool](a, "allocation_pools"),
				DNSNameservers: opt[[]string](a, "dns_nameservers"), HostRoutes: opt[[]network.Route](a, "host_routes"),
			})
		},
	}
}

// aboutNetwork adds the owner of the network that something is in.
func (h *handler) aboutNetwork(ctx context.Context, id string, t policy.Target) error {
	project, err := h.svc.NetworkProject(ctx, id)
	t["network:project_id"], t["network:tenant_id"] = project, project
	return err
}

// aboutVisible is aboutNetwork of a network that the caller named: it must be
// one the caller may see.
func (h *handler) aboutVisible(ctx context.Context, id string, t policy.Target) error {
	n, err := h.svc.Network(ctx, id)
	if err != nil {
		return err
	}
	t["network:project_id"], t["network:tenant_id"], t["shared"] = n.ProjectID, n.ProjectID, n.Shared
	return nil
}

func newSubnet(a attrs) network.SubnetCreate {
	gateway, named := a["gateway_ip"].(string)
	return network.SubnetCreate{
		NoGateway: named && gateway == "",
		Subnet: network.Subnet{
			Base: baseOf(a), Name: or(a, "name", ""), NetworkID: or(a, "network_id", ""), Version: or(a, "ip_version", 4), CIDR: or(a, "cidr", ""),
			GatewayIP: gateway, EnableDHCP: or(a, "enable_dhcp", true), AllocationPools: or[[]network.AllocationPool](a, "allocation_pools", nil),
			DNSNameservers: or[[]string](a, "dns_nameservers", nil), HostRoutes: or[[]network.Route](a, "host_routes", nil),
			AddressMode: or(a, "ipv6_address_mode", ""), RAMode: or(a, "ipv6_ra_mode", ""),
		},
	}
}

package network_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"nubo/internal/auth"
	"nubo/internal/config"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/network"
	"nubo/network/store"
	"nubo/sdk/compute"
)

var _ network.Nova = compute.Client{}

// env is a service on a database of its own.
type env struct {
	*network.Service
	t     testing.TB
	store *store.Store
}

func newEnv(t testing.TB, url string, deps network.Deps) *env {
	t.Helper()
	if url == "" {
		url = "sqlite://" + t.TempDir() + "/network.db?synchronous=off"
	}
	st, err := store.Open(t.Context(), url)
	testx.NoErr(t, err)
	t.Cleanup(func() { testx.NoErr(t, st.Close()) })
	deps.Store = st
	var cfg network.Config
	_, err = config.Load(cfg.Sections(), "", nil, nil)
	testx.NoErr(t, err)
	svc, err := network.New(cfg, deps)
	testx.NoErr(t, err)
	return &env{Service: svc, t: t, store: st}
}

// each runs a test on every engine there is.
func each(t *testing.T, test func(t *testing.T, e *env)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, newEnv(t, "", network.Deps{})) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, newEnv(t, dbtest.PostgresURL(t), network.Deps{})) })
}

func member(ctx context.Context, project string) context.Context {
	return auth.With(ctx, &auth.Context{UserID: "u-" + project, ProjectID: project, Roles: []string{"member", "reader"}})
}

func admin(ctx context.Context) context.Context {
	return auth.With(ctx, &auth.Context{UserID: "admin", ProjectID: "admin", Roles: []string{"admin"}, IsAdmin: true})
}

// refused fails the test unless err is a fault of Neutron's class.
func refused(t testing.TB, err error, kind fault.Kind, class string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != kind || f.Type != class {
		t.Fatalf("got %v; want %s %s", err, kind, class)
	}
}

func (e *env) network(ctx context.Context, name string) *network.Network {
	e.t.Helper()
	list, err := e.CreateNetworks(ctx, []*network.Network{{Name: name, AdminStateUp: true, PortSecurityEnabled: true}})
	testx.NoErr(e.t, err)
	return list[0]
}

func (e *env) external(name string) *network.Network {
	e.t.Helper()
	list, err := e.CreateNetworks(admin(e.t.Context()), []*network.Network{{
		Name: name, AdminStateUp: true, External: true, Shared: true, NetworkType: network.TypeFlat, PhysicalNetwork: "extnet",
	}})
	testx.NoErr(e.t, err)
	return list[0]
}

func (e *env) subnet(ctx context.Context, n *network.Network, cidr string, pools ...network.AllocationPool) *network.Subnet {
	e.t.Helper()
	list, err := e.CreateSubnets(ctx, []network.SubnetCreate{{Subnet: network.Subnet{NetworkID: n.ID, Version: 4, CIDR: cidr, EnableDHCP: true, AllocationPools: pools}}})
	testx.NoErr(e.t, err)
	return list[0]
}

func (e *env) port(ctx context.Context, n *network.Network, host string) *network.Port {
	e.t.Helper()
	list, err := e.CreatePorts(ctx, []network.PortCreate{{Port: network.Port{NetworkID: n.ID, AdminStateUp: true, HostID: host, DeviceID: "srv", DeviceOwner: "compute:nova"}}})
	testx.NoErr(e.t, err)
	return list[0]
}

func (e *env) agent(host string) {
	e.t.Helper()
	_, err := e.Report(e.t.Context(), network.Report{Host: host, Zone: "nova", Start: true})
	testx.NoErr(e.t, err)
}

func TestWholeTopology(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *env) {
		e.agent("host1")
		ctx := member(t.Context(), "p1")
		n := e.network(ctx, "net")
		testx.Equal(t, n.MTU, 1450)
		testx.Equal(t, n.NetworkType, network.TypeVXLAN)
		sub := e.subnet(ctx, n, "192.168.88.0/24", network.AllocationPool{Start: "192.168.88.100", End: "192.168.88.200"})
		testx.Equal(t, sub.GatewayIP, "192.168.88.1")
		p := e.port(ctx, n, "host1")
		testx.Equal(t, p.VIFType, network.VIFTap)
		testx.Equal(t, len(p.SecurityGroups), 1)

		ext := e.external("public")
		e.subnet(admin(t.Context()), ext, "192.168.44.0/24", network.AllocationPool{Start: "192.168.44.200", End: "192.168.44.230"})
		r, err := e.CreateRouter(ctx, network.Router{Name: "r", AdminStateUp: true}, nil)
		testx.NoErr(t, err)
		f := network.FloatingIPCreate{FloatingIP: network.FloatingIP{FloatingNetworkID: ext.ID, PortID: p.ID}}
		_, err = e.CreateFloatingIP(ctx, f)
		refused(t, err, fault.NotFound, "ExternalGatewayForFloatingIPNotFound")
		r, err = e.UpdateRouter(ctx, r.ID, network.RouterUpdate{Gateway: &network.Gateway{NetworkID: ext.ID}})
		testx.NoErr(t, err)
		testx.Equal(t, r.Host, "host1")
		_, err = e.AddInterface(ctx, r.ID, network.InterfaceInfo{SubnetID: sub.ID})
		testx.NoErr(t, err)
		_, err = e.AddInterface(ctx, r.ID, network.InterfaceInfo{SubnetID: sub.ID})
		refused(t, err, fault.Invalid, "BadRequest")
		fip, err := e.CreateFloatingIP(ctx, f)
		testx.NoErr(t, err)
		testx.Equal(t, fip.RouterID, r.ID)

		state, err := e.HostState(t.Context(), network.StateArgs{Host: "host1", All: true})
		testx.NoErr(t, err)
		testx.Equal(t, len(state.Networks), 2)
		testx.Equal(t, len(state.Ports), 1)
		testx.Equal(t, len(state.Ports[0].Rules), 4)
		testx.Equal(t, len(state.Routers), 1)
		testx.Equal(t, state.Routers[0].FloatingIPs[0].Fixed.String(), p.FixedIPs[0].IPAddress)
		testx.Equal(t, fmt.Sprint(state.Routers[0].NextHops), "[192.168.44.1]")
		for _, ns := range state.Networks {
			switch ns.ID {
			case n.ID:
				testx.Equal(t, ns.DHCP.Metadata, true)
				testx.Equal(t, len(ns.DHCP.Leases), 2) // the server's and the router's
			default:
				testx.Equal(t, fmt.Sprint(ns.HostAddrs), "[192.168.44.1/24]")
			}
		}

		refused(t, e.DeleteRouter(ctx, r.ID), fault.Conflict, "RouterInUse")
		_, err = e.UpdateRouter(ctx, r.ID, network.RouterUpdate{Gateway: &network.Gateway{}})
		refused(t, err, fault.Conflict, "RouterExternalGatewayInUseByFloatingIp")
		_, err = e.RemoveInterface(ctx, r.ID, network.InterfaceInfo{SubnetID: sub.ID})
		refused(t, err, fault.Conflict, "RouterInterfaceInUseByFloatingIP")
		refused(t, e.DeleteNetwork(ctx, n.ID), fault.Conflict, "NetworkInUse")
		refused(t, e.DeleteSubnet(ctx, sub.ID), fault.Conflict, "SubnetInUse")
		testx.NoErr(t, e.DeleteFloatingIP(ctx, fip.ID))
		_, err = e.UpdateRouter(ctx, r.ID, network.RouterUpdate{Gateway: &network.Gateway{}})
		testx.NoErr(t, err)
		_, err = e.RemoveInterface(ctx, r.ID, network.InterfaceInfo{SubnetID: sub.ID})
		testx.NoErr(t, err)
		testx.NoErr(t, e.DeleteRouter(ctx, r.ID))
		testx.NoErr(t, e.DeletePort(ctx, p.ID))
		testx.NoErr(t, e.DeleteNetwork(ctx, n.ID))
		testx.NoErr(t, e.DeleteNetwork(admin(t.Context()), ext.ID))
		state, err = e.HostState(t.Context(), network.StateArgs{Host: "host1", All: true})
		testx.NoErr(t, err)
		testx.Equal(t, state, &network.HostState{})
	})
}

func TestConcurrentPortsGetAllAddressesOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *env) {
		ctx := member(t.Context(), "p1")
		n := e.network(ctx, "net")
		e.subnet(ctx, n, "10.0.0.0/24", network.AllocationPool{Start: "10.0.0.10", End: "10.0.0.49"})
		var g errgroup.Group
		for range 40 {
			g.Go(func() error {
				_, err := e.CreatePorts(ctx, []network.PortCreate{{Port: network.Port{NetworkID: n.ID}}})
				return err
			})
		}
		testx.NoErr(t, g.Wait())
		_, err := e.CreatePorts(ctx, []network.PortCreate{{Port: network.Port{NetworkID: n.ID}}})
		refused(t, err, fault.Conflict, "IpAddressGenerationFailure")
		ports, err := e.Ports(ctx, network.Query{})
		testx.NoErr(t, err)
		seen := map[string]bool{}
		for _, p := range ports {
			seen[p.FixedIPs[0].IPAddress] = true
		}
		testx.Equal(t, len(seen), 40)
	})
}

func TestOthersSeeNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *env) {
		mine, other := member(t.Context(), "p1"), member(t.Context(), "p2")
		n := e.network(mine, "net")
		sub := e.subnet(mine, n, "10.0.0.0/24")
		p := e.port(mine, n, "")
		r, err := e.CreateRouter(mine, network.Router{}, nil)
		testx.NoErr(t, err)
		groups, err := e.SecurityGroups(mine, network.Query{})
		testx.NoErr(t, err)
		_, err = e.Network(other, n.ID)
		refused(t, err, fault.NotFound, "NetworkNotFound")
		_, err = e.Subnet(other, sub.ID)
		refused(t, err, fault.NotFound, "SubnetNotFound")
		_, err = e.Port(other, p.ID)
		refused(t, err, fault.NotFound, "PortNotFound")
		_, err = e.Router(other, r.ID)
		refused(t, err, fault.NotFound, "RouterNotFound")
		_, err = e.SecurityGroup(other, groups[0].ID)
		refused(t, err, fault.NotFound, "SecurityGroupNotFound")
		_, err = e.CreatePorts(other, []network.PortCreate{{Port: network.Port{NetworkID: n.ID}}})
		refused(t, err, fault.NotFound, "NetworkNotFound")
		own, err := e.CreateRouter(other, network.Router{}, nil)
		testx.NoErr(t, err)
		_, err = e.AddInterface(other, own.ID, network.InterfaceInfo{SubnetID: sub.ID})
		refused(t, err, fault.NotFound, "SubnetNotFound")
		_, err = e.CreateRules(other, []network.SecurityGroupRule{{SecurityGroupID: groups[0].ID, Direction: network.Ingress, EtherType: network.IPv4}})
		refused(t, err, fault.NotFound, "SecurityGroupNotFound")
		for what, list := range map[string]func(context.Context) (int, error){
			"networks": func(ctx context.Context) (int, error) {
				l, err := e.Networks(ctx, network.Query{})
				return len(l), err
			},
			"subnets": func(ctx context.Context) (int, error) { l, err := e.Subnets(ctx, network.Query{}); return len(l), err },
			"ports":   func(ctx context.Context) (int, error) { l, err := e.Ports(ctx, network.Query{}); return len(l), err },
		} {
			count, err := list(other)
			testx.NoErr(t, err)
			if count != 0 {
				t.Errorf("another project sees %d %s", count, what)
			}
			count, err = list(mine)
			testx.NoErr(t, err)
			if count != 1 {
				t.Errorf("the owner sees %d %s", count, what)
			}
		}
	})
}

func TestDefaultGroup(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "", network.Deps{})
	ctx := member(t.Context(), "p1")
	groups, err := e.SecurityGroups(ctx, network.Query{})
	testx.NoErr(t, err)
	testx.Equal(t, len(groups), 1)
	got := map[string]bool{}
	for _, r := range groups[0].Rules {
		got[r.Direction+" "+r.EtherType+" "+fmt.Sprint(r.RemoteGroupID == groups[0].ID)] = true
	}
	testx.Equal(t, got, map[string]bool{"egress IPv4 false": true, "egress IPv6 false": true, "ingress IPv4 true": true, "ingress IPv6 true": true})
	refused(t, e.DeleteSecurityGroup(ctx, groups[0].ID), fault.Conflict, "SecurityGroupCannotRemoveDefault")
	rule := network.SecurityGroupRule{SecurityGroupID: groups[0].ID, Direction: network.Ingress, EtherType: network.IPv4, Protocol: "tcp", PortRangeMin: 22, PortRangeMax: 22, HasMin: true, HasMax: true}
	_, err = e.CreateRules(ctx, []network.SecurityGroupRule{rule})
	testx.NoErr(t, err)
	again := rule
	again.Protocol, again.RemoteIPPrefix = "6", "0.0.0.0/0"
	_, err = e.CreateRules(ctx, []network.SecurityGroupRule{again})
	refused(t, err, fault.Conflict, "SecurityGroupRuleExists")
}

func TestBadSubnets(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "", network.Deps{})
	ctx := member(t.Context(), "p1")
	n := e.network(ctx, "net")
	e.subnet(ctx, n, "10.0.0.0/24")
	for name, test := range map[string]struct {
		sub   network.Subnet
		kind  fault.Kind
		class string
	}{
		"overlaps":          {network.Subnet{Version: 4, CIDR: "10.0.0.128/25"}, fault.Invalid, "InvalidInput"},
		"no block":          {network.Subnet{Version: 4, CIDR: "10.0.1.0"}, fault.Invalid, "InvalidInput"},
		"wrong version":     {network.Subnet{Version: 6, CIDR: "10.0.1.0/24"}, fault.Invalid, "InvalidInput"},
		"gateway elsewhere": {network.Subnet{Version: 4, CIDR: "10.0.1.0/24", GatewayIP: "10.0.2.1"}, fault.Invalid, "InvalidInput"},
		"broadcast gateway": {network.Subnet{Version: 4, CIDR: "10.0.1.0/24", GatewayIP: "10.0.1.255"}, fault.Invalid, "InvalidInput"},
		"pool outside":      {network.Subnet{Version: 4, CIDR: "10.0.1.0/24", AllocationPools: []network.AllocationPool{{Start: "10.0.1.2", End: "10.0.2.9"}}}, fault.Invalid, "OutOfBoundsAllocationPool"},
		"pool backwards":    {network.Subnet{Version: 4, CIDR: "10.0.1.0/24", AllocationPools: []network.AllocationPool{{Start: "10.0.1.9", End: "10.0.1.2"}}}, fault.Invalid, "InvalidAllocationPool"},
		"gateway in pool":   {network.Subnet{Version: 4, CIDR: "10.0.1.0/24", GatewayIP: "10.0.1.5", AllocationPools: []network.AllocationPool{{Start: "10.0.1.2", End: "10.0.1.9"}}}, fault.Conflict, "GatewayConflictWithAllocationPools"},
		"pools overlap":     {network.Subnet{Version: 4, CIDR: "10.0.1.0/24", AllocationPools: []network.AllocationPool{{Start: "10.0.1.2", End: "10.0.1.9"}, {Start: "10.0.1.9", End: "10.0.1.12"}}}, fault.Conflict, "OverlappingAllocationPools"},
		"slaac without /64": {network.Subnet{Version: 6, CIDR: "fd00::/96", EnableDHCP: true, AddressMode: network.ModeSLAAC}, fault.Invalid, "InvalidInput"},
		"no name server":    {network.Subnet{Version: 4, CIDR: "10.0.1.0/24", DNSNameservers: []string{"x"}}, fault.Invalid, "InvalidInput"},
	} {
		t.Run(name, func(t *testing.T) {
			test.sub.NetworkID = n.ID
			_, err := e.CreateSubnets(ctx, []network.SubnetCreate{{Subnet: test.sub}})
			refused(t, err, test.kind, test.class)
		})
	}
	subs, err := e.SubnetsOf(ctx, n.ID)
	testx.NoErr(t, err)
	testx.Equal(t, len(subs), 1) // nothing of the above was kept
}

func TestSLAACAndQuota(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "", network.Deps{})
	ctx := member(t.Context(), "p1")
	n := e.network(ctx, "net")
	_, err := e.CreateSubnets(ctx, []network.SubnetCreate{{Subnet: network.Subnet{
		NetworkID: n.ID, Version: 6, CIDR: "fd00:1::/64", EnableDHCP: true, AddressMode: network.ModeSLAAC, RAMode: network.ModeSLAAC,
	}}})
	testx.NoErr(t, err)
	ports, err := e.CreatePorts(ctx, []network.PortCreate{{Port: network.Port{NetworkID: n.ID, MACAddress: "FA:16:3e:00:00:01"}}})
	testx.NoErr(t, err)
	testx.Equal(t, ports[0].FixedIPs[0].IPAddress, "fd00:1::f816:3eff:fe00:1")
	_, err = e.CreatePorts(ctx, []network.PortCreate{{Port: network.Port{NetworkID: n.ID, MACAddress: "fa:16:3e:00:00:01"}}})
	refused(t, err, fault.Conflict, "MacAddressInUse")
	_, err = e.SetQuota(ctx, "p1", map[string]int64{"port": 2})
	testx.NoErr(t, err)
	_, err = e.CreatePorts(ctx, []network.PortCreate{{Port: network.Port{NetworkID: n.ID}}, {Port: network.Port{NetworkID: n.ID}}})
	refused(t, err, fault.OverQuota, "OverQuota")
	list, err := e.Ports(ctx, network.Query{})
	testx.NoErr(t, err)
	testx.Equal(t, len(list), 1) // all or none
}

func TestPortUpdates(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "", network.Deps{})
	e.agent("host1")
	ctx := member(t.Context(), "p1")
	n := e.network(ctx, "net")
	sub := e.subnet(ctx, n, "10.0.0.0/24")
	p := e.port(ctx, n, "host1")
	testx.NoErr(t, e.UpdateStatuses(t.Context(), network.Statuses{Host: "elsewhere", Ports: []string{p.ID}}))
	got, err := e.Port(ctx, p.ID)
	testx.NoErr(t, err)
	testx.Equal(t, got.Status, network.StatusDown) // not bound there
	testx.NoErr(t, e.UpdateStatuses(t.Context(), network.Statuses{Host: "host1", Ports: []string{p.ID}}))
	got, err = e.Port(ctx, p.ID)
	testx.NoErr(t, err)
	testx.Equal(t, got.Status, network.StatusActive)

	fixed := []network.FixedIP{{SubnetID: sub.ID, IPAddress: "10.0.0.77"}, {SubnetID: sub.ID}}
	got, err = e.UpdatePort(ctx, p.ID, network.PortUpdate{FixedIPs: &fixed})
	testx.NoErr(t, err)
	testx.Equal(t, got.FixedIPs, []network.FixedIP{{SubnetID: sub.ID, IPAddress: "10.0.0.77"}, p.FixedIPs[0]})
	busy := e.port(ctx, n, "")
	asked := []network.FixedIP{{IPAddress: "10.0.0.77"}}
	_, err = e.UpdatePort(ctx, busy.ID, network.PortUpdate{FixedIPs: &asked})
	refused(t, err, fault.Conflict, "IpAddressAlreadyAllocated")
	host := "nowhere"
	got, err = e.UpdatePort(ctx, p.ID, network.PortUpdate{HostID: &host})
	testx.NoErr(t, err)
	testx.Equal(t, got.VIFType, network.VIFFailed)
	testx.Equal(t, got.Status, network.StatusDown)
	stored, err := e.Port(ctx, p.ID)
	testx.NoErr(t, err)
	if d := cmp.Diff(got, stored); d != "" {
		t.Fatalf("what was answered is not what is kept:\n%s", d)
	}
}

func TestHostsWithTunnelsKnowEachOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *env) {
		for i, tunnel := range []string{"192.0.2.1", "192.0.2.2", ""} {
			_, err := e.Report(t.Context(), network.Report{Host: fmt.Sprint("host", i+1), Zone: "nova", TunnelIP: tunnel, Start: true})
			testx.NoErr(t, err)
		}
		ctx := member(t.Context(), "p1")
		n := e.network(ctx, "net")
		var ports []*network.Port
		for i := range 3 {
			ports = append(ports, e.port(ctx, n, fmt.Sprint("host", i+1)))
		}
		segment := func(host string) network.NetworkState {
			state, err := e.HostState(t.Context(), network.StateArgs{Host: host, Networks: []string{n.ID}})
			testx.NoErr(t, err)
			testx.Equal(t, len(state.Networks), 1)
			return state.Networks[0]
		}
		one := segment("host1")
		testx.Equal(t, fmt.Sprint(one.Peers), "[192.0.2.2]")
		testx.Equal(t, fmt.Sprint(one.Remote), "[{"+ports[1].MACAddress+" 192.0.2.2}]")
		testx.Equal(t, len(segment("host3").Peers), 0)
		testx.NoErr(t, e.DeletePort(ctx, ports[1].ID))
		testx.Equal(t, len(segment("host1").Peers), 0)
		state, err := e.HostState(t.Context(), network.StateArgs{Host: "host2", Networks: []string{n.ID}, Ports: []string{ports[1].ID}})
		testx.NoErr(t, err)
		testx.Equal(t, state, &network.HostState{}) // absent: not wanted there
	})
}

func TestWhatFoundNoAgentWaitsForOne(t *testing.T) {
	t.Parallel()
	e := newEnv(t, "", network.Deps{})
	ctx := member(t.Context(), "p1")
	n := e.network(ctx, "net")
	sub := e.subnet(ctx, n, "10.0.0.0/24")
	r, err := e.CreateRouter(ctx, network.Router{AdminStateUp: true}, nil)
	testx.NoErr(t, err)
	_, err = e.AddInterface(ctx, r.ID, network.InterfaceInfo{SubnetID: sub.ID})
	testx.NoErr(t, err)
	e.agent("host1")
	state, err := e.HostState(t.Context(), network.StateArgs{Host: "host1", All: true})
	testx.NoErr(t, err)
	testx.Equal(t, len(state.Routers), 1)
	testx.Equal(t, len(state.Routers[0].Interfaces), 1)
	testx.Equal(t, state.Networks[0].DHCP != nil, true)
}

func BenchmarkCreatePort(b *testing.B) {
	e := newEnv(b, "", network.Deps{})
	e.agent("host1")
	ctx := member(b.Context(), "p1")
	n := e.network(ctx, "net")
	e.subnet(ctx, n, "10.0.0.0/12")
	_, err := e.SetQuota(ctx, "p1", map[string]int64{"port": -1})
	testx.NoErr(b, err)
	for b.Loop() {
		e.port(ctx, n, "host1")
	}
}

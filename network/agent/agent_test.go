package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/internal/auth"
	"nubo/internal/config"
	"nubo/internal/rpc"
	"nubo/internal/service"
	"nubo/internal/testx"
	"nubo/internal/trace"
	"nubo/network"
	"nubo/network/agent"
	"nubo/network/driver"
	"nubo/network/driver/simulated"
	"nubo/network/store"
	"nubo/sdk/compute"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cloud is a plugin on a broker and a database of its own.
type cloud struct {
	*network.Service
	t   testing.TB
	bus *rpc.Bus

	mu     sync.Mutex // guards events and refuse
	events []compute.Event
	refuse bool
}

// ExternalEvents stands for compute.
func (c *cloud) ExternalEvents(_ context.Context, events []compute.Event) ([]compute.EventResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse {
		return nil, errors.New("compute is away")
	}
	c.events = append(c.events, events...)
	return nil, nil
}

func (c *cloud) told(name, port string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.events, func(e compute.Event) bool { return e.Name == name && e.Tag == port })
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	b := broker.New(broker.Config{})
	bus := rpc.Open(rpc.Config{Dial: func(context.Context) (net.Conn, error) { return b.Dial() }})
	st, err := store.Open(context.Background(), "sqlite://"+t.TempDir()+"/network.db?synchronous=off")
	testx.NoErr(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		bus.Close(ctx)
		testx.NoErr(t, b.Shutdown(ctx))
		testx.NoErr(t, st.Close())
	})
	c := &cloud{t: t, bus: bus}
	var cfg network.Config
	_, err = config.Load(cfg.Sections(), "", nil, nil)
	testx.NoErr(t, err)
	c.Service, err = network.New(cfg, network.Deps{Store: st, Bus: bus, Nova: c})
	testx.NoErr(t, err)
	c.run(c.PluginServer("ctl"))
	c.run(c.Relay())
	return c
}

// run starts a service, waits until it is ready, and gives what stops it.
func (c *cloud) run(s service.Service) (stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			c.t.Errorf("service: %v", err)
		}
	})
	c.t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		c.t.Fatalf("service ended: %v", err)
	}
	return stop
}

func (c *cloud) host(name string, d driver.Driver) (stop func()) {
	c.t.Helper()
	a, err := agent.New(agent.Config{Host: name, Zone: "nova", ReportInterval: time.Hour, ResyncInterval: time.Hour, RefreshInterval: time.Millisecond, Parallel: 4},
		agent.Deps{Bus: c.bus, Driver: d})
	testx.NoErr(c.t, err)
	return c.run(a)
}

func member(ctx context.Context, project string) context.Context {
	return auth.With(ctx, &auth.Context{UserID: "u", ProjectID: project, Roles: []string{"member", "reader"}})
}

func (c *cloud) network(ctx context.Context, cidr string) (*network.Network, *network.Subnet) {
	c.t.Helper()
	n, err := c.CreateNetworks(ctx, []*network.Network{{Name: "n", AdminStateUp: true, PortSecurityEnabled: true}})
	testx.NoErr(c.t, err)
	s, err := c.CreateSubnets(ctx, []network.SubnetCreate{{Subnet: network.Subnet{NetworkID: n[0].ID, Version: 4, CIDR: cidr, EnableDHCP: true}}})
	testx.NoErr(c.t, err)
	return n[0], s[0]
}

func (c *cloud) port(ctx context.Context, n *network.Network, host string) *network.Port {
	c.t.Helper()
	p, err := c.CreatePorts(ctx, []network.PortCreate{{Port: network.Port{NetworkID: n.ID, AdminStateUp: true, HostID: host, DeviceID: "srv", DeviceOwner: "compute:nova"}}})
	testx.NoErr(c.t, err)
	return p[0]
}

func (c *cloud) active(ctx context.Context, id string) func() bool {
	return func() bool { p, err := c.Port(ctx, id); return err == nil && p.Status == network.StatusActive }
}

func TestAPortBecomesActive(t *testing.T) {
	c := newCloud(t)
	d := simulated.New(simulated.Config{MaxLatency: time.Millisecond})
	c.host("host1", d)
	ctx := member(t.Context(), "p1")
	n, sub := c.network(ctx, "10.0.0.0/24")
	p := c.port(ctx, n, "host1")
	testx.Eventually(t, "the port is up", c.active(ctx, p.ID))
	testx.Eventually(t, "compute was told", func() bool { return c.told("network-vif-plugged", p.ID) })
	got, _ := d.Port(p.ID)
	testx.Equal(t, got.Device, "tap"+p.ID[:11])
	testx.Equal(t, len(got.Rules), 4)
	testx.Eventually(t, "DHCP knows the port", func() bool {
		net, _ := d.Network(n.ID)
		return net.DHCP != nil && net.DHCP.Metadata && len(net.DHCP.Leases) == 1 && net.DHCP.Leases[0].MAC == p.MACAddress
	})
	dhcp, err := c.Ports(auth.Admin(ctx), network.Where("device_owner", network.OwnerDHCP))
	testx.NoErr(t, err)
	testx.Eventually(t, "the DHCP port is up", c.active(auth.Admin(ctx), dhcp[0].ID))

	// A router with a floating IP.
	admin := auth.Admin(member(t.Context(), "adm"))
	ext, err := c.CreateNetworks(admin, []*network.Network{{External: true, Shared: true, NetworkType: network.TypeFlat, PhysicalNetwork: "extnet"}})
	testx.NoErr(t, err)
	_, err = c.CreateSubnets(admin, []network.SubnetCreate{{Subnet: network.Subnet{NetworkID: ext[0].ID, Version: 4, CIDR: "192.168.44.0/24"}}})
	testx.NoErr(t, err)
	r, err := c.CreateRouter(ctx, network.Router{AdminStateUp: true}, &network.Gateway{NetworkID: ext[0].ID})
	testx.NoErr(t, err)
	_, err = c.AddInterface(ctx, r.ID, network.InterfaceInfo{SubnetID: sub.ID})
	testx.NoErr(t, err)
	f, err := c.CreateFloatingIP(ctx, network.FloatingIPCreate{FloatingIP: network.FloatingIP{FloatingNetworkID: ext[0].ID, PortID: p.ID}})
	testx.NoErr(t, err)
	testx.Eventually(t, "the floating IP is up", func() bool {
		f, err := c.FloatingIP(ctx, f.ID)
		return err == nil && f.Status == network.StatusActive
	})
	router, _ := d.Router(r.ID)
	testx.Equal(t, router.FloatingIPs[0].Fixed.String(), p.FixedIPs[0].IPAddress)
	testx.Equal(t, fmt.Sprint(router.Gateway.NextHops), "[192.168.44.1]")
	testx.Eventually(t, "compute was told of the address", func() bool { return c.told("network-changed", p.ID) })

	// And away with everything.
	testx.NoErr(t, c.DeletePort(ctx, p.ID))
	testx.Eventually(t, "compute was told of the port's end", func() bool { return c.told("network-vif-deleted", p.ID) })
	testx.NoErr(t, c.DeleteFloatingIP(ctx, f.ID))
	_, err = c.RemoveInterface(ctx, r.ID, network.InterfaceInfo{SubnetID: sub.ID})
	testx.NoErr(t, err)
	testx.NoErr(t, c.DeleteRouter(ctx, r.ID))
	testx.NoErr(t, c.DeleteNetwork(ctx, n.ID))
	testx.NoErr(t, c.DeleteNetwork(admin, ext[0].ID))
	testx.Eventually(t, "the host is empty", func() bool { return empty(d) })
}

func empty(d driver.Driver) bool {
	inv, err := d.Inventory(context.Background())
	return err == nil && len(inv.Networks)+len(inv.Ports)+len(inv.Routers) == 0
}

func TestGroupMembersReachOtherHosts(t *testing.T) {
	c := newCloud(t)
	d1, d2 := simulated.New(simulated.Config{}), simulated.New(simulated.Config{})
	c.host("host1", d1)
	c.host("host2", d2)
	ctx := member(t.Context(), "p1")
	n, _ := c.network(ctx, "10.0.0.0/24")
	p1 := c.port(ctx, n, "host1")
	testx.Eventually(t, "the first port is up", c.active(ctx, p1.ID))
	p2 := c.port(ctx, n, "host2")
	admits := func(d *simulated.Driver, port, ip string) bool {
		p, _ := d.Port(port)
		return slices.ContainsFunc(p.Rules, func(r driver.Rule) bool {
			return slices.Contains(texts(r), ip+"/32")
		})
	}
	testx.Eventually(t, "each admits the other", func() bool {
		return admits(d1, p1.ID, p2.FixedIPs[0].IPAddress) && admits(d2, p2.ID, p1.FixedIPs[0].IPAddress)
	})
	testx.NoErr(t, c.DeletePort(ctx, p2.ID))
	testx.Eventually(t, "the one that is left forgets the other", func() bool { return !admits(d1, p1.ID, p2.FixedIPs[0].IPAddress) })
	testx.Eventually(t, "the other host is left alone", func() bool {
		inv, _ := d2.Inventory(t.Context())
		return len(inv.Ports) == 0
	})
}

func texts(r driver.Rule) []string {
	var out []string
	for _, p := range r.Remote {
		out = append(out, p.String())
	}
	return out
}

func TestARestartFindsWhatChanged(t *testing.T) {
	c := newCloud(t)
	d := simulated.New(simulated.Config{})
	stop := c.host("host1", d)
	ctx := member(t.Context(), "p1")
	n, _ := c.network(ctx, "10.0.0.0/24")
	gone := c.port(ctx, n, "host1")
	testx.Eventually(t, "the port is up", c.active(ctx, gone.ID))
	stop()
	testx.NoErr(t, c.DeletePort(ctx, gone.ID))
	p := c.port(ctx, n, "host1")
	testx.NoErr(t, d.ApplyPort(t.Context(), driver.Port{ID: "orphan", NetworkID: n.ID}))
	c.host("host1", d)
	testx.Eventually(t, "the new port is up", c.active(ctx, p.ID))
	testx.Eventually(t, "only it is left", func() bool {
		inv, _ := d.Inventory(t.Context())
		return slices.Equal(inv.Ports, []string{p.ID})
	})
}

func TestComputeIsToldWhenItComesBack(t *testing.T) {
	c := newCloud(t)
	c.refuse = true
	c.host("host1", simulated.New(simulated.Config{}))
	ctx := member(t.Context(), "p1")
	n, _ := c.network(ctx, "10.0.0.0/24")
	p := c.port(ctx, n, "host1")
	testx.Eventually(t, "the port is up", c.active(ctx, p.ID))
	q := c.port(ctx, n, "host1")
	testx.Eventually(t, "compute's absence holds nobody up", c.active(ctx, q.ID))
	c.mu.Lock()
	c.refuse = false
	c.mu.Unlock()
	testx.Eventually(t, "compute was told of both", func() bool {
		return c.told("network-vif-plugged", p.ID) && c.told("network-vif-plugged", q.ID)
	})
}

// moody is a driver that refuses for a while.
type moody struct {
	*simulated.Driver
	mu   sync.Mutex // guards left
	left int
}

func (m *moody) ApplyPort(ctx context.Context, p driver.Port) error {
	m.mu.Lock()
	m.left--
	refuse := m.left >= 0
	m.mu.Unlock()
	if refuse {
		return errors.New("not now")
	}
	return m.Driver.ApplyPort(ctx, p)
}

func TestWhatFailedIsTriedAgain(t *testing.T) {
	c := newCloud(t)
	c.host("host1", &moody{Driver: simulated.New(simulated.Config{}), left: 1})
	ctx := member(t.Context(), "p1")
	n, _ := c.network(ctx, "10.0.0.0/24")
	p := c.port(ctx, n, "host1")
	testx.Eventually(t, "the port is up in the end", c.active(ctx, p.ID))
}

func TestMetadata(t *testing.T) {
	c := newCloud(t)
	c.host("host1", simulated.New(simulated.Config{}))
	ctx := member(t.Context(), "p1")
	n, _ := c.network(ctx, "10.0.0.0/24")
	p := c.port(ctx, n, "host1")
	compute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s %s", r.URL.Path, r.Header.Get("X-Instance-ID"), r.Header.Get("X-Tenant-ID"), r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Instance-ID-Signature"))
	}))
	defer compute.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	m := agent.NewMetadata(agent.MetadataDeps{Bus: c.bus, URL: compute.URL, Secret: "s3cret", HTTP: client})
	ask := func(ip string) (int, string) {
		r := httptest.NewRequest("GET", "http://169.254.169.254/openstack/latest/meta_data.json", nil)
		r.RemoteAddr = ip + ":4711"
		r.Header.Set("X-Instance-ID", "another") // what a guest claims does not count
		w := httptest.NewRecorder()
		m.Handler(n.ID, "").ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Result().Body)
		return w.Code, string(body)
	}
	ip := p.FixedIPs[0].IPAddress
	code, body := ask(ip)
	testx.Equal(t, code, 200)
	testx.Equal(t, body, "/openstack/latest/meta_data.json srv p1 "+ip+" 0a632e065115ae38945878b7f994474a793a5dc160a69297383762f0dc7a70c0")
	code, _ = ask("10.0.0.250")
	testx.Equal(t, code, 404)
}

// TestTheDriversSpansAreTheRequests holds that what a host does because of a
// request is part of its trace, however often it is tried.
func TestTheDriversSpansAreTheRequests(t *testing.T) {
	c := newCloud(t)
	rec := trace.New("host1")
	d := &moody{Driver: simulated.New(simulated.Config{}), left: 1}
	a, err := agent.New(agent.Config{Host: "host1", ReportInterval: time.Hour, ResyncInterval: time.Hour, RefreshInterval: time.Millisecond}, agent.Deps{Bus: c.bus, Driver: driver.Traced(d)})
	testx.NoErr(t, err)
	c.run(service.Func(func(ctx context.Context, ready func()) error {
		return a.Run(trace.With(ctx, rec, "network-agent"), ready)
	}))
	request := func(id string) (context.Context, *trace.Active) {
		ctx := auth.With(t.Context(), &auth.Context{UserID: "u", ProjectID: "p1", Roles: []string{"member", "reader"}, RequestID: id})
		return trace.Root(trace.With(ctx, rec, "network-api"), trace.HTTPServer, id, "", false)
	}
	spans := func(id string, want ...string) {
		t.Helper()
		testx.Eventually(t, "the spans of "+id, func() bool {
			left := slices.Clone(want)
			for _, s := range rec.Trace(id) {
				if s.Kind == trace.Native && s.Service == "network-agent" {
					line := s.Name
					if s.Error != "" {
						line += " failed"
					}
					left = slices.DeleteFunc(left, func(w string) bool { return w == line })
				}
			}
			return len(left) == 0
		})
	}
	ctx, span := request("req-make")
	n, _ := c.network(ctx, "10.0.0.0/24")
	p := c.port(ctx, n, "host1")
	span.End(nil)
	spans("req-make", "simulated: apply network", "simulated: apply port failed", "simulated: apply port")
	ctx, span = request("req-end")
	testx.NoErr(t, c.DeletePort(ctx, p.ID))
	span.End(nil)
	spans("req-end", "simulated: remove port")
}

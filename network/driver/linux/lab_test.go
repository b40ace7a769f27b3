package linux

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"nubo/internal/clock"
	"nubo/internal/testx"
	"nubo/network/driver"
)

// machine is a namespace that stands for a host, a guest or the outside.
type machine struct {
	*space
	name string
}

var machines struct {
	sync.Mutex
	made int
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	needRoot(t)
	machines.Lock()
	machines.made++
	name := fmt.Sprintf("machine%d", machines.made)
	machines.Unlock()
	s, err := ensureNamed(name)
	testx.NoErr(t, err)
	t.Cleanup(func() {
		s.close()
		testx.NoErr(t, deleteNamed(name))
	})
	return &machine{s, name}
}

// cable connects two machines and gives each end an address.
func cable(t *testing.T, a *machine, aName, aAddr string, b *machine, bName, bAddr string) {
	t.Helper()
	la, lb, err := a.ensureVeth(aName, b.space, bName, newMAC(), 1500)
	testx.NoErr(t, err)
	testx.NoErr(t, a.sysctl(map[string]string{"ipv4/conf/" + aName + "/arp_ignore": "0"})) // undo mute
	a.addr(t, la, aAddr)
	b.addr(t, lb, bAddr)
}

func (m *machine) addr(t *testing.T, l netlink.Link, addr string) {
	t.Helper()
	testx.NoErr(t, m.up(l))
	p := netip.MustParsePrefix(addr)
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = 2 // IFA_F_NODAD
	}
	testx.NoErr(t, m.nl.AddrReplace(l, a))
}

// addrOn adds an address to a named interface.
func (m *machine) addrOn(t *testing.T, name, addr string) {
	t.Helper()
	l, err := m.nl.LinkByName(name)
	testx.NoErr(t, err)
	m.addr(t, l, addr)
}

func (m *machine) route(t *testing.T, to, via string) {
	t.Helper()
	r := &netlink.Route{Dst: ipNet(netip.MustParsePrefix(to)), Gw: net.ParseIP(via)}
	testx.NoErr(t, m.nl.RouteReplace(r))
}

// run runs a command in the machine.
func (m *machine) run(name string, args ...string) (string, error) {
	var out []byte
	err := m.do(func() (err error) {
		out, err = exec.Command(name, args...).CombinedOutput()
		return err
	})
	return string(out), err
}

// serve listens on a TCP port and greets with the text and the peer's address.
func (m *machine) serve(t *testing.T, network, addr, text string) {
	t.Helper()
	var l net.Listener
	testx.NoErr(t, m.do(func() (err error) { l, err = net.Listen(network, addr); return err }))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			fmt.Fprintf(c, "%s %s", text, host)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

// How long a packet that should arrive may take on a loaded machine, and how
// long one that should not is waited for.
const (
	patience   = 10 * time.Second
	impatience = 700 * time.Millisecond
)

func (m *machine) dial(d net.Dialer, network, addr string) (c net.Conn, err error) {
	err = m.do(func() (err error) { c, err = d.Dial(network, addr); return err })
	return c, err
}

// call connects and returns the greeting.
func (m *machine) call(d net.Dialer, addr string) (string, error) {
	c, err := m.dial(d, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	out, err := io.ReadAll(c)
	return string(out), err
}

func (m *machine) reaches(t *testing.T, addr, want string) {
	t.Helper()
	got, err := m.call(net.Dialer{Timeout: patience}, addr)
	testx.NoErr(t, err)
	testx.Equal(t, got, want)
}

func (m *machine) cannotReach(t *testing.T, addr string) {
	t.Helper()
	if c, err := m.dial(net.Dialer{Timeout: impatience}, "tcp", addr); err == nil {
		c.Close()
		t.Fatalf("%s reached %s", m.name, addr)
	}
}

// pings sends until there is an answer: the first packets may meet a neighbour
// entry that is just about to be given up.
func (m *machine) pings(t *testing.T, addr string, more ...string) {
	t.Helper()
	out, err := m.run("ping", append([]string{"-c1", "-w10", addr}, more...)...)
	if err != nil {
		t.Fatalf("%s does not reach %s: %v\n%s", m.name, addr, err, out)
	}
}

func (m *machine) cannotPing(t *testing.T, addr string, more ...string) {
	t.Helper()
	if out, err := m.run("ping", append([]string{"-c1", "-W1", addr}, more...)...); err == nil {
		t.Fatalf("%s reached %s\n%s", m.name, addr, out)
	}
}

func (m *machine) get(url string) (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			return m.dial(net.Dialer{Timeout: patience}, network, addr)
		}}}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// listenUDP opens a socket in the machine for the length of the test.
func (m *machine) listenUDP(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	testx.NoErr(t, m.do(func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		return err
	}))
	t.Cleanup(func() { c.Close() })
	return c
}

// arrives sends a datagram and tells whether it came to the receiver in time.
func arrives(t *testing.T, from *net.UDPConn, to *net.UDPConn, addr string, wait time.Duration) bool {
	t.Helper()
	_, err := from.WriteToUDPAddrPort([]byte("?"), netip.MustParseAddrPort(addr))
	testx.NoErr(t, err)
	to.SetReadDeadline(time.Now().Add(wait))
	_, _, err = to.ReadFrom(make([]byte, 1))
	return err == nil
}

// knows tells whether the machine resolved a neighbour's address.
func (m *machine) knows(t *testing.T, addr string) bool {
	t.Helper()
	out, err := m.run("ip", "neigh", "show", addr)
	testx.NoErr(t, err)
	return strings.Contains(out, "lladdr")
}

// host is a machine with a driver.
type host struct {
	*machine
	*Driver
}

func (h *host) config(dir string) Config {
	return Config{StateDir: dir, Metadata: whoAmI, Log: slog.New(slog.DiscardHandler)}
}

// whoAmI answers the metadata address with what the driver knows of the asker.
func whoAmI(networkID, routerID string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "network=%s router=%s peer=%s", networkID, routerID, peer)
	})
}

// newHost makes a machine with a driver, and at the end of the test purges it
// and looks for remains.
func newHost(t *testing.T, change func(*Config)) *host {
	t.Helper()
	h := &host{machine: newMachine(t)}
	cfg := h.config(t.TempDir())
	if change != nil {
		change(&cfg)
	}
	h.start(t, cfg)
	t.Cleanup(func() {
		testx.NoErr(t, h.Purge(context.Background()))
		h.nothingLeft(t)
		testx.NoErr(t, h.Driver.Close())
	})
	return h
}

// start makes the machine's driver.
func (h *host) start(t *testing.T, cfg Config) {
	t.Helper()
	testx.NoErr(t, h.do(func() (err error) { h.Driver, err = New(cfg); return err }))
	testx.NoErr(t, h.Setup(context.Background()))
}

// nothingLeft fails the test if anything of the cloud is on the host.
func (h *host) nothingLeft(t *testing.T) {
	t.Helper()
	links, err := h.links()
	testx.NoErr(t, err)
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Alias, h.owner) {
			t.Errorf("interface %s is left", l.Attrs().Name)
		}
	}
	tables, err := h.tables(context.Background(), "nubo")
	testx.NoErr(t, err)
	testx.Equal(t, tables, []string(nil))
	for _, prefix := range []string{routerPrefix, dhcpPrefix} {
		ids, err := h.namespaceIDs(prefix)
		testx.NoErr(t, err)
		testx.Equal(t, ids, []string(nil))
	}
	inv, err := h.Inventory(context.Background())
	testx.NoErr(t, err)
	testx.Equal(t, inv, driver.Inventory{})
}

// Every apply is done twice: the second must change nothing.

func (h *host) network(t *testing.T, n driver.Network) {
	t.Helper()
	for range 2 {
		testx.NoErr(t, h.ApplyNetwork(t.Context(), n))
	}
}

func (h *host) port(t *testing.T, p driver.Port) {
	t.Helper()
	for range 2 {
		testx.NoErr(t, h.ApplyPort(t.Context(), p))
	}
}

func (h *host) router(t *testing.T, r driver.Router) {
	t.Helper()
	for range 2 {
		testx.NoErr(t, h.ApplyRouter(t.Context(), r))
	}
}

// guest plugs a machine into a port: a veth takes the place of the tap. The
// addresses are configured by hand, the first subnet's gateway with them.
func (h *host) guest(t *testing.T, p driver.Port, gateway string) *machine {
	t.Helper()
	g := newMachine(t)
	_, eth, err := h.ensureVeth(p.Device, g.space, "eth0", p.MAC, 1450)
	testx.NoErr(t, err)
	h.port(t, p)
	testx.NoErr(t, g.up(eth))
	for _, a := range p.Addrs {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		g.addr(t, eth, netip.PrefixFrom(a, bits).String())
	}
	if gateway != "" {
		g.route(t, "0.0.0.0/0", gateway)
	}
	return g
}

func newPort(networkID string, rules []driver.Rule, addrs ...string) driver.Port {
	p := driver.Port{ID: clock.NewID(), NetworkID: networkID, MAC: newMAC(), MTU: 1450, Secure: true, AdminStateUp: true, Rules: rules}
	p.Device = tapName(p.ID)
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, netip.MustParseAddr(a))
	}
	return p
}

func newMAC() string {
	id := clock.NewHexID()
	return fmt.Sprintf("fa:16:3e:%s:%s:%s", id[0:2], id[2:4], id[4:6])
}

// anyEgress are the egress rules of a new security group.
var anyEgress = []driver.Rule{
	{Direction: driver.Egress, EtherType: driver.IPv4, AnyRemote: true},
	{Direction: driver.Egress, EtherType: driver.IPv6, AnyRemote: true},
}

func ingress(protocol string, port int, remote ...string) driver.Rule {
	r := driver.Rule{Direction: driver.Ingress, EtherType: driver.IPv4, Protocol: protocol,
		PortMin: port, PortMax: port, AnyRemote: len(remote) == 0}
	for _, p := range remote {
		r.Remote = append(r.Remote, netip.MustParsePrefix(p))
	}
	return r
}

func rules(more ...driver.Rule) []driver.Rule {
	return append(append([]driver.Rule{}, anyEgress...), more...)
}

func routerPort(networkID string, addr string) driver.RouterPort {
	return driver.RouterPort{PortID: clock.NewID(), NetworkID: networkID, MAC: newMAC(), MTU: 1450,
		Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}}
}

package linux

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nubo/internal/fault"
	"nubo/internal/trace"
	"nubo/network/driver"
)

const routerPrefix = "qrouter-"

func gatewayName(portID string) string   { return "qg-" + short(portID) }
func interfaceName(portID string) string { return "qr-" + short(portID) }

// routerSysctls make a namespace a router that answers ARP only for the
// addresses of the interface asked.
var routerSysctls = map[string]string{
	"ipv4/ip_forward":             "1",
	"ipv4/conf/all/arp_ignore":    "1",
	"ipv4/conf/all/arp_announce":  "2",
	"ipv6/conf/all/forwarding":    "1",
	"ipv6/conf/all/accept_ra":     "0",
	"ipv6/conf/default/accept_ra": "0",
}

// ApplyRouter makes the router's namespace with interfaces, translation,
// routes and the metadata address. A router that is administratively down
// does not exist on the host.
func (d *Driver) ApplyRouter(ctx context.Context, r driver.Router) error {
	if err := checkRouter(r); err != nil {
		return err
	}
	if !r.AdminStateUp {
		return d.RemoveRouter(ctx, r.ID)
	}
	begun := time.Now()
	s, err := d.ensureNamespace(routerPrefix + r.ID)
	trace.Note(ctx, trace.Native, "namespace", begun, err)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.sysctl(routerSysctls); err != nil {
		return err
	}
	// Translation comes before the addresses that it is about.
	if err := s.load(ctx, natRules(r)); err != nil {
		return fmt.Errorf("translate addresses of router %s: %w", r.ID, err)
	}
	begun = time.Now()
	err = d.applyRouterPorts(s, r)
	trace.Note(ctx, trace.Native, "netlink: interfaces and routes", begun, err)
	if err != nil {
		return err
	}
	// Connections keep the translation that they began with: those that began
	// with one that is no longer right end here.
	if err := s.forget(unix.AF_INET, []netlink.CustomConntrackFilter{newTranslations(r)}); err != nil {
		return fmt.Errorf("router %s: %w", r.ID, err)
	}
	return d.serveRouterMetadata(s, r.ID)
}

// applyRouterPorts makes the router's interfaces and routes, and removes all
// others.
func (d *Driver) applyRouterPorts(s *space, r driver.Router) error {
	keep := map[string]bool{"lo": true}
	for _, p := range r.Interfaces {
		name := interfaceName(p.PortID)
		keep[name] = true
		if err := d.applyRouterPort(s, r.ID, name, p, nil); err != nil {
			return err
		}
	}
	if g := r.Gateway; g != nil {
		name := gatewayName(g.PortID)
		keep[name] = true
		if err := d.applyRouterPort(s, r.ID, name, g.RouterPort, r.FloatingIPs); err != nil {
			return err
		}
	}
	if err := removeOtherPorts(s, keep); err != nil {
		return err
	}
	if err := s.setRoutes(routerRoutes(r)); err != nil {
		return fmt.Errorf("router %s: %w", r.ID, err)
	}
	return nil
}

// RemoveRouter removes the router's interfaces and namespace.
func (d *Driver) RemoveRouter(_ context.Context, routerID string) error {
	if err := checkID("router", routerID); err != nil {
		return err
	}
	d.stopMetadata(routerID)
	// The host's ends first: a namespace that is gone takes them away only
	// some time later.
	links, err := d.ownedLinks(kindRouter, routerID)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := d.host.linkDel(l); err != nil {
			return err
		}
	}
	return d.removeNamespace(routerPrefix + routerID)
}

func checkRouter(r driver.Router) error {
	if err := checkID("router", r.ID); err != nil {
		return err
	}
	ports := slices.Clone(r.Interfaces)
	if r.Gateway != nil {
		ports = append(ports, r.Gateway.RouterPort)
	}
	for _, p := range ports {
		if err := errors.Join(checkID("port", p.PortID), checkID("network", p.NetworkID)); err != nil {
			return fault.Invalidf("router %s: %v", r.ID, err)
		}
	}
	if len(r.FloatingIPs) > 0 && r.Gateway == nil {
		return fault.Invalidf("router %s has floating IPs and no gateway", r.ID)
	}
	seen := map[netip.Addr]bool{}
	for _, f := range r.FloatingIPs {
		if !f.Floating.Is4() || !f.Fixed.Is4() {
			return fault.Invalidf("router %s: floating IP %s to %s: both must be IPv4", r.ID, f.Floating, f.Fixed)
		}
		if seen[f.Floating] || seen[f.Fixed] {
			return fault.Invalidf("router %s: floating IP %s to %s: used twice", r.ID, f.Floating, f.Fixed)
		}
		seen[f.Floating], seen[f.Fixed] = true, true
	}
	return nil
}

// applyRouterPort makes a router's port on a network, with its addresses and
// the floating ones, and announces those that are new.
func (d *Driver) applyRouterPort(s *space, routerID, name string, p driver.RouterPort, floating []driver.FloatingIP) error {
	bridge, err := d.host.link(bridgeName(p.NetworkID))
	if err != nil {
		return err
	}
	if bridge == nil {
		return fault.NotFoundf("router %s: network %s is not on this host", routerID, p.NetworkID)
	}
	near, far, err := d.host.ensureVeth(tapName(p.PortID), s, name, p.MAC, p.MTU)
	if err != nil {
		return err
	}
	if err := errors.Join(d.host.settle(near, d.alias(kindRouter, routerID), p.MTU), s.settle(far, "", p.MTU)); err != nil {
		return err
	}
	if err := d.host.enslave(near, bridge); err != nil {
		return err
	}
	if err := s.up(far); err != nil {
		return err
	}
	want := slices.Clone(p.Addrs)
	for _, f := range floating {
		want = append(want, netip.PrefixFrom(f.Floating, 32))
	}
	fresh, err := s.setAddrs(far, want)
	if err != nil {
		return err
	}
	return s.announce(far, fresh)
}

func removeOtherPorts(s *space, keep map[string]bool) error {
	links, err := s.links()
	if err != nil {
		return fmt.Errorf("list the router's interfaces: %w", err)
	}
	for _, l := range links {
		name := l.Attrs().Name
		if !keep[name] && (strings.HasPrefix(name, "qr-") || strings.HasPrefix(name, "qg-")) {
			if err := s.linkDel(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// routerRoutes are the router's static routes and its default ones.
func routerRoutes(r driver.Router) []driver.Route {
	routes := slices.Clone(r.Routes)
	if r.Gateway == nil {
		return routes
	}
	for _, hop := range r.Gateway.NextHops {
		zero := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if hop.Is6() {
			zero = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		// A static default route, or an earlier subnet's, has precedence.
		if !slices.ContainsFunc(routes, func(x driver.Route) bool { return x.Destination == zero }) {
			routes = append(routes, driver.Route{Destination: zero, NextHop: hop})
		}
	}
	return routes
}

// setRoutes gives the namespace exactly these static routes.
func (s *space) setRoutes(want []driver.Route) error {
	have, err := retryDump(func() ([]netlink.Route, error) {
		return s.nl.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: unix.RTPROT_STATIC}, netlink.RT_FILTER_PROTOCOL)
	})
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, r := range have {
		hop, _ := netip.AddrFromSlice(r.Gw)
		if slices.Contains(want, driver.Route{Destination: destination(r), NextHop: hop.Unmap()}) {
			continue
		}
		if err := s.nl.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route to %s: %w", destination(r), err)
		}
	}
	for _, r := range want {
		route := &netlink.Route{Dst: ipNet(r.Destination.Masked()), Gw: r.NextHop.AsSlice(), Protocol: unix.RTPROT_STATIC}
		if err := s.nl.RouteReplace(route); err != nil {
			return fmt.Errorf("route %s via %s: %w", r.Destination, r.NextHop, err)
		}
	}
	return nil
}

func destination(r netlink.Route) netip.Prefix {
	if r.Dst != nil {
		return prefixOf(r.Dst)
	}
	if r.Gw.To4() != nil {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// announce tells a network's neighbours where addresses are now, so that they
// do not go on sending to where they were (RFC 5227, section 3).
func (s *space) announce(l netlink.Link, addrs []netip.Addr) error {
	return s.do(func() error {
		const protocol = unix.ETH_P_ARP<<8&0xff00 | unix.ETH_P_ARP>>8 // network byte order
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open a socket for ARP: %w", err)
		}
		defer unix.Close(fd)
		to := &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: l.Attrs().Index}
		for _, a := range addrs {
			if !a.Is4() {
				continue
			}
			if err := unix.Sendto(fd, announcement([6]byte(l.Attrs().HardwareAddr), a.As4()), 0, to); err != nil {
				return fmt.Errorf("announce %s on %s: %w", a, l.Attrs().Name, err)
			}
		}
		return nil
	})
}

// announcement is the Ethernet frame of an ARP announcement: a request for
// the sender's own address.
func announcement(mac [6]byte, addr [4]byte) []byte {
	frame := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	frame = append(frame, mac[:]...)
	frame = append(frame, 0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1) // ARP, Ethernet, IPv4, request
	frame = append(frame, mac[:]...)
	frame = append(frame, addr[:]...)
	frame = append(frame, 0, 0, 0, 0, 0, 0)
	return append(frame, addr[:]...)
}

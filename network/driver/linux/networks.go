package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nubo/internal/fault"
	"nubo/internal/trace"
	"nubo/network/driver"
)

const vxlanPort = 4789

// ApplyNetwork makes the network's bridge with its way to other hosts or to
// the outside, and serves DHCP on it if asked to.
func (d *Driver) ApplyNetwork(ctx context.Context, n driver.Network) error {
	if err := checkID("network", n.ID); err != nil {
		return err
	}
	name := bridgeName(n.ID)
	// The rules come first, so that no frame passes before them.
	if err := d.guard.addNetwork(ctx, name); err != nil {
		return fmt.Errorf("guard network %s: %w", n.ID, err)
	}
	begun := time.Now()
	bridge, err := d.host.ensureBridge(name, d.alias(kindNetwork, n.ID), n.MTU)
	trace.Note(ctx, trace.Native, "netlink: bridge", begun, err)
	if err != nil {
		return err
	}
	begun = time.Now()
	switch n.Type {
	case driver.TypeVXLAN:
		err = d.applyVXLAN(n, bridge)
		trace.Note(ctx, trace.Native, "netlink: vxlan", begun, err)
	case driver.TypeFlat:
		err = d.applyFlat(ctx, n, bridge)
	case driver.TypeLocal:
	default:
		err = fault.Invalidf("network %s: the linux driver has no type %q", n.ID, n.Type)
	}
	if err != nil {
		return err
	}
	if n.DHCP == nil {
		return d.removeDHCP(n.ID)
	}
	begun = time.Now()
	err = d.applyDHCP(n, bridge)
	trace.Note(ctx, trace.Native, "DHCP", begun, err)
	return err
}

// RemoveNetwork removes the network's bridge and all that hangs on it. A
// physical interface is set free.
func (d *Driver) RemoveNetwork(ctx context.Context, networkID string) error {
	if err := checkID("network", networkID); err != nil {
		return err
	}
	if err := d.removeDHCP(networkID); err != nil {
		return err
	}
	links, err := d.ownedLinks(kindNetwork, networkID)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := d.host.linkDel(l); err != nil {
			return err
		}
	}
	if err := d.dropMasquerade(ctx, networkID); err != nil {
		return err
	}
	return d.guard.removeNetwork(ctx, bridgeName(networkID))
}

// applyVXLAN connects the bridge with the same network on other hosts.
func (d *Driver) applyVXLAN(n driver.Network, bridge netlink.Link) error {
	if !d.cfg.TunnelIP.IsValid() {
		if len(n.Peers) > 0 {
			return fault.Invalidf("network %s spans hosts, but this host has no tunnel address", n.ID)
		}
		return nil
	}
	if n.SegmentationID < 1 || n.SegmentationID >= 1<<24 {
		return fault.Invalidf("network %s: %d is no VXLAN network identifier", n.ID, n.SegmentationID)
	}
	l, err := d.ensureVXLAN(n)
	if err != nil {
		return err
	}
	if err := d.host.settle(l, d.alias(kindNetwork, n.ID), n.MTU); err != nil {
		return err
	}
	if err := d.setForwarding(l, n); err != nil {
		return err
	}
	return d.host.enslave(l, bridge)
}

// ensureVXLAN makes the overlay's interface, anew if it is another's or ours
// with another address.
func (d *Driver) ensureVXLAN(n driver.Network) (netlink.Link, error) {
	name := fmt.Sprintf("vxlan-%d", n.SegmentationID)
	l, err := d.host.link(name)
	if err != nil {
		return nil, err
	}
	if l != nil {
		v, ok := l.(*netlink.Vxlan)
		if a := l.Attrs().Alias; a != "" && a != d.alias(kindNetwork, n.ID) {
			return nil, fault.Conflictf("network %s: interface %s belongs to %s", n.ID, name, a)
		}
		if ok && v.VxlanId == n.SegmentationID && v.SrcAddr.Equal(d.cfg.TunnelIP.AsSlice()) {
			return l, nil
		}
		if err := d.host.linkDel(l); err != nil {
			return nil, err
		}
	}
	v := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: n.MTU}, VxlanId: n.SegmentationID,
		SrcAddr: d.cfg.TunnelIP.AsSlice(), Port: vxlanPort, Learning: false}
	if err := d.host.nl.LinkAdd(v); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	if err := d.host.mute(name); err != nil {
		return nil, err
	}
	if l, err = d.host.nl.LinkByName(name); err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return l, nil
}

// forwarding is an entry of a VXLAN interface's forwarding database.
type forwarding struct {
	mac  string
	host netip.Addr
}

// floodMAC is the entry for frames whose destination has none, or is many.
const floodMAC = "00:00:00:00:00:00"

// setForwarding writes where each remote port lives, and where to flood.
func (d *Driver) setForwarding(l netlink.Link, n driver.Network) error {
	want := map[forwarding]bool{}
	for _, p := range n.Peers {
		want[forwarding{floodMAC, p}] = true
	}
	for _, r := range n.Remote {
		mac, err := net.ParseMAC(r.MAC)
		if err != nil {
			return fault.Invalidf("network %s: remote port: %v", n.ID, err)
		}
		want[forwarding{mac.String(), r.Host}] = true
	}
	entries, err := retryDump(func() ([]netlink.Neigh, error) {
		return d.host.nl.NeighList(l.Attrs().Index, unix.AF_BRIDGE)
	})
	if err != nil {
		return fmt.Errorf("list the forwarding of %s: %w", l.Attrs().Name, err)
	}
	for _, e := range entries {
		addr, ok := netip.AddrFromSlice(e.IP)
		if !ok {
			continue // the bridge's own, which says the port, not the host
		}
		key := forwarding{e.HardwareAddr.String(), addr.Unmap()}
		if want[key] {
			delete(want, key)
			continue
		}
		if err := d.host.nl.NeighDel(neighbour(l, key)); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove %s from the forwarding of %s: %w", key.mac, l.Attrs().Name, err)
		}
	}
	for key := range want {
		if err := d.host.nl.NeighAppend(neighbour(l, key)); err != nil {
			return fmt.Errorf("add %s to the forwarding of %s: %w", key.mac, l.Attrs().Name, err)
		}
	}
	return nil
}

func neighbour(l netlink.Link, f forwarding) *netlink.Neigh {
	mac, _ := net.ParseMAC(f.mac) // it was printed by HardwareAddr.String
	return &netlink.Neigh{LinkIndex: l.Attrs().Index, Family: unix.AF_BRIDGE, State: netlink.NUD_PERMANENT | netlink.NUD_NOARP,
		Flags: netlink.NTF_SELF, IP: f.host.AsSlice(), HardwareAddr: mac}
}

// applyFlat connects the bridge with its physical network: by the interface
// mapped to it, or by making the host itself the way out.
func (d *Driver) applyFlat(ctx context.Context, n driver.Network, bridge netlink.Link) error {
	if phys, mapped := d.cfg.PhysicalInterfaces[n.PhysicalNetwork]; mapped {
		return d.enslavePhysical(phys, n, bridge)
	}
	leg, peer := "gw-"+short(n.ID), "gp-"+short(n.ID)
	if len(n.HostAddrs) == 0 {
		if err := d.host.unlink(leg); err != nil {
			return err
		}
		return d.dropMasquerade(ctx, n.ID)
	}
	// The host's leg is a veth of its own rather than the bridge, so that
	// what the host sends to guests is forwarded by the bridge, and thus
	// filtered, like everything else.
	far, near, err := d.host.ensureLeg(leg, peer, n.MTU)
	if err != nil {
		return err
	}
	for _, l := range []netlink.Link{near, far} {
		if err := d.host.settle(l, d.alias(kindNetwork, n.ID), n.MTU); err != nil {
			return err
		}
	}
	if err := d.host.enslave(near, bridge); err != nil {
		return err
	}
	if _, err := d.host.setAddrs(far, n.HostAddrs); err != nil {
		return err
	}
	if err := d.host.up(far); err != nil {
		return err
	}
	if err := d.host.sysctl(map[string]string{"ipv4/ip_forward": "1"}); err != nil {
		return err
	}
	if err := d.host.load(ctx, masqueradeRules(d.masqueradeTable(n.ID), leg, n.HostAddrs)); err != nil {
		return fmt.Errorf("translate addresses of network %s: %w", n.ID, err)
	}
	return nil
}

// ensureLeg makes a veth pair whose both ends are in this namespace.
func (s *space) ensureLeg(leg, peer string, mtu int) (far, near netlink.Link, err error) {
	if far, err = s.link(leg); err != nil {
		return nil, nil, err
	}
	if far == nil {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: leg, MTU: mtu}, PeerName: peer, PeerMTU: uint32(mtu)}
		if err := s.nl.LinkAdd(pair); err != nil {
			return nil, nil, fmt.Errorf("make interface %s: %w", leg, err)
		}
		if far, err = s.nl.LinkByName(leg); err != nil {
			return nil, nil, fmt.Errorf("look up %s: %w", leg, err)
		}
	}
	if near, err = s.nl.LinkByName(peer); err != nil {
		return nil, nil, fmt.Errorf("look up %s: %w", peer, err)
	}
	return far, near, s.mute(peer)
}

func (d *Driver) enslavePhysical(name string, n driver.Network, bridge netlink.Link) error {
	l, err := d.host.link(name)
	if err != nil {
		return err
	}
	if l == nil {
		return fault.Invalidf("physical network %s: the host has no interface %s", n.PhysicalNetwork, name)
	}
	addrs, err := retryDump(func() ([]netlink.Addr, error) { return d.host.nl.AddrList(l, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list the addresses of %s: %w", name, err)
	}
	for _, a := range addrs {
		if !a.IP.IsLinkLocalUnicast() {
			return fault.Invalidf("physical network %s: interface %s has the address %s; an interface given to a bridge must have none",
				n.PhysicalNetwork, name, a.IP)
		}
	}
	if m := l.Attrs().MasterIndex; m != 0 && m != bridge.Attrs().Index {
		return fault.Conflictf("physical network %s: interface %s is part of another bridge", n.PhysicalNetwork, name)
	}
	return d.host.enslave(l, bridge)
}

func (d *Driver) masqueradeTable(networkID string) string { return d.owner + "_" + short(networkID) }

func (d *Driver) dropMasquerade(ctx context.Context, networkID string) error {
	// Naming the table first makes its deletion good where it is absent.
	t := d.masqueradeTable(networkID)
	return d.host.load(ctx, fmt.Sprintf("table inet %[1]s\ndelete table inet %[1]s\n", t))
}

// masqueradeRules hide the network behind the host wherever the host sends
// what came by its leg, but for the network itself. The leg matters: frames
// that bridges forward pass here too, and some tenant's may look the same.
func masqueradeRules(table, leg string, prefixes []netip.Prefix) string {
	var b strings.Builder
	fmt.Fprintf(&b, `table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
`, table)
	for _, p := range prefixes {
		ip := "ip"
		if p.Addr().Is6() {
			ip = "ip6"
		}
		fmt.Fprintf(&b, "\t\tiifname %q oifname != { \"lo\", %[1]q } %s saddr %s masquerade\n", leg, ip, p.Masked())
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

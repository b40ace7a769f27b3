package linux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// short is the part of an id that fits into an interface's name.
func short(id string) string { return id[:11] }

func bridgeName(networkID string) string { return "brq" + short(networkID) }

// tapName is the host's end of any port.
func tapName(portID string) string { return "tap" + short(portID) }

// link finds an interface; nil means there is none.
func (s *space) link(name string) (netlink.Link, error) {
	l, err := s.nl.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", name, err)
	}
	return l, nil
}

// links lists the namespace's interfaces.
func (s *space) links() ([]netlink.Link, error) {
	return retryDump(s.nl.LinkList)
}

// retryDump repeats a netlink list that was changed while it was read.
func retryDump[T any](list func() ([]T, error)) ([]T, error) {
	for range 20 {
		out, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	return list()
}

// unlink removes an interface; absence is no error.
func (s *space) unlink(name string) error {
	l, err := s.link(name)
	if l == nil || err != nil {
		return err
	}
	return s.linkDel(l)
}

func (s *space) linkDel(l netlink.Link) error {
	if err := s.nl.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove interface %s: %w", l.Attrs().Name, err)
	}
	return nil
}

// mute keeps the host's own IP stack out of an interface that only carries
// frames of guests: no link-local address, no answer to ARP.
func (s *space) mute(name string) error {
	return s.sysctl(map[string]string{
		"ipv6/conf/" + name + "/disable_ipv6": "1",
		"ipv4/conf/" + name + "/arp_ignore":   "8",
	})
}

// ensureBridge makes the bridge, hands its packets to the inet rules, and
// brings it up.
func (s *space) ensureBridge(name, alias string, mtu int) (netlink.Link, error) {
	l, err := s.link(name)
	if err != nil {
		return nil, err
	}
	if l == nil {
		off := false
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}, MulticastSnooping: &off}
		if err := s.nl.LinkAdd(br); err != nil {
			return nil, fmt.Errorf("make bridge %s: %w", name, err)
		}
		if l, err = s.nl.LinkByName(name); err != nil {
			return nil, fmt.Errorf("look up bridge %s: %w", name, err)
		}
		// A bridge whose MTU was never set follows its ports.
		if mtu > 0 {
			if err := s.nl.LinkSetMTU(l, mtu); err != nil {
				return nil, fmt.Errorf("set the MTU of %s to %d: %w", name, mtu, err)
			}
		}
	} else if l.Type() != "bridge" {
		return nil, fmt.Errorf("interface %s is no bridge", name)
	}
	if err := s.settle(l, alias, mtu); err != nil {
		return nil, err
	}
	if err := s.mute(name); err != nil {
		return nil, err
	}
	if err := s.filterBridge(l); err != nil {
		return nil, err
	}
	return l, s.up(l)
}

// filterBridge turns br_netfilter on for one bridge, so that the host's
// other bridges stay as they are. The netlink package has no name for it.
func (s *space) filterBridge(l netlink.Link) error {
	const (
		brNfCallIptables  = 36 // IFLA_BR_NF_CALL_IPTABLES
		brNfCallIp6tables = 37 // IFLA_BR_NF_CALL_IP6TABLES
	)
	return s.do(func() error {
		req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
		msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
		msg.Index = int32(l.Attrs().Index)
		req.AddData(msg)
		info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
		info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
		data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
		data.AddRtAttr(brNfCallIptables, []byte{1})
		data.AddRtAttr(brNfCallIp6tables, []byte{1})
		req.AddData(info)
		if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
			return fmt.Errorf("filter bridge %s: %w", l.Attrs().Name, err)
		}
		return nil
	})
}

// settle gives an interface its alias and MTU where they differ.
func (s *space) settle(l netlink.Link, alias string, mtu int) error {
	a := l.Attrs()
	if a.Alias != alias {
		if err := s.nl.LinkSetAlias(l, alias); err != nil {
			return fmt.Errorf("name interface %s: %w", a.Name, err)
		}
	}
	if mtu > 0 && a.MTU != mtu {
		if err := s.nl.LinkSetMTU(l, mtu); err != nil {
			return fmt.Errorf("set the MTU of %s to %d: %w", a.Name, mtu, err)
		}
	}
	return nil
}

func (s *space) up(l netlink.Link) error {
	if err := s.nl.LinkSetUp(l); err != nil {
		return fmt.Errorf("bring up %s: %w", l.Attrs().Name, err)
	}
	return nil
}

// enslave makes the interface a port of the bridge and brings it up.
func (s *space) enslave(l, bridge netlink.Link) error {
	if l.Attrs().MasterIndex != bridge.Attrs().Index {
		if err := s.nl.LinkSetMaster(l, bridge); err != nil {
			return fmt.Errorf("put %s into %s: %w", l.Attrs().Name, bridge.Attrs().Name, err)
		}
	}
	return s.up(l)
}

// ensureTap makes a persistent tap that QEMU and libvirt (managed='no') can
// open. An interface that is there already is taken as it is.
func (s *space) ensureTap(name string) (netlink.Link, error) {
	if l, err := s.link(name); l != nil || err != nil {
		return l, err
	}
	err := s.do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			return err
		}
		return unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1)
	})
	if err != nil {
		return nil, fmt.Errorf("make tap %s: %w", name, err)
	}
	if err := s.mute(name); err != nil {
		return nil, err
	}
	l, err := s.nl.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("look up tap %s: %w", name, err)
	}
	return l, nil
}

// ensureVeth makes a pair with one end here and the other, with the given
// name and MAC, in the other namespace. Half a pair, which only a crash or a
// foreign hand leaves, is made anew.
func (s *space) ensureVeth(here string, there *space, name, mac string, mtu int) (near, far netlink.Link, err error) {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return nil, nil, fmt.Errorf("interface %s: %w", name, err)
	}
	if near, err = s.link(here); err != nil {
		return nil, nil, err
	}
	if far, err = there.link(name); err != nil {
		return nil, nil, err
	}
	// Each end knows the other's index; a pair is whole if they agree.
	if near != nil && far != nil && near.Attrs().ParentIndex == far.Attrs().Index &&
		far.Attrs().ParentIndex == near.Attrs().Index && far.Attrs().HardwareAddr.String() == hw.String() {
		return near, far, nil
	}
	if err := errors.Join(s.unlink(here), there.unlink(name)); err != nil {
		return nil, nil, err
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: here, MTU: mtu}, PeerName: name,
		PeerHardwareAddr: hw, PeerNamespace: netlink.NsFd(there.ns), PeerMTU: uint32(mtu)}
	if err := s.nl.LinkAdd(pair); err != nil {
		return nil, nil, fmt.Errorf("make interface %s: %w", name, err)
	}
	if err := s.mute(here); err != nil {
		return nil, nil, err
	}
	if near, err = s.nl.LinkByName(here); err != nil {
		return nil, nil, fmt.Errorf("look up %s: %w", here, err)
	}
	if far, err = there.nl.LinkByName(name); err != nil {
		return nil, nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return near, far, nil
}

// setAddrs gives an interface exactly these addresses beside its link-local
// one, and returns those it did not have before.
func (s *space) setAddrs(l netlink.Link, want []netip.Prefix) ([]netip.Addr, error) {
	have, err := retryDump(func() ([]netlink.Addr, error) { return s.nl.AddrList(l, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list the addresses of %s: %w", l.Attrs().Name, err)
	}
	var kept []netip.Prefix
	for _, a := range have {
		p := prefixOf(a.IPNet)
		switch {
		case slices.Contains(want, p):
			kept = append(kept, p)
		case p.Addr().Is6() && p.Addr().IsLinkLocalUnicast():
		default:
			if err := s.nl.AddrDel(l, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return nil, fmt.Errorf("remove %s from %s: %w", p, l.Attrs().Name, err)
			}
		}
	}
	var fresh []netip.Addr
	for _, p := range want {
		if slices.Contains(kept, p) {
			continue
		}
		a := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD // the network component saw to it that it is unique
		}
		// Replace, because removing a primary address may have taken or
		// promoted its secondaries.
		if err := s.nl.AddrReplace(l, a); err != nil {
			return nil, fmt.Errorf("add %s to %s: %w", p, l.Attrs().Name, err)
		}
		fresh = append(fresh, p.Addr())
	}
	return fresh, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), bits)
}

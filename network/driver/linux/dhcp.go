package linux

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nubo/internal/fault"
	"nubo/network/driver"
)

const dhcpPrefix = "qdhcp-"

// dhcpServer answers on one network. A new configuration is put under the
// open socket, so that applying a network loses no request.
type dhcpServer struct {
	where  string // the namespace and interface it listens on
	conn   *net.UDPConn
	space  *space
	ifi    int
	config atomic.Pointer[dhcpConfig]
	log    *slog.Logger
	done   chan struct{}
}

// applyDHCP makes the namespace of the network's DHCP port and serves there.
func (d *Driver) applyDHCP(n driver.Network, bridge netlink.Link) error {
	if err := checkID("port", n.DHCP.PortID); err != nil {
		return err
	}
	config, err := newDHCPConfig(n)
	if err != nil {
		return err
	}
	s, err := d.ensureNamespace(dhcpPrefix + n.ID)
	if err != nil {
		return err
	}
	keep := false // s belongs to the server once that runs
	defer func() {
		if !keep {
			s.close()
		}
	}()
	far, err := d.plugDHCP(s, n, bridge)
	if err != nil {
		return err
	}
	if keep, err = d.serveDHCP(s, n.ID, far, config); err != nil {
		return err
	}
	if !n.DHCP.Metadata || d.cfg.Metadata == nil {
		d.stopMetadata(n.ID)
		return nil
	}
	return d.serveMetadata(s, n.ID, d.cfg.Metadata(n.ID, ""))
}

// plugDHCP connects the namespace with the network.
func (d *Driver) plugDHCP(s *space, n driver.Network, bridge netlink.Link) (netlink.Link, error) {
	name := "ns-" + short(n.DHCP.PortID)
	alias := d.alias(kindDHCP, n.ID)
	// A DHCP port that was replaced by another leaves its interface.
	old, err := d.ownedLinks(kindDHCP, n.ID)
	if err != nil {
		return nil, err
	}
	for _, l := range old {
		if l.Attrs().Name != tapName(n.DHCP.PortID) {
			if err := d.host.linkDel(l); err != nil {
				return nil, err
			}
		}
	}
	if err := s.sysctl(map[string]string{"ipv4/conf/all/arp_ignore": "1", "ipv4/conf/all/arp_announce": "2",
		"ipv6/conf/all/accept_ra": "0", "ipv6/conf/default/accept_ra": "0"}); err != nil {
		return nil, err
	}
	near, far, err := d.host.ensureVeth(tapName(n.DHCP.PortID), s, name, n.DHCP.MAC, n.MTU)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.host.settle(near, alias, n.MTU), s.settle(far, "", n.MTU)); err != nil {
		return nil, err
	}
	addrs := slices.Clone(n.DHCP.Addrs)
	if n.DHCP.Metadata {
		addrs = append(addrs, netip.PrefixFrom(metadataAddr, 32))
	}
	if err := d.host.enslave(near, bridge); err != nil {
		return nil, err
	}
	if err := s.up(far); err != nil {
		return nil, err
	}
	fresh, err := s.setAddrs(far, addrs)
	if err != nil {
		return nil, err
	}
	// The answers of the metadata address leave by the route to the guests;
	// a network of several subnets has one for each.
	return far, s.announce(far, fresh)
}

// removeDHCP stops serving the network and removes the namespace.
func (d *Driver) removeDHCP(networkID string) error {
	d.mu.Lock()
	server := d.dhcp[networkID]
	delete(d.dhcp, networkID)
	d.mu.Unlock()
	if server != nil {
		server.stop()
	}
	d.stopMetadata(networkID)
	links, err := d.ownedLinks(kindDHCP, networkID)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := d.host.linkDel(l); err != nil {
			return err
		}
	}
	return d.removeNamespace(dhcpPrefix + networkID)
}

// serveDHCP gives the network's server its configuration, and starts it where
// none listens on this very interface. started tells that it took s over.
func (d *Driver) serveDHCP(s *space, networkID string, l netlink.Link, config *dhcpConfig) (started bool, err error) {
	where := fmt.Sprintf("%s/%d", s.ns.UniqueId(), l.Attrs().Index)
	d.mu.Lock()
	defer d.mu.Unlock()
	if server := d.dhcp[networkID]; server != nil {
		if server.where == where {
			server.config.Store(config)
			return false, nil
		}
		server.stop()
		delete(d.dhcp, networkID)
	}
	server := &dhcpServer{where: where, space: s, ifi: l.Attrs().Index, done: make(chan struct{}),
		log: d.cfg.Log.With(slog.String("network_id", networkID))}
	server.config.Store(config)
	if server.conn, err = listenDHCP(s, l.Attrs().Name); err != nil {
		return false, err
	}
	go server.run()
	d.dhcp[networkID] = server
	return true, nil
}

// listenDHCP opens the server's socket on an interface in the namespace.
func listenDHCP(s *space, device string) (*net.UDPConn, error) {
	var conn *net.UDPConn
	err := s.do(func() error {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: dhcpv4.ServerPort})
		if err != nil {
			return err
		}
		raw, err := c.SyscallConn()
		if err == nil {
			var opt error
			err = raw.Control(func(fd uintptr) {
				opt = errors.Join(unix.BindToDevice(int(fd), device),
					unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
					// Clients that read raw frames would see the checksum
					// that the kernel leaves to hardware, which is none
					// here; an absent one is right for all.
					unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1))
			})
			err = errors.Join(err, opt)
		}
		if err != nil {
			c.Close()
			return err
		}
		conn = c
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("serve DHCP on %s: %w", device, err)
	}
	return conn, nil
}

// run answers until the socket is closed.
func (s *dhcpServer) run() {
	defer close(s.done)
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.log.Error("DHCP server ended", slog.Any("error", err))
			}
			return
		}
		answer := s.config.Load().answerBytes(buf[:n])
		if answer == nil {
			continue
		}
		if err := s.send(answer, from.Addr()); err != nil {
			s.log.Warn("DHCP answer not sent", slog.String("mac", answer.ClientHWAddr.String()), slog.Any("error", err))
		}
	}
}

// send delivers an answer where RFC 2131, section 4.1, says. A client without
// an address cannot answer ARP, so its entry is written for it.
func (s *dhcpServer) send(answer *dhcpv4.DHCPv4, from netip.Addr) error {
	to := &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort}
	switch {
	case answer.MessageType() == dhcpv4.MessageTypeNak || answer.IsBroadcast():
	case answer.YourIPAddr.IsUnspecified() && !answer.ClientIPAddr.IsUnspecified():
		to.IP = answer.ClientIPAddr // the answer to INFORM
	case answer.YourIPAddr.IsUnspecified():
	case from.IsValid() && !from.Unmap().IsUnspecified():
		to.IP = from.Unmap().AsSlice()
	default:
		entry := &netlink.Neigh{LinkIndex: s.ifi, IP: answer.YourIPAddr, HardwareAddr: answer.ClientHWAddr,
			State: netlink.NUD_REACHABLE}
		if err := s.space.nl.NeighSet(entry); err != nil {
			return fmt.Errorf("note the neighbour %s: %w", answer.YourIPAddr, err)
		}
		to.IP = answer.YourIPAddr
	}
	_, err := s.conn.WriteToUDP(answer.ToBytes(), to)
	return err
}

// stop ends the server.
func (s *dhcpServer) stop() {
	s.conn.Close()
	<-s.done
	s.space.close()
}

// leaseSubnet finds the subnet of a lease.
func leaseSubnet(n driver.Network, l driver.Lease) (driver.Subnet, error) {
	for _, s := range n.Subnets {
		if s.ID == l.SubnetID {
			return s, nil
		}
	}
	return driver.Subnet{}, fault.Invalidf("network %s: the lease of %s is in subnet %s, which the network lacks", n.ID, l.Addr, l.SubnetID)
}

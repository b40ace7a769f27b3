package agent

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"time"

	"nubo/compute"
	"nubo/compute/driver"
	"nubo/sdk/network"
)

// makePorts makes the ports a new server asked for, bound to this host, in
// that order. look says that some of them may be there.
func (h *host) makePorts(ctx context.Context, s *compute.Server, look bool) ([]network.Port, error) {
	var out []network.Port
	err := h.patiently(ctx, "ports", func() error {
		var there []network.Port
		if look {
			var err error
			if there, err = h.deps.Network.ListPorts(ctx, url.Values{"device_id": {s.ID}}); err != nil {
				return err
			}
		}
		look = true // whatever went wrong, there may be some now
		out = out[:0]
		for _, want := range s.Networks {
			p, err := h.makePort(ctx, s, want, &there)
			if err != nil {
				return err
			}
			if p.VIFType == network.VIFFailed {
				return fmt.Errorf("Binding failed for port %s, please check neutron logs for more information.", p.ID)
			}
			out = append(out, *p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("allocate networks: %w", err)
	}
	return out, nil
}

// makePort makes one port, or binds the one that is there, which it takes
// out of the list.
func (h *host) makePort(ctx context.Context, s *compute.Server, want compute.RequestedNetwork, there *[]network.Port) (*network.Port, error) {
	i := slices.IndexFunc(*there, func(p network.Port) bool {
		if want.PortID != "" {
			return p.ID == want.PortID
		}
		return p.NetworkID == want.NetworkID && s.OwnsPort(p.ID) && (want.FixedIP == "" || hasAddress(&p, want.FixedIP))
	})
	if i >= 0 {
		p := (*there)[i]
		*there = slices.Delete(*there, i, i+1)
		if p.HostID == h.name && p.VIFType != network.VIFFailed {
			return &p, nil
		}
		return h.bindPort(ctx, s, p.ID)
	}
	if want.PortID != "" {
		return h.bindPort(ctx, s, want.PortID)
	}
	in := network.PortCreate{
		NetworkID: want.NetworkID, ProjectID: s.ProjectID, DeviceID: s.ID, DeviceOwner: h.deviceOwner(s), HostID: h.name,
	}
	if want.FixedIP != "" {
		in.FixedIPs = []network.FixedIP{{IPAddress: want.FixedIP}}
	}
	var groups []string
	for _, g := range s.SecurityGroups {
		if g.ID != "" {
			groups = append(groups, g.ID)
		}
	}
	if groups != nil {
		in.SecurityGroups = &groups
	}
	return making(ctx, func(ctx context.Context) (*network.Port, error) { return h.deps.Network.CreatePort(ctx, in) })
}

func hasAddress(p *network.Port, ip string) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f network.FixedIP) bool { return f.IPAddress == ip })
}

// bindPort makes a port that exists the server's, on this host.
func (h *host) bindPort(ctx context.Context, s *compute.Server, id string) (*network.Port, error) {
	owner := h.deviceOwner(s)
	return making(ctx, func(ctx context.Context) (*network.Port, error) {
		return h.deps.Network.UpdatePort(ctx, id, network.PortUpdate{DeviceID: &s.ID, DeviceOwner: &owner, HostID: &h.name})
	})
}

func (h *host) deviceOwner(s *compute.Server) string {
	if s.AZ == "" {
		return "compute:" + h.cfg.DeviceOwnerZone
	}
	return "compute:" + s.AZ
}

// releasePorts deletes the server's own ports and gives others back.
func (h *host) releasePorts(ctx context.Context, s *compute.Server) error {
	err := h.patiently(ctx, "ports", func() error {
		ports, err := h.deps.Network.ListPorts(ctx, url.Values{"device_id": {s.ID}})
		if err != nil {
			return err
		}
		var errs error
		for _, p := range ports {
			errs = errors.Join(errs, h.releasePort(ctx, p.ID, s.OwnsPort(p.ID)))
		}
		return errs
	})
	if err != nil {
		return fmt.Errorf("release ports: %w", err)
	}
	return nil
}

func (h *host) releasePort(ctx context.Context, id string, own bool) error {
	if own {
		return unlessGone(h.deps.Network.DeletePort(ctx, id))
	}
	none := ""
	_, err := h.deps.Network.UpdatePort(ctx, id, network.PortUpdate{DeviceID: &none, DeviceOwner: &none, HostID: &none})
	return unlessGone(err)
}

// describePorts makes the entries of the server's row.
func (h *host) describePorts(ctx context.Context, s *compute.Server, ports []network.Port) ([]compute.VIF, error) {
	vifs := make([]compute.VIF, 0, len(ports))
	for i := range ports {
		p := &ports[i]
		v, err := h.describePort(ctx, p)
		if err != nil {
			return nil, err
		}
		v.Preserve = !s.OwnsPort(p.ID)
		if i < len(s.Networks) {
			v.Tag = s.Networks[i].Tag
		}
		vifs = append(vifs, *v)
	}
	if slices.ContainsFunc(vifs, func(v compute.VIF) bool { return v.Preserve }) { // a new port has no floating IP
		return vifs, h.addFloating(ctx, vifs)
	}
	return vifs, nil
}

func (h *host) describePort(ctx context.Context, p *network.Port) (*compute.VIF, error) {
	var n knownNetwork
	err := h.patiently(ctx, "a network", func() (err error) {
		n, err = h.networks.get(ctx, p.NetworkID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("network of port %s: %w", p.ID, err)
	}
	v := &compute.VIF{
		PortID: p.ID, NetworkID: p.NetworkID, NetworkName: n.name, MAC: p.MACAddress, MTU: n.mtu, Device: tapName(p.ID),
		Active: p.Status == network.PortActive,
	}
	for _, f := range p.FixedIPs {
		v.FixedIPs = append(v.FixedIPs, compute.FixedIP{IP: f.IPAddress, SubnetID: f.SubnetID})
		for _, subnet := range n.subnets {
			if subnet.ID == f.SubnetID && !slices.ContainsFunc(v.Subnets, func(has compute.Subnet) bool { return has.ID == subnet.ID }) {
				v.Subnets = append(v.Subnets, subnet)
			}
		}
	}
	return v, nil
}

// addFloating adds the floating IPs that lead to the ports' addresses.
func (h *host) addFloating(ctx context.Context, vifs []compute.VIF) error {
	if len(vifs) == 0 {
		return nil
	}
	var ids []string
	for i := range vifs {
		ids = append(ids, vifs[i].PortID)
	}
	var floating []network.FloatingIP
	err := h.patiently(ctx, "floating IPs", func() (err error) {
		floating, err = h.deps.Network.ListFloatingIPs(ctx, url.Values{"port_id": ids})
		return err
	})
	if err != nil {
		return fmt.Errorf("floating IPs: %w", err)
	}
	for i := range vifs {
		for k := range vifs[i].FixedIPs {
			ip := &vifs[i].FixedIPs[k]
			ip.Floating = nil
			for _, f := range floating {
				if f.PortID == vifs[i].PortID && f.FixedIPAddress == ip.IP {
					ip.Floating = append(ip.Floating, f.FloatingIPAddress)
				}
			}
			slices.Sort(ip.Floating)
		}
	}
	return nil
}

// tapName is the name the network's agent gives a port's interface: Neutron's.
func tapName(port string) string { return "tap" + port[:min(11, len(port))] }

func interfaceOf(v *compute.VIF) driver.Interface {
	return driver.Interface{PortID: v.PortID, MAC: v.MAC, Device: v.Device, MTU: v.MTU}
}

// refresh writes a server's addresses as the network service has them now.
func (h *host) refresh(ctx context.Context, s *compute.Server) error {
	var ports []network.Port
	err := h.patiently(ctx, "ports", func() (err error) {
		ports, err = h.deps.Network.ListPorts(ctx, url.Values{"device_id": {s.ID}})
		return err
	})
	if err != nil {
		return fmt.Errorf("list ports of server %s: %w", s.ID, err)
	}
	vifs := make([]compute.VIF, 0, len(s.VIFs))
	for _, old := range s.VIFs {
		i := slices.IndexFunc(ports, func(p network.Port) bool { return p.ID == old.PortID })
		if i < 0 {
			continue // deleted: its own event detaches it
		}
		v, err := h.describePort(ctx, &ports[i])
		if err != nil {
			return err
		}
		v.Preserve, v.Tag = old.Preserve, old.Tag
		vifs = append(vifs, *v)
	}
	if err := h.addFloating(ctx, vifs); err != nil {
		return err
	}
	if reflect.DeepEqual(vifs, s.VIFs) {
		return nil
	}
	return h.setVIFs(ctx, s, vifs, nil)
}

// setVIFs writes a server's ports.
func (h *host) setVIFs(ctx context.Context, s *compute.Server, vifs []compute.VIF, e *compute.ActionEventArgs) error {
	err := h.update(ctx, compute.Update{ServerID: s.ID, ExpectHost: &h.name, Set: compute.ServerFields{VIFs: &vifs}}, e)
	if lost(err) {
		return nil
	}
	return err
}

// attachInterface gives a running server one more port, which is the
// server's by its device_id already.
func (h *host) attachInterface(ctx context.Context, s *compute.Server, args compute.InterfaceArgs) error {
	if slices.ContainsFunc(s.VIFs, func(v compute.VIF) bool { return v.PortID == args.PortID }) {
		return nil
	}
	start := h.clock.Now()
	const name = "compute_attach_interface"
	v, err := h.plugPort(ctx, s, args)
	if err == nil {
		return h.setVIFs(ctx, s, append(slices.Clone(s.VIFs), *v), h.event(ctx, s, name, start, nil))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.log.WarnContext(ctx, "an interface cannot be attached", "server", s.ID, "port", args.PortID, "error", err)
	if back := h.patiently(ctx, "a port", func() error { return h.releasePort(ctx, args.PortID, !args.Preserve) }); back != nil {
		h.log.WarnContext(ctx, "a port stays", "port", args.PortID, "error", back)
	}
	return h.setVIFs(ctx, s, s.VIFs, h.event(ctx, s, name, start, err))
}

// plugPort binds a port to this host, waits for it and gives it to the guest.
func (h *host) plugPort(ctx context.Context, s *compute.Server, args compute.InterfaceArgs) (*compute.VIF, error) {
	plugged, forget := h.plugs.watch(s.ID)
	defer forget()
	var port *network.Port
	err := h.patiently(ctx, "a port", func() (err error) {
		port, err = h.bindPort(ctx, s, args.PortID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bind port %s: %w", args.PortID, err)
	}
	v, err := h.describePort(ctx, port)
	if err != nil {
		return nil, err
	}
	if err := h.awaitPlugged(ctx, s, []network.Port{*port}, plugged); err != nil {
		return nil, err
	}
	v.Preserve, v.Tag, v.Active = args.Preserve, args.Tag, true
	one := []compute.VIF{*v}
	if err := h.addFloating(ctx, one); err != nil {
		return nil, err
	}
	if err := h.driver.AttachInterface(ctx, s.ID, interfaceOf(v)); err != nil {
		return nil, fmt.Errorf("attach port %s: %w", args.PortID, err)
	}
	return &one[0], nil
}

// detachInterface takes a port from a server.
func (h *host) detachInterface(ctx context.Context, s *compute.Server, args compute.InterfaceArgs) error {
	i := slices.IndexFunc(s.VIFs, func(v compute.VIF) bool { return v.PortID == args.PortID })
	if i < 0 {
		return nil
	}
	start := h.clock.Now()
	err := h.driver.DetachInterface(ctx, s.ID, interfaceOf(&s.VIFs[i]))
	if err != nil && !errors.Is(err, driver.ErrNoGuest) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.log.WarnContext(ctx, "an interface cannot be detached", "server", s.ID, "port", args.PortID, "error", err)
		return h.setVIFs(ctx, s, s.VIFs, h.event(ctx, s, "compute_detach_interface", start, err))
	}
	err = h.patiently(ctx, "a port", func() error { return h.releasePort(ctx, args.PortID, s.OwnsPort(args.PortID)) })
	if err != nil {
		h.log.WarnContext(ctx, "a detached port stays", "port", args.PortID, "error", err)
	}
	return h.setVIFs(ctx, s, slices.Delete(slices.Clone(s.VIFs), i, i+1), h.event(ctx, s, "compute_detach_interface", start, err))
}

// networkTTL is how long a network's description is used.
const networkTTL = 10 * time.Second

// networkCache remembers networks for the ports of many servers.
type networkCache struct {
	client Network

	mu   sync.Mutex // guards seen
	seen map[string]knownNetwork
}

// knownNetwork is what a server's row says of a network.
type knownNetwork struct {
	name    string
	mtu     int
	subnets []compute.Subnet
	at      time.Time
}

func newNetworkCache(c Network) *networkCache {
	return &networkCache{client: c, seen: map[string]knownNetwork{}}
}

func (c *networkCache) get(ctx context.Context, id string) (knownNetwork, error) {
	c.mu.Lock()
	n, ok := c.seen[id]
	c.mu.Unlock()
	if ok && time.Since(n.at) < networkTTL {
		return n, nil
	}
	networks, err := c.client.ListNetworks(ctx, url.Values{"id": {id}})
	if err != nil {
		return n, err
	}
	if len(networks) == 0 {
		return n, final(fmt.Errorf("Network %s could not be found.", id))
	}
	subnets, err := c.client.ListSubnets(ctx, url.Values{"network_id": {id}})
	if err != nil {
		return n, err
	}
	n = knownNetwork{name: networks[0].Name, mtu: networks[0].MTU, at: time.Now()}
	for _, s := range subnets {
		n.subnets = append(n.subnets, compute.Subnet{ID: s.ID, CIDR: s.CIDR, Gateway: s.GatewayIP, DNS: s.DNSNameservers, DHCP: s.EnableDHCP})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, seen := range c.seen {
		if time.Since(seen.at) >= networkTTL {
			delete(c.seen, other)
		}
	}
	c.seen[id] = n
	return n, nil
}

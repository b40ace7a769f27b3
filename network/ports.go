package network

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"nubo/internal/auth"
)

// The device owners that this component itself writes.
const (
	OwnerDHCP       = "network:dhcp"
	OwnerInterface  = "network:router_interface"
	OwnerGateway    = "network:router_gateway"
	OwnerFloatingIP = "network:floatingip"
)

// Kinds of binding, Neutron's names. A bound port is a tap device that the
// network agent makes.
const (
	VIFUnbound = "unbound"
	VIFFailed  = "binding_failed"
	VIFTap     = "tap"
)

// Port is an attachment point of a network.
type Port struct {
	Base
	Name                string
	NetworkID           string
	MACAddress          string
	AdminStateUp        bool
	Status              string
	DeviceID            string
	DeviceOwner         string
	HostID              string
	VNICType            string
	VIFType             string
	Profile             map[string]any
	PortSecurityEnabled bool
	AllowedAddressPairs []AddressPair
	DNSName             string
	FixedIPs            []FixedIP `bun:"-"`
	SecurityGroups      []string  `bun:"-"`
}

// FixedIP is an address of a port.
type FixedIP struct {
	SubnetID  string `json:"subnet_id"`
	IPAddress string `json:"ip_address"`
}

// AddressPair is a further source address that a port may use.
type AddressPair struct {
	MACAddress string `json:"mac_address"`
	IPAddress  string `json:"ip_address"`
}

// PortCreate is what a new port is asked to be. Nil fields take defaults.
type PortCreate struct {
	Port
	FixedIPs            *[]FixedIP
	SecurityGroups      *[]string
	PortSecurityEnabled *bool
}

// PortUpdate is what changes of a port.
type PortUpdate struct {
	Name, Description, DeviceID, DeviceOwner *string
	MACAddress, HostID, VNICType, DNSName    *string
	AdminStateUp, PortSecurityEnabled        *bool
	FixedIPs                                 *[]FixedIP
	SecurityGroups                           *[]string
	AllowedAddressPairs                      *[]AddressPair
	Profile                                  *map[string]any
}

// isService reports whether the port is this component's own.
func (p *Port) isService() bool { return strings.HasPrefix(p.DeviceOwner, "network:") }

// isCompute reports whether compute wants to hear of the port.
func (p *Port) isCompute() bool {
	return strings.HasPrefix(p.DeviceOwner, "compute:") && p.DeviceID != ""
}

// Port gives a port the caller may see: an own one, or one on an own network.
func (s *Service) Port(ctx context.Context, id string) (*Port, error) {
	p, err := s.store.Ports().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if owns(ctx, p.ProjectID) {
		return p, nil
	}
	if owner, err := s.NetworkProject(ctx, p.NetworkID); err != nil || !owns(ctx, owner) {
		return nil, PortNotFound(id)
	}
	return p, nil
}

// Ports lists the ports the caller may see.
func (s *Service) Ports(ctx context.Context, q Query) ([]*Port, error) {
	return s.store.Ports().List(ctx, q)
}

// CreatePorts makes ports, all or none.
func (s *Service) CreatePorts(ctx context.Context, in []PortCreate) ([]*Port, error) {
	var out []*Port
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		out = nil
		for _, one := range in {
			p, err := s.createPort(ctx, c, one)
			if err != nil {
				return err
			}
			out = append(out, p)
		}
		return nil
	})
	return out, err
}

func (s *Service) createPort(ctx context.Context, c *change, in PortCreate) (*Port, error) {
	p := in.Port
	n, err := s.network(ctx, p.NetworkID, s.store.Networks().Row)
	if err != nil {
		return nil, err
	}
	s.begin(ctx, &p)
	if err := s.charge(ctx, p.ProjectID, "port"); err != nil {
		return nil, err
	}
	p.PortSecurityEnabled = n.PortSecurityEnabled
	set(&p.PortSecurityEnabled, in.PortSecurityEnabled)
	if err := s.chooseGroups(ctx, c, &p, in.SecurityGroups); err != nil {
		return nil, err
	}
	return &p, s.insertPort(ctx, c, &p, in.FixedIPs)
}

// insertPort gives a filled-in port its MAC, addresses and binding, and
// stores it.
func (s *Service) insertPort(ctx context.Context, c *change, p *Port, fixed *[]FixedIP) error {
	if p.ID == "" {
		project := p.ProjectID
		s.begin(ctx, p)
		p.ProjectID = project // gateways and floating IPs have none, on purpose
	}
	if err := s.chooseMAC(ctx, p); err != nil {
		return err
	}
	if p.VNICType == "" {
		p.VNICType = "normal"
	}
	p.Status = StatusDown
	if p.DeviceOwner == OwnerFloatingIP {
		p.Status = "N/A"
	}
	if err := checkPairs(p); err != nil {
		return err
	}
	if err := s.bind(ctx, p); err != nil {
		return err
	}
	if err := s.chooseAddresses(ctx, p, fixed); err != nil {
		return err
	}
	if err := s.store.AddPort(ctx, p); err != nil {
		return err
	}
	c.dirty.port(p)
	c.note("port.create.end", "port", portPayload(p))
	return nil
}

// chooseMAC checks the MAC asked for, or draws one.
func (s *Service) chooseMAC(ctx context.Context, p *Port) error {
	if p.MACAddress == "" {
		p.MACAddress = newMAC() // a collision is ErrTaken, and tried again
		return nil
	}
	hw, err := net.ParseMAC(p.MACAddress)
	if err != nil || len(hw) != 6 {
		return invalidInput("'%s' is not a valid MAC address", p.MACAddress)
	}
	p.MACAddress = hw.String()
	others, err := s.store.Ports().List(ctx, Where("network_id", p.NetworkID).And("mac_address", p.MACAddress))
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.ID != p.ID {
			return conflict("MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", p.NetworkID, p.MACAddress)
		}
	}
	return nil
}

// chooseGroups gives a new port the groups asked for, or its project's
// default group.
func (s *Service) chooseGroups(ctx context.Context, c *change, p *Port, asked *[]string) error {
	if p.isService() || !p.PortSecurityEnabled {
		if asked != nil && len(*asked) > 0 {
			return conflict("PortSecurityAndIPRequiredForSecurityGroups", "Port security must be enabled and port must have an IP address in order to use security groups.")
		}
		return nil
	}
	if asked == nil {
		id, err := s.ensureDefaultGroup(ctx, c, p.ProjectID)
		p.SecurityGroups = []string{id}
		return err
	}
	groups, err := s.checkGroups(ctx, *asked, p.ProjectID)
	p.SecurityGroups = groups
	return err
}

// checkGroups checks that the groups are the caller's or the port's project's.
func (s *Service) checkGroups(ctx context.Context, ids []string, project string) ([]string, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, id := range ids {
		g, err := s.store.SecurityGroups().Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if g.ProjectID != project && !owns(ctx, g.ProjectID) {
			return nil, SecurityGroupNotFound(id)
		}
	}
	return ids, nil
}

// checkPairs fills in and checks allowed address pairs.
func checkPairs(p *Port) error {
	if len(p.AllowedAddressPairs) > 0 && !p.PortSecurityEnabled {
		return conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have allowed address pairs on a port.")
	}
	for i := range p.AllowedAddressPairs {
		pair := &p.AllowedAddressPairs[i]
		if pair.MACAddress == "" {
			pair.MACAddress = p.MACAddress
		}
		if _, err := netip.ParsePrefix(pair.IPAddress); err != nil {
			if _, err := netip.ParseAddr(pair.IPAddress); err != nil {
				return invalidInput("Invalid input for allowed_address_pairs. Reason: '%s' is not a valid IP address", pair.IPAddress)
			}
		}
		if slices.Contains(p.AllowedAddressPairs[:i], *pair) {
			return invalidInput("Request contains duplicate address pair: mac_address %s ip_address %s", pair.MACAddress, pair.IPAddress)
		}
	}
	return nil
}

// bind decides what becomes of the port on its host: nothing can be plugged
// where no agent is alive.
func (s *Service) bind(ctx context.Context, p *Port) error {
	if p.HostID == "" {
		p.VIFType = VIFUnbound
		return nil
	}
	alive, err := s.agentAlive(ctx, p.HostID, BinaryL2)
	if err != nil {
		return err
	}
	p.VIFType = VIFTap
	if !alive && !p.isService() {
		p.VIFType = VIFFailed
	}
	return nil
}

// UpdatePort changes a port.
func (s *Service) UpdatePort(ctx context.Context, id string, u PortUpdate) (*Port, error) {
	var out *Port
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		p, err := s.Port(ctx, id)
		if err != nil {
			return err
		}
		old := *p
		old.FixedIPs, old.SecurityGroups = slices.Clone(p.FixedIPs), slices.Clone(p.SecurityGroups)
		if err := s.patchPort(ctx, p, u); err != nil {
			return err
		}
		s.touch(p)
		if err := s.store.Ports().Update(ctx, p); err != nil {
			return err
		}
		c.dirty.port(&old)
		c.dirty.port(p)
		c.note("port.update.end", "port", portPayload(p))
		if !slices.Equal(old.FixedIPs, p.FixedIPs) && p.isCompute() {
			c.event("network-changed", p)
		}
		out = p
		return nil
	})
	return out, err
}

func (s *Service) patchPort(ctx context.Context, p *Port, u PortUpdate) error {
	host := p.HostID
	set(&p.Name, u.Name)
	set(&p.Description, u.Description)
	set(&p.DeviceID, u.DeviceID)
	set(&p.DeviceOwner, u.DeviceOwner)
	set(&p.HostID, u.HostID)
	set(&p.VNICType, u.VNICType)
	set(&p.DNSName, u.DNSName)
	set(&p.AdminStateUp, u.AdminStateUp)
	set(&p.PortSecurityEnabled, u.PortSecurityEnabled)
	set(&p.AllowedAddressPairs, u.AllowedAddressPairs)
	set(&p.Profile, u.Profile)
	if u.MACAddress != nil && *u.MACAddress != p.MACAddress {
		if p.HostID != "" {
			return conflict("PortBound", "Unable to complete operation on port %s, port is already bound, port type: %s, old_mac %s, new_mac %s.", p.ID, p.VIFType, p.MACAddress, *u.MACAddress)
		}
		p.MACAddress = *u.MACAddress
		if err := s.chooseMAC(ctx, p); err != nil {
			return err
		}
	}
	if err := checkPairs(p); err != nil {
		return err
	}
	if err := s.patchGroups(ctx, p, u); err != nil {
		return err
	}
	if host != p.HostID || p.VIFType == VIFFailed {
		p.Status = StatusDown
		if err := s.bind(ctx, p); err != nil {
			return err
		}
	}
	if !p.AdminStateUp {
		p.Status = StatusDown
	}
	if u.FixedIPs == nil {
		return nil
	}
	return s.moveAddresses(ctx, p, *u.FixedIPs)
}

func (s *Service) patchGroups(ctx context.Context, p *Port, u PortUpdate) error {
	if u.SecurityGroups == nil {
		if !p.PortSecurityEnabled && len(p.SecurityGroups) > 0 {
			return conflict("PortSecurityPortHasSecurityGroup", "Port has security group associated. Cannot disable port security or IP address until security group is removed.")
		}
		return nil
	}
	if !p.PortSecurityEnabled && len(*u.SecurityGroups) > 0 {
		return conflict("PortSecurityAndIPRequiredForSecurityGroups", "Port security must be enabled and port must have an IP address in order to use security groups.")
	}
	groups, err := s.checkGroups(ctx, *u.SecurityGroups, p.ProjectID)
	if err != nil {
		return err
	}
	p.SecurityGroups = groups
	return s.store.SetPortGroups(ctx, p.ID, groups)
}

// moveAddresses gives a port other addresses; those it had and is asked to
// have it keeps.
func (s *Service) moveAddresses(ctx context.Context, p *Port, asked []FixedIP) error {
	floating, err := s.store.FloatingIPs().List(ctx, Where("port_id", p.ID))
	if err != nil {
		return err
	}
	had := slices.Clone(p.FixedIPs)
	for i, a := range asked {
		for _, h := range had {
			if a.IPAddress == "" && a.SubnetID == h.SubnetID && !slices.Contains(asked, h) {
				asked[i] = h // an address of that subnet is what is asked: it has one
			}
		}
	}
	// Freed first, so that its own addresses do not count as taken.
	if err := s.store.SetAddresses(ctx, p.ID, nil); err != nil {
		return err
	}
	p.FixedIPs = nil
	if err := s.chooseAddresses(ctx, p, &asked); err != nil {
		return err
	}
	for _, f := range floating {
		if !slices.ContainsFunc(p.FixedIPs, func(x FixedIP) bool { return x.IPAddress == f.FixedIPAddress }) {
			return conflict("FixedIPInUseByFloatingIP", "Cannot remove fixed IP %s from port %s: floating IP %s is associated with it.", f.FixedIPAddress, p.ID, f.FloatingIPAddress)
		}
	}
	return s.store.SetAddresses(ctx, p.ID, p.FixedIPs)
}

// DeletePort deletes a port that is not a router's, gateway's or floating IP's.
func (s *Service) DeletePort(ctx context.Context, id string) error {
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		p, err := s.Port(ctx, id)
		if err != nil {
			return err
		}
		if slices.Contains([]string{OwnerInterface, OwnerGateway, OwnerFloatingIP}, p.DeviceOwner) {
			return servicePortInUse(p)
		}
		return s.removePort(ctx, c, p)
	})
}

// removePort deletes a port, after its floating IPs were taken from it.
func (s *Service) removePort(ctx context.Context, c *change, p *Port) error {
	if !p.isService() {
		if err := s.disassociatePort(ctx, c, p); err != nil {
			return err
		}
	}
	if p.DeviceOwner == OwnerDHCP {
		if err := s.store.SetDHCPHost(ctx, p.NetworkID, ""); err != nil {
			return err
		}
	}
	if err := s.store.Ports().Delete(ctx, p.ID); err != nil {
		return err
	}
	c.dirty.port(p)
	c.note("port.delete.end", "port", portPayload(p))
	// Compute knows of what it deleted itself.
	if p.isCompute() && !auth.From(ctx).HasRole("service") {
		c.event("network-vif-deleted", p)
	}
	return nil
}

// VIFDetails is what compute is told of a bound port.
func (p *Port) VIFDetails() map[string]any {
	if p.VIFType != VIFTap {
		return map[string]any{}
	}
	return map[string]any{"port_filter": true, "connectivity": "l2"}
}

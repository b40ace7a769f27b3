package network

import (
	"context"
	"math/rand/v2"
	"slices"

	"nubo/internal/fault"
)

// Network types, and the states of networks, ports, routers and floating IPs.
const (
	TypeVXLAN = "vxlan"
	TypeFlat  = "flat"
	TypeLocal = "local"

	StatusActive = "ACTIVE"
	StatusDown   = "DOWN"
	StatusBuild  = "BUILD"
	StatusError  = "ERROR"
)

// vxlanOverhead is what VXLAN over IPv4 takes of a packet.
const vxlanOverhead = 50

// Network is an isolated layer 2 segment.
type Network struct {
	Base
	Name                string
	AdminStateUp        bool
	Status              string
	Shared              bool
	External            bool
	IsDefault           bool
	PortSecurityEnabled bool
	MTU                 int
	NetworkType         string
	PhysicalNetwork     string   // of a flat network
	SegmentationID      int      // of a VXLAN network; else 0
	Subnets             []string `bun:"-"`
}

// NetworkUpdate is what changes of a network.
type NetworkUpdate struct {
	Name, Description   *string
	AdminStateUp        *bool
	Shared, External    *bool
	IsDefault           *bool
	PortSecurityEnabled *bool
	MTU                 *int
}

// Network gives a network the caller may see: an own one, or one that is
// shared or external.
func (s *Service) Network(ctx context.Context, id string) (*Network, error) {
	return s.network(ctx, id, s.store.Networks().Get)
}

func (s *Service) network(ctx context.Context, id string, get func(context.Context, string) (*Network, error)) (*Network, error) {
	n, err := get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !n.Shared && !n.External && !owns(ctx, n.ProjectID) {
		return nil, NetworkNotFound(id)
	}
	return n, nil
}

// Networks lists the networks the caller may see.
func (s *Service) Networks(ctx context.Context, q Query) ([]*Network, error) {
	return s.store.Networks().List(ctx, q)
}

// CreateNetworks makes networks, all or none. What is empty of type, segment
// and MTU is chosen.
func (s *Service) CreateNetworks(ctx context.Context, in []*Network) ([]*Network, error) {
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		for _, n := range in {
			s.begin(ctx, n)
			if err := s.charge(ctx, n.ProjectID, "network"); err != nil {
				return err
			}
			chosen := *n
			if err := s.segment(ctx, &chosen); err != nil {
				return err
			}
			chosen.Status = StatusActive
			if err := s.store.Networks().Create(ctx, &chosen); err != nil {
				return err
			}
			if _, err := s.ensureDefaultGroup(ctx, c, n.ProjectID); err != nil {
				return err
			}
			c.note("network.create.end", "network", networkPayload(&chosen))
			*n = chosen
		}
		return nil
	})
	return in, err
}

// segment chooses what the network runs on.
func (s *Service) segment(ctx context.Context, n *Network) error {
	if n.NetworkType == "" {
		n.NetworkType = TypeVXLAN
		if n.PhysicalNetwork != "" || n.SegmentationID != 0 {
			return invalidInput("provider:network_type required")
		}
	}
	limit := s.cfg.ML2.PathMTU
	switch n.NetworkType {
	case TypeFlat:
		if n.PhysicalNetwork == "" {
			return invalidInput("physical_network required for flat provider network")
		}
		if n.SegmentationID != 0 {
			return invalidInput("segmentation_id prohibited for flat provider network")
		}
		if !slices.Contains(s.cfg.ML2.FlatNetworks, n.PhysicalNetwork) {
			return invalidInput("physical_network '%s' unknown for flat provider network", n.PhysicalNetwork)
		}
		used, err := s.store.Networks().List(ctx, Where("provider:physical_network", n.PhysicalNetwork).And("provider:network_type", TypeFlat))
		if err != nil {
			return err
		}
		if len(used) > 0 {
			return conflict("FlatNetworkInUse", "Unable to create the flat network. Physical network %s is in use.", n.PhysicalNetwork)
		}
	case TypeLocal:
		if n.PhysicalNetwork != "" || n.SegmentationID != 0 {
			return invalidInput("physical_network and segmentation_id prohibited for local provider network")
		}
	case TypeVXLAN:
		if n.PhysicalNetwork != "" {
			return invalidInput("provider:physical_network specified for vxlan network")
		}
		if err := s.chooseVNI(ctx, n); err != nil {
			return err
		}
		limit -= vxlanOverhead
	default:
		return invalidInput("Unknown network type %s", n.NetworkType)
	}
	return setMTU(n, limit)
}

// setMTU takes the limit where none was asked for.
func setMTU(n *Network, limit int) error {
	switch {
	case n.MTU == 0:
		n.MTU = limit
	case n.MTU > limit:
		return invalidInput("Requested MTU is too big, maximum is %d", limit)
	case n.MTU < 68:
		return invalidInput("Requested MTU is too small, minimum is 68")
	}
	return nil
}

// chooseVNI takes a free identifier: a few at random, so that creators do not
// meet, then the first there is.
func (s *Service) chooseVNI(ctx context.Context, n *Network) error {
	if n.SegmentationID != 0 {
		if n.SegmentationID < 1 || n.SegmentationID > 1<<24-1 {
			return invalidInput("segmentation_id out of range (1 through 16777215)")
		}
		taken, err := s.store.SegmentsTaken(ctx, []int{n.SegmentationID})
		if err == nil && len(taken) > 0 {
			err = conflict("TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", n.SegmentationID)
		}
		return err
	}
	var candidates []int
	for range 8 {
		candidates = append(candidates, s.vniLow+rand.IntN(s.vniHigh-s.vniLow+1))
	}
	taken, err := s.store.SegmentsTaken(ctx, candidates)
	if err != nil {
		return err
	}
	for _, vni := range candidates {
		if !slices.Contains(taken, vni) {
			n.SegmentationID = vni
			return nil
		}
	}
	if n.SegmentationID, err = s.store.FreeSegment(ctx, s.vniLow, s.vniHigh); err != nil {
		return err
	}
	if n.SegmentationID == 0 {
		return fault.Unavailablef("Unable to create the network. No tenant network is available for allocation.").WithType("NoNetworkAvailable")
	}
	return nil
}

// UpdateNetwork changes a network.
func (s *Service) UpdateNetwork(ctx context.Context, id string, u NetworkUpdate) (*Network, error) {
	var out *Network
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		n, err := s.Network(ctx, id)
		if err != nil {
			return err
		}
		if err := s.checkExposure(ctx, n, u); err != nil {
			return err
		}
		was := sightOf(n)
		set(&n.Name, u.Name)
		set(&n.Description, u.Description)
		set(&n.AdminStateUp, u.AdminStateUp)
		set(&n.Shared, u.Shared)
		set(&n.External, u.External)
		set(&n.IsDefault, u.IsDefault)
		set(&n.PortSecurityEnabled, u.PortSecurityEnabled)
		if u.MTU != nil {
			n.MTU = *u.MTU
			limit := s.cfg.ML2.PathMTU
			if n.NetworkType == TypeVXLAN {
				limit -= vxlanOverhead
			}
			if err := setMTU(n, limit); err != nil {
				return err
			}
		}
		s.touch(n)
		if err := s.store.Networks().Update(ctx, n); err != nil {
			return err
		}
		c.dirty.network(id)
		c.note("network.update.end", "network", networkPayload(n))
		if was != sightOf(n) {
			c.original(was)
		}
		out = n
		return nil
	})
	return out, err
}

// checkExposure refuses to withdraw a network that others use.
func (s *Service) checkExposure(ctx context.Context, n *Network, u NetworkUpdate) error {
	if u.External != nil && !*u.External && n.External {
		gateways, err := s.store.Ports().List(ctx, Where("network_id", n.ID).And("device_owner", OwnerGateway, OwnerFloatingIP))
		if err != nil {
			return err
		}
		if len(gateways) > 0 {
			return conflict("ExternalNetworkInUse", "External network %s cannot be updated to be made non-external, since it has existing gateway ports.", n.ID)
		}
	}
	if u.Shared == nil || *u.Shared || !n.Shared {
		return nil
	}
	ports, err := s.store.Ports().List(ctx, Where("network_id", n.ID))
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.ProjectID != n.ProjectID && p.ProjectID != "" {
			return conflict("InvalidSharedSetting", "Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.Name)
		}
	}
	return nil
}

// DeleteNetwork deletes a network with its subnets and its DHCP port; any
// other port keeps it.
func (s *Service) DeleteNetwork(ctx context.Context, id string) error {
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		n, err := s.Network(ctx, id)
		if err != nil {
			return err
		}
		ports, err := s.store.Ports().List(ctx, Where("network_id", id))
		if err != nil {
			return err
		}
		for _, p := range ports {
			if p.DeviceOwner != OwnerDHCP {
				return networkInUse(id)
			}
		}
		for _, p := range ports {
			if err := s.removePort(ctx, c, p); err != nil {
				return err
			}
		}
		subnets, err := s.store.Subnets().List(ctx, Where("network_id", id))
		if err != nil {
			return err
		}
		for _, sub := range subnets {
			if err := s.store.Subnets().Delete(ctx, sub.ID); err != nil {
				return err
			}
			c.note("subnet.delete.end", "subnet", subnetPayload(sub))
		}
		if err := s.store.Networks().Delete(ctx, id); err != nil {
			return err
		}
		c.note("network.delete.end", "network", networkPayload(n))
		return nil
	})
}

// NetworkProject gives the project that owns a network, for rules about what
// is in it.
func (s *Service) NetworkProject(ctx context.Context, id string) (string, error) {
	n, err := s.store.Networks().Row(ctx, id)
	if err != nil {
		return "", err
	}
	return n.ProjectID, nil
}

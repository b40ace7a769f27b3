package network

import (
	"context"
	"encoding/json"
	"time"

	"nubo/internal/db"
	"nubo/internal/rpc"
	"nubo/internal/trace"
	"nubo/sdk/compute"
	sdk "nubo/sdk/network"
	"nubo/sdk/rest"
)

// Event is what compute is told; its tag is the port's id.
type Event = compute.Event

// note is a notification.
type note struct {
	event   string
	payload map[string]any
}

// note adds a notification; the payload holds the resource under its name.
func (c *change) note(event, resource string, payload any) {
	c.notes = append(c.notes, note{event, map[string]any{resource: payload}})
}

// original adds to the newest notification what its resource was before:
// Neutron's messages tell only what it is.
func (c *change) original(was any) {
	c.notes[len(c.notes)-1].payload["original"] = was
}

// event adds an event for compute.
func (c *change) event(name string, p *Port) {
	c.events = append(c.events, Event{Name: name, ServerUUID: p.DeviceID, Tag: p.ID, Status: "completed"})
}

// messages encodes a change for the outbox.
func (s *Service) messages(ctx context.Context, c *change) ([]db.Message, error) {
	var out []db.Message
	if !c.dirty.empty() {
		c.dirty.Ref = refer(ctx)
		body, err := json.Marshal(&c.dirty)
		if err != nil {
			return nil, err
		}
		out = append(out, db.Message{Kind: kindDirty, Body: body})
	}
	if !s.cfg.ML2.Notify {
		return out, nil
	}
	for _, n := range c.notes {
		env, err := rpc.EncodeNotification(ctx, rpc.Notification{Exchange: Exchange, PublisherID: "network." + Exchange, EventType: n.event, Payload: n.payload})
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(env)
		if err != nil {
			return nil, err
		}
		out = append(out, db.Message{Kind: kindNotify, Body: body})
	}
	return out, nil
}

// refer records that agents will be told of a change, and refers to that.
func refer(ctx context.Context) *trace.Ref {
	ctx, span := trace.Begin(ctx, trace.Cast, MethodChanged)
	span.Routed(Exchange, TopicAgent, "")
	span.End(nil)
	return trace.RefOf(ctx)
}

// The bounds of telling compute: how many events at once, and how long to
// wait when it does not answer.
const (
	eventBatch   = 500
	eventPoll    = time.Second
	eventBackoff = 2 * time.Second
)

func (s *Service) wakeEvents() {
	select {
	case s.eventWake <- struct{}{}:
	default: // it is awake already
	}
}

// relayEvents tells compute, in order and until it has answered. It is apart
// from the outbox so that agents need not wait for compute.
func (s *Service) relayEvents(ctx context.Context) error {
	for {
		events, told, err := s.store.Events(ctx, eventBatch)
		if err == nil && len(events) > 0 {
			_, err = s.nova.ExternalEvents(ctx, events)
			if rest.IsNotFound(err) {
				err = nil // none of the servers exists any more
			}
			if err == nil {
				if err = s.store.RemoveEvents(ctx, told); err == nil {
					continue
				}
			}
		}
		wait := eventPoll // finds what another process committed
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "telling compute failed", "events", len(events), "error", err)
			wait = eventBackoff
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		case <-s.eventsSoon(err):
			timer.Stop()
		}
	}
}

// eventsSoon wakes the relay for a commit, unless compute has just failed.
func (s *Service) eventsSoon(err error) <-chan struct{} {
	if err != nil {
		return nil
	}
	return s.eventWake
}

// The payloads of notifications are the API's own types.

func networkPayload(n *Network) sdk.Network {
	return sdk.Network{
		ID: n.ID, Name: n.Name, ProjectID: n.ProjectID, Status: n.Status, AdminStateUp: n.AdminStateUp, Shared: n.Shared,
		External: n.External, MTU: n.MTU, PortSecurityEnabled: n.PortSecurityEnabled, Subnets: n.Subnets, Description: n.Description,
		NetworkType: n.NetworkType, PhysicalNetwork: n.PhysicalNetwork, SegmentationID: n.SegmentationID, RevisionNumber: n.RevisionNumber, Tags: n.Tags,
	}
}

// sight is what decides whether others than its project see a network.
type sight struct {
	Shared   bool `json:"shared"`
	External bool `json:"router:external"`
}

func sightOf(n *Network) sight { return sight{n.Shared, n.External} }

// subnetNote is a subnet in a notification. Who sees its network because that
// is shared sees the subnet, too.
type subnetNote struct {
	sdk.Subnet
	Shared bool `json:"shared"`
}

func subnetPayload(s *Subnet) subnetNote {
	out := subnetNote{Shared: s.Shared, Subnet: sdk.Subnet{
		ID: s.ID, Name: s.Name, ProjectID: s.ProjectID, NetworkID: s.NetworkID, IPVersion: s.Version, CIDR: s.CIDR, GatewayIP: s.GatewayIP,
		EnableDHCP: s.EnableDHCP, DNSNameservers: s.DNSNameservers, IPv6AddressMode: s.AddressMode, IPv6RAMode: s.RAMode,
		Description: s.Description, RevisionNumber: s.RevisionNumber,
	}}
	for _, p := range s.AllocationPools {
		out.AllocationPools = append(out.AllocationPools, sdk.AllocationPool(p))
	}
	for _, r := range s.HostRoutes {
		out.HostRoutes = append(out.HostRoutes, sdk.Route(r))
	}
	return out
}

func portPayload(p *Port) sdk.Port {
	out := sdk.Port{
		ID: p.ID, Name: p.Name, ProjectID: p.ProjectID, NetworkID: p.NetworkID, MACAddress: p.MACAddress, Status: p.Status,
		AdminStateUp: p.AdminStateUp, DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner, SecurityGroups: p.SecurityGroups,
		PortSecurityEnabled: p.PortSecurityEnabled, HostID: p.HostID, VNICType: p.VNICType, VIFType: p.VIFType, DNSName: p.DNSName,
		Description: p.Description, RevisionNumber: p.RevisionNumber, Tags: p.Tags,
	}
	for _, f := range p.FixedIPs {
		out.FixedIPs = append(out.FixedIPs, sdk.FixedIP(f))
	}
	return out
}

// routerNote is a router in a notification.
type routerNote struct {
	ID                string `json:"id"`
	Name              string `json:"name"`
	ProjectID         string `json:"project_id"`
	Status            string `json:"status"`
	AdminStateUp      bool   `json:"admin_state_up"`
	ExternalNetworkID string `json:"external_network_id"`
}

func routerPayload(r *Router) routerNote {
	return routerNote{r.ID, r.Name, r.ProjectID, r.Status, r.AdminStateUp, r.ExternalNetworkID}
}

func interfacePayload(i *Interface) map[string]any {
	return map[string]any{"id": i.Router.ID, "project_id": i.Router.ProjectID, "port_id": i.Port.ID, "network_id": i.Port.NetworkID, "subnet_ids": i.Subnets}
}

func floatingIPPayload(f *FloatingIP) sdk.FloatingIP {
	return sdk.FloatingIP{
		ID: f.ID, ProjectID: f.ProjectID, FloatingNetworkID: f.FloatingNetworkID, FloatingIPAddress: f.FloatingIPAddress,
		FixedIPAddress: f.FixedIPAddress, PortID: f.PortID, RouterID: f.RouterID, Status: f.Status, Description: f.Description, RevisionNumber: f.RevisionNumber,
	}
}

func groupPayload(g *SecurityGroup) sdk.SecurityGroup {
	out := sdk.SecurityGroup{ID: g.ID, Name: g.Name, Description: g.Description, ProjectID: g.ProjectID, Stateful: g.Stateful, RevisionNumber: g.RevisionNumber}
	for _, r := range g.Rules {
		out.Rules = append(out.Rules, rulePayload(r))
	}
	return out
}

func rulePayload(r *SecurityGroupRule) sdk.SecurityGroupRule {
	out := sdk.SecurityGroupRule{ID: r.ID, SecurityGroupID: r.SecurityGroupID, ProjectID: r.ProjectID, Direction: r.Direction, EtherType: r.EtherType, Description: r.Description}
	if r.Protocol != "" {
		out.Protocol = &r.Protocol
	}
	if r.HasMin {
		out.PortRangeMin = &r.PortRangeMin
	}
	if r.HasMax {
		out.PortRangeMax = &r.PortRangeMax
	}
	if r.RemoteIPPrefix != "" {
		out.RemoteIPPrefix = &r.RemoteIPPrefix
	}
	if r.RemoteGroupID != "" {
		out.RemoteGroupID = &r.RemoteGroupID
	}
	return out
}

package agent_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/sdk/image"
	"nubo/sdk/network"
	"nubo/sdk/placement"
	"nubo/sdk/rest"
	"nubo/sdk/volume"
)

// world is the other services: what they keep, and little of what they do.
type world struct {
	// plugged is told of each port that an agent binds; it stands for the
	// network's agent.
	plugged func(p network.Port)

	mu          sync.Mutex // guards all below
	down        map[string]bool
	inventories map[string]map[string]placement.Inventory
	allocations map[string]placement.Consumer
	generations map[string]int64
	ports       map[string]*network.Port
	floating    []network.FloatingIP
	volumes     map[string]*volume.Volume
	attachments map[string]*volume.Attachment
	next        int
}

func newWorld() *world {
	return &world{
		down: map[string]bool{}, inventories: map[string]map[string]placement.Inventory{}, allocations: map[string]placement.Consumer{},
		generations: map[string]int64{}, ports: map[string]*network.Port{}, volumes: map[string]*volume.Volume{}, attachments: map[string]*volume.Attachment{},
	}
}

func status(code int, message string) error { return &rest.Error{Status: code, Message: message} }

// enter locks the world, unless the service is down.
func (w *world) enter(service string) error {
	w.mu.Lock()
	if w.down[service] {
		w.mu.Unlock()
		return status(http.StatusServiceUnavailable, service+" is down")
	}
	return nil
}

// setDown says whether a service answers.
func (w *world) setDown(service string, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[service] = down
}

// left counts what there is: allocations, ports, attachments, volumes.
func (w *world) left() [4]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return [4]int{len(w.allocations), len(w.ports), len(w.attachments), len(w.volumes)}
}

// placementFake is the placement service.
type placementFake struct{ *world }

func (w placementFake) EnsureProvider(_ context.Context, p placement.Provider) (*placement.Provider, error) {
	if err := w.enter("placement"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	if w.inventories[p.UUID] == nil {
		w.inventories[p.UUID] = map[string]placement.Inventory{}
	}
	return &p, nil
}

func (w placementFake) PutInventories(_ context.Context, id string, want map[string]placement.Inventory) error {
	if err := w.enter("placement"); err != nil {
		return err
	}
	defer w.mu.Unlock()
	w.inventories[id] = want
	return nil
}

func (w placementFake) used(provider, class, but string) int {
	n := 0
	for consumer, c := range w.allocations {
		if consumer != but {
			n += c.Allocations[provider][class]
		}
	}
	return n
}

func capacity(i placement.Inventory) int {
	return int(float64(i.Total-i.Reserved) * i.AllocationRatio)
}

func (w placementFake) fits(provider, but string, want placement.Resources) bool {
	for class, n := range want {
		if w.used(provider, class, but)+n > capacity(w.inventories[provider][class]) {
			return false
		}
	}
	return true
}

func (w placementFake) Candidates(_ context.Context, want placement.Resources, _ int, _ url.Values) (*placement.Candidates, error) {
	if err := w.enter("placement"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	out := &placement.Candidates{Summaries: map[string]placement.Summary{}}
	for id := range w.inventories {
		if !w.fits(id, "", want) {
			continue
		}
		out.Candidates = append(out.Candidates, placement.Candidate{Allocations: placement.Allocation{id: want}})
		usage := map[string]placement.Usage{}
		for class := range want {
			usage[class] = placement.Usage{Capacity: capacity(w.inventories[id][class]), Used: w.used(id, class, "")}
		}
		out.Summaries[id] = placement.Summary{Resources: usage}
	}
	return out, nil
}

func (w placementFake) Allocations(_ context.Context, consumer string) (*placement.Consumer, error) {
	if err := w.enter("placement"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	c := w.allocations[consumer]
	return &c, nil
}

func (w placementFake) PutAllocations(_ context.Context, consumer string, a placement.Allocation, project, user string, generation *int64) error {
	if err := w.enter("placement"); err != nil {
		return err
	}
	defer w.mu.Unlock()
	has, ok := w.allocations[consumer]
	if ok != (generation != nil) || ok && *generation != *has.Generation {
		return &rest.Error{Status: http.StatusConflict, Type: "placement.concurrent_update", Message: "consumer generation conflict"}
	}
	for provider, want := range a {
		if !w.fits(provider, consumer, want) {
			return status(http.StatusConflict, "not enough left")
		}
	}
	w.generations[consumer]++
	g := w.generations[consumer]
	w.allocations[consumer] = placement.Consumer{Allocations: a, Generation: &g, ProjectID: project, UserID: user, Type: placement.Instance}
	return nil
}

func (w placementFake) DeleteAllocations(_ context.Context, consumer string) error {
	if err := w.enter("placement"); err != nil {
		return err
	}
	defer w.mu.Unlock()
	delete(w.allocations, consumer)
	return nil
}

func (w placementFake) ProviderAllocations(_ context.Context, provider string) (map[string]placement.Resources, error) {
	if err := w.enter("placement"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	out := map[string]placement.Resources{}
	for consumer, c := range w.allocations {
		if r, ok := c.Allocations[provider]; ok {
			out[consumer] = r
		}
	}
	return out, nil
}

// networkFake is the network service with one network.
type networkFake struct{ *world }

var private = network.Network{ID: "net", Name: "private", ProjectID: project, MTU: 1450, Subnets: []string{"subnet"}}

func (w networkFake) ListNetworks(context.Context, url.Values) ([]network.Network, error) {
	if err := w.enter("network"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	return []network.Network{private}, nil
}

func (w networkFake) ListSubnets(context.Context, url.Values) ([]network.Subnet, error) {
	return []network.Subnet{{ID: "subnet", NetworkID: "net", CIDR: "10.0.0.0/16", GatewayIP: "10.0.0.1", EnableDHCP: true}}, nil
}

func (w networkFake) ListFloatingIPs(_ context.Context, q url.Values) ([]network.FloatingIP, error) {
	if err := w.enter("network"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var out []network.FloatingIP
	for _, f := range w.floating {
		if slices.Contains(q["port_id"], f.PortID) {
			out = append(out, f)
		}
	}
	return out, nil
}

func (w networkFake) ListPorts(_ context.Context, q url.Values) ([]network.Port, error) {
	if err := w.enter("network"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var out []network.Port
	for _, id := range slices.Sorted(maps.Keys(w.ports)) {
		if device := q.Get("device_id"); device == "" || device == w.ports[id].DeviceID {
			out = append(out, *w.ports[id])
		}
	}
	return out, nil
}

func (w networkFake) ShowPort(_ context.Context, id string) (*network.Port, error) {
	if err := w.enter("network"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	if p := w.ports[id]; p != nil {
		port := *p
		return &port, nil
	}
	return nil, status(http.StatusNotFound, "no port")
}

func (w networkFake) CreatePort(_ context.Context, in network.PortCreate) (*network.Port, error) {
	if err := w.enter("network"); err != nil {
		return nil, err
	}
	w.next++
	p := &network.Port{
		ID: clock.NewID(), NetworkID: in.NetworkID, ProjectID: in.ProjectID, DeviceID: in.DeviceID, DeviceOwner: in.DeviceOwner, HostID: in.HostID,
		MACAddress: fmt.Sprintf("fa:16:3e:00:%02x:%02x", w.next/256%256, w.next%256), Status: network.PortDown, VIFType: "tap",
		FixedIPs: []network.FixedIP{{SubnetID: "subnet", IPAddress: fmt.Sprintf("10.0.%d.%d", w.next/256%256, w.next%256)}},
	}
	w.ports[p.ID] = p
	out := *p
	w.mu.Unlock()
	if out.HostID != "" {
		w.plugged(out)
	}
	return &out, nil
}

func (w networkFake) UpdatePort(_ context.Context, id string, in network.PortUpdate) (*network.Port, error) {
	if err := w.enter("network"); err != nil {
		return nil, err
	}
	p := w.ports[id]
	if p == nil {
		w.mu.Unlock()
		return nil, status(http.StatusNotFound, "no port")
	}
	bound := in.HostID != nil && *in.HostID != "" && *in.HostID != p.HostID
	for _, f := range []struct{ to, from *string }{{&p.DeviceID, in.DeviceID}, {&p.DeviceOwner, in.DeviceOwner}, {&p.HostID, in.HostID}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if in.HostID != nil {
		p.Status = network.PortDown
	}
	out := *p
	w.mu.Unlock()
	if bound {
		w.plugged(out)
	}
	return &out, nil
}

func (w networkFake) DeletePort(_ context.Context, id string) error {
	if err := w.enter("network"); err != nil {
		return err
	}
	defer w.mu.Unlock()
	if w.ports[id] == nil {
		return status(http.StatusNotFound, "no port")
	}
	delete(w.ports, id)
	return nil
}

// activate makes a port active.
func (w *world) activate(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.ports[id]; p != nil {
		p.Status = network.PortActive
	}
}

// volumeFake is the volume service.
type volumeFake struct{ *world }

func (w volumeFake) ShowVolume(_ context.Context, id string) (*volume.Volume, error) {
	if err := w.enter("volume"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	if v := w.volumes[id]; v != nil {
		out := *v
		return &out, nil
	}
	return nil, status(http.StatusNotFound, "no volume")
}

func (w volumeFake) ListVolumes(context.Context, url.Values) ([]volume.Volume, error) {
	if err := w.enter("volume"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var out []volume.Volume
	for _, v := range w.volumes {
		out = append(out, *v)
	}
	return out, nil
}

func (w volumeFake) CreateVolume(_ context.Context, in volume.Create) (*volume.Volume, error) {
	if err := w.enter("volume"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	v := &volume.Volume{ID: clock.NewID(), Name: in.Name, Size: in.Size, Status: "available", Bootable: "true", Metadata: in.Metadata, ProjectID: in.ProjectID}
	w.volumes[v.ID] = v
	out := *v
	return &out, nil
}

func (w volumeFake) DeleteVolume(_ context.Context, id string) error {
	if err := w.enter("volume"); err != nil {
		return err
	}
	defer w.mu.Unlock()
	for _, a := range w.attachments {
		if a.VolumeID == id {
			return status(http.StatusBadRequest, "Invalid volume: it is attached")
		}
	}
	delete(w.volumes, id)
	return nil
}

func (w volumeFake) CreateAttachment(_ context.Context, volumeID, server string, c *volume.Connector) (*volume.Attachment, error) {
	if err := w.enter("volume"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	v := w.volumes[volumeID]
	if v == nil {
		return nil, status(http.StatusNotFound, "no volume")
	}
	if v.Status != "available" {
		return nil, status(http.StatusBadRequest, "Invalid volume: status is "+v.Status)
	}
	a := &volume.Attachment{ID: clock.NewID(), VolumeID: volumeID, ServerID: server, Status: "reserved"}
	v.Status = "reserved"
	if c != nil {
		a.Status, a.ConnectionInfo.Type, v.Status = "attaching", "simulated", "attaching"
	}
	w.attachments[a.ID] = a
	out := *a
	return &out, nil
}

func (w volumeFake) UpdateAttachment(_ context.Context, id string, _ volume.Connector) (*volume.Attachment, error) {
	if err := w.enter("volume"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	a := w.attachments[id]
	if a == nil {
		return nil, status(http.StatusNotFound, "no attachment")
	}
	a.Status, a.ConnectionInfo.Type, w.volumes[a.VolumeID].Status = "attaching", "simulated", "attaching"
	out := *a
	return &out, nil
}

func (w volumeFake) CompleteAttachment(_ context.Context, id string) error {
	if err := w.enter("volume"); err != nil {
		return err
	}
	defer w.mu.Unlock()
	a := w.attachments[id]
	if a == nil || a.Status != "attaching" {
		return status(http.StatusBadRequest, "Invalid attachment")
	}
	a.Status, w.volumes[a.VolumeID].Status = "attached", "in-use"
	return nil
}

func (w volumeFake) ShowAttachment(_ context.Context, id string) (*volume.Attachment, error) {
	if err := w.enter("volume"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	if a := w.attachments[id]; a != nil {
		out := *a
		return &out, nil
	}
	return nil, status(http.StatusNotFound, "no attachment")
}

func (w volumeFake) ListAttachments(context.Context, url.Values) ([]volume.Attachment, error) {
	if err := w.enter("volume"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var out []volume.Attachment
	for _, a := range w.attachments {
		out = append(out, *a)
	}
	return out, nil
}

func (w volumeFake) DeleteAttachment(_ context.Context, id string) error {
	if err := w.enter("volume"); err != nil {
		return err
	}
	defer w.mu.Unlock()
	if a := w.attachments[id]; a != nil {
		w.volumes[a.VolumeID].Status = "available"
		delete(w.attachments, id)
	}
	return nil
}

// imageFake is the image service with one image.
type imageFake struct{}

func (imageFake) Show(_ context.Context, id string) (*image.Image, error) {
	if id != "image" {
		return nil, status(http.StatusNotFound, "no image")
	}
	return &image.Image{ID: id, Status: "active", DiskFormat: "qcow2", Size: 1 << 20, Checksum: "sum"}, nil
}

func (imageFake) Download(context.Context, string) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader("bytes")), 5, nil
}

// asUser is the other services as the API sees them.
type asUser struct{ *world }

func (w asUser) Networks(ctx context.Context, q url.Values) ([]network.Network, error) {
	return networkFake(w).ListNetworks(ctx, q)
}
func (w asUser) Port(ctx context.Context, id string) (*network.Port, error) {
	return networkFake(w).ShowPort(ctx, id)
}
func (w asUser) Ports(ctx context.Context, q url.Values) ([]network.Port, error) {
	return networkFake(w).ListPorts(ctx, q)
}
func (w asUser) CreatePort(ctx context.Context, in network.PortCreate) (*network.Port, error) {
	return networkFake(w).CreatePort(ctx, in)
}
func (w asUser) UpdatePort(ctx context.Context, id string, in network.PortUpdate) (*network.Port, error) {
	return networkFake(w).UpdatePort(ctx, id, in)
}
func (w asUser) DeletePort(ctx context.Context, id string) error {
	return networkFake(w).DeletePort(ctx, id)
}
func (w asUser) SecurityGroups(context.Context, url.Values) ([]network.SecurityGroup, error) {
	return nil, nil
}
func (w asUser) Image(_ context.Context, id string) (*compute.Image, error) {
	if id != "image" {
		return nil, status(http.StatusNotFound, "no image")
	}
	return &compute.Image{ID: id, Status: "active", Size: 1 << 20}, nil
}
func (w asUser) Volume(ctx context.Context, id string) (*compute.Volume, error) {
	v, err := volumeFake(w).ShowVolume(ctx, id)
	if err != nil {
		return nil, err
	}
	return &compute.Volume{ID: v.ID, Status: v.Status, SizeGB: v.Size, Bootable: true}, nil
}
func (w asUser) Reserve(ctx context.Context, volumeID, server string) (string, error) {
	a, err := volumeFake(w).CreateAttachment(ctx, volumeID, server, nil)
	if err != nil {
		return "", err
	}
	return a.ID, nil
}
func (w asUser) Release(ctx context.Context, id string) error {
	return volumeFake(w).DeleteAttachment(ctx, id)
}

package agent_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nubo/compute"
	"nubo/compute/driver"
	"nubo/internal/testx"
	"nubo/sdk/network"
	"nubo/sdk/volume"
)

func (c *cloud) power(id string) driver.PowerState {
	c.t.Helper()
	for _, d := range c.sims {
		if g, err := d.Get(c.ctx, id); err == nil {
			return g.State
		}
	}
	return driver.NoState
}

func TestPower(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	testx.NoErr(t, c.svc.Stop(c.ctx, c.await(id, compute.Active)))
	testx.Equal(t, c.await(id, compute.Stopped).PowerState, compute.Shutdown)
	testx.Equal(t, c.power(id), driver.Shutdown)
	testx.NoErr(t, c.svc.Start(c.ctx, c.server(id)))
	testx.Equal(t, c.await(id, compute.Active).PowerState, compute.Running)
	for _, hard := range []bool{false, true} {
		testx.NoErr(t, c.svc.Reboot(c.ctx, c.server(id), hard))
		c.await(id, compute.Active)
	}
	text, err := c.svc.ConsoleOutput(c.ctx, c.server(id), 0)
	testx.NoErr(t, err)
	if !strings.Contains(text, "boot 4") {
		t.Fatalf("console: %s", text)
	}
	actions, err := c.svc.Actions(c.ctx, id, compute.ActionQuery{})
	testx.NoErr(t, err)
	var names []string
	for _, a := range actions {
		names = append(names, a.Action+a.Message)
	}
	testx.Equal(t, names, []string{"reboot", "reboot", "start", "stop", "create"})
}

func (c *cloud) newVolume() *volume.Volume {
	c.t.Helper()
	v, err := volumeFake{c.world}.CreateVolume(c.ctx, volume.Create{Size: 1})
	testx.NoErr(c.t, err)
	return v
}

func (c *cloud) volumeStatus(id string) string {
	v, err := volumeFake{c.world}.ShowVolume(c.ctx, id)
	if err != nil {
		return "gone"
	}
	return v.Status
}

func TestVolumes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	s := c.await(id, compute.Active)
	v := c.newVolume()
	b, err := c.svc.AttachVolume(c.ctx, s, compute.BlockDevice{VolumeID: v.ID})
	testx.NoErr(t, err)
	testx.Equal(t, b.DeviceName, "/dev/vdb")
	testx.Eventually(t, "the volume is in use", func() bool { return c.volumeStatus(v.ID) == "in-use" })
	testx.Eventually(t, "the server has it", func() bool { return c.server(id).BlockDevices[0].Attached })
	testx.NoErr(t, c.svc.DetachVolume(c.ctx, c.server(id), v.ID))
	testx.Eventually(t, "the volume is free", func() bool { return c.volumeStatus(v.ID) == "available" && len(c.server(id).BlockDevices) == 0 })

	_, err = c.svc.AttachVolume(c.ctx, c.server(id), compute.BlockDevice{VolumeID: v.ID, DeleteOnTermination: true})
	testx.NoErr(t, err)
	testx.Eventually(t, "the volume is in use again", func() bool { return c.volumeStatus(v.ID) == "in-use" })
	testx.NoErr(t, c.svc.Delete(c.ctx, c.server(id)))
	c.awaitGone(id)
	c.nothingLeft()
}

func TestBootFromVolume(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	other := c.newVolume()
	id := c.create(func(r *compute.CreateRequest) {
		r.ImageID = ""
		r.BlockDevices = []compute.BlockDevice{
			{SourceType: compute.SourceImage, DestinationType: compute.DestinationVolume, ImageID: "image", VolumeSize: 1, DeleteOnTermination: true},
			{SourceType: compute.SourceVolume, DestinationType: compute.DestinationVolume, VolumeID: other.ID, BootIndex: -1},
		}
	}).ID
	s := c.await(id, compute.Active)
	testx.Equal(t, c.world.left(), [4]int{1, 1, 2, 2})
	for _, b := range s.BlockDevices {
		testx.Equal(t, c.volumeStatus(b.VolumeID), "in-use")
		testx.Equal(t, b.Attached, true)
	}
	testx.NoErr(t, c.svc.Delete(c.ctx, s))
	c.awaitGone(id)
	testx.Equal(t, c.world.left(), [4]int{0, 0, 0, 1})
	testx.Equal(t, c.volumeStatus(other.ID), "available")
}

func TestInterfaces(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	s := c.await(id, compute.Active)
	made, err := c.svc.AttachInterface(c.ctx, s, compute.RequestedNetwork{NetworkID: "net"})
	testx.NoErr(t, err)
	c.world.mu.Lock()
	c.world.ports["mine"] = &network.Port{ID: "mine", NetworkID: "net", FixedIPs: []network.FixedIP{{IPAddress: "10.0.0.9"}}}
	c.world.mu.Unlock()
	_, err = c.svc.AttachInterface(c.ctx, c.server(id), compute.RequestedNetwork{PortID: "mine"})
	testx.NoErr(t, err)
	testx.Eventually(t, "three interfaces", func() bool { return len(c.server(id).VIFs) == 3 })
	testx.NoErr(t, c.svc.DetachInterface(c.ctx, c.server(id), made.ID))
	testx.Eventually(t, "two interfaces", func() bool { return len(c.server(id).VIFs) == 2 })
	testx.Equal(t, c.world.left()[1], 2)

	// The port is deleted under the server.
	own := slices.IndexFunc(c.server(id).VIFs, func(v compute.VIF) bool { return v.PortID != "mine" })
	gone := c.server(id).VIFs[own].PortID
	testx.NoErr(t, networkFake{c.world}.DeletePort(c.ctx, gone))
	_, err = c.svc.ExternalEvents(c.ctx, []compute.ExternalEvent{{Name: "network-vif-deleted", ServerID: id, Tag: gone}})
	testx.NoErr(t, err)
	testx.Eventually(t, "one interface", func() bool { return len(c.server(id).VIFs) == 1 })

	testx.NoErr(t, c.svc.Delete(c.ctx, c.server(id)))
	c.awaitGone(id)
	port, err := networkFake{c.world}.ShowPort(c.ctx, "mine") // the user's own port is his again
	testx.NoErr(t, err)
	testx.Equal(t, []string{port.DeviceID, port.HostID}, []string{"", ""})
}

func TestFloatingIPIsShown(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	v := c.await(id, compute.Active).VIFs[0]
	c.world.mu.Lock()
	c.world.floating = []network.FloatingIP{{PortID: v.PortID, FixedIPAddress: v.FixedIPs[0].IP, FloatingIPAddress: "192.0.2.7"}}
	c.world.mu.Unlock()
	_, err := c.svc.ExternalEvents(c.ctx, []compute.ExternalEvent{{Name: "network-changed", ServerID: id, Tag: v.PortID}})
	testx.NoErr(t, err)
	testx.Eventually(t, "the address is shown", func() bool {
		return slices.Equal(c.server(id).VIFs[0].FixedIPs[0].Floating, []string{"192.0.2.7"})
	})
}

// TestCastsComeTwice sends each cast again, as a broker may.
func TestCastsComeTwice(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	s := c.await(id, compute.Active)
	agents := compute.NewAgentClient(c.bus)
	again := func(method string, args any) {
		t.Helper()
		cast, err := agents.Cast(c.ctx, "sim0", method, args)
		testx.NoErr(t, err)
		_, err = c.bus.Publish(c.ctx, asList(cast))
		testx.NoErr(t, err)
	}
	building := *s
	building.State, building.TaskState = compute.Building, compute.Scheduling
	again(compute.MethodBuildAndRun, compute.BuildArgs{Server: &building, Attempt: 1})
	again(compute.MethodTerminate, compute.ServerArgs{Server: s}) // nobody asked for it
	again(compute.MethodStop, compute.ServerArgs{Server: s})
	again(compute.MethodDetachVolume, compute.VolumeArgs{Server: s, Device: compute.BlockDevice{ID: "none"}})
	testx.NoErr(t, c.svc.Reboot(c.ctx, s, false)) // comes after them
	c.await(id, compute.Active)
	testx.Equal(t, c.power(id), driver.Running)
	testx.Equal(t, c.world.left(), [4]int{1, 1, 0, 0})
	testx.NoErr(t, c.svc.Delete(c.ctx, c.server(id)))
	c.awaitGone(id)
	again(compute.MethodBuildAndRun, compute.BuildArgs{Server: &building, Attempt: 1})
	again(compute.MethodTerminate, compute.ServerArgs{Server: s})
	other := c.create().ID
	c.await(other, compute.Active)
	testx.Equal(t, c.world.left(), [4]int{1, 1, 0, 0})
}

func asList[T any](one T) []T { return []T{one} }

func TestManyAreSpread(t *testing.T) {
	t.Parallel()
	c := newCloud(t, hosts("a", "b", "c", "d"))
	_, err := c.svc.Create(c.ctx, compute.CreateRequest{
		Name: "web", ImageID: "image", FlavorID: "1", Min: 8, Max: 8, Networks: []compute.RequestedNetwork{{NetworkID: "net"}},
	})
	testx.NoErr(t, err)
	var servers []*compute.Server
	testx.Eventually(t, "all run", func() bool {
		servers, err = c.store.Servers(c.ctx, compute.ServerQuery{States: []compute.VMState{compute.Active}})
		testx.NoErr(t, err)
		return len(servers) == 8
	})
	on := map[string]int{}
	for _, s := range servers {
		on[s.Host]++
	}
	testx.Equal(t, fmt.Sprint(on), "map[a:2 b:2 c:2 d:2]")
}

func TestZone(t *testing.T) {
	t.Parallel()
	c := newCloud(t, hosts("a", "b"))
	agg, err := c.svc.CreateAggregate(c.ctx, "fast", "east")
	testx.NoErr(t, err)
	_, err = c.svc.AddHost(c.ctx, agg.ID, "b")
	testx.NoErr(t, err)
	for range 3 {
		s := c.await(c.create(func(r *compute.CreateRequest) { r.Zone = "east" }).ID, compute.Active)
		testx.Equal(t, []string{s.Host, s.AZ}, []string{"b", "east"})
	}
	services, err := c.svc.Services(c.ctx, "b", compute.BinaryCompute)
	testx.NoErr(t, err)
	_, err = c.svc.UpdateService(c.ctx, services[0].ID, compute.ServiceChange{Disabled: compute.Ptr(true), Reason: compute.Ptr("new disks")})
	testx.NoErr(t, err)
	var s *compute.Server
	testx.Eventually(t, "the scheduler knows", func() bool {
		id := c.create(func(r *compute.CreateRequest) { r.Zone = "east" }).ID
		testx.Eventually(t, "a server is placed or not", func() bool { s = c.server(id); return s.State != compute.Building })
		return s.State == compute.Errored
	})
	testx.Equal(t, s.Fault.Message, "No valid host was found. There are not enough hosts available. "+
		"(AvailabilityZoneFilter refused 1: in another availability zone; ComputeFilter refused 1: the compute service is disabled or down)")
	testx.Equal(t, s.Fault.Details, "No valid host was found. There are not enough hosts available. "+
		"(AvailabilityZoneFilter refused 1: a is in availability zone nova, not east; ComputeFilter refused 1: b service is disabled, reason: new disks)")
}

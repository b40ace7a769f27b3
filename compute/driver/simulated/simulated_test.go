package simulated

import (
	"os"
	"path/filepath"
	"testing"

	"nubo/compute/driver"
	"nubo/internal/testx"
)

func newHost(t *testing.T, file string) *Driver {
	t.Helper()
	d := New(Config{Hostname: "sim0", File: file, VCPUs: 8, MemoryMB: 4096, DiskGB: 100})
	testx.NoErr(t, d.Setup(t.Context()))
	return d
}

var server = driver.Server{
	ID: "s1", InstanceName: "instance-00000001", Name: "web", VCPUs: 1, MemoryMB: 256, RootGB: 2, Image: &driver.Image{ID: "i"},
	Interfaces: []driver.Interface{{PortID: "p1"}},
}

func TestLife(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := newHost(t, filepath.Join(t.TempDir(), "guests"))
	nothing := func(string) {}
	state := func(want driver.PowerState) {
		t.Helper()
		g, err := d.Get(ctx, "s1")
		testx.NoErr(t, err)
		testx.Equal(t, g, driver.Guest{ID: "s1", Name: "instance-00000001", State: want})
	}
	testx.ErrIs(t, d.Stop(ctx, "s1"), driver.ErrNoGuest)
	if err := d.Spawn(ctx, driver.Server{ID: "s2"}, nothing); err == nil {
		t.Fatal("a server without a system disk was spawned")
	}
	for range 2 { // each call can come twice
		testx.NoErr(t, d.Spawn(ctx, server, nothing))
		state(driver.Running)
	}
	h, err := d.Hypervisor(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, []int{h.UsedMemoryMB, h.FreeDiskGB}, []int{256, 98})
	for range 2 {
		testx.NoErr(t, d.AttachVolume(ctx, "s1", driver.Disk{VolumeID: "v1", Device: "vdb"}))
	}
	if err := d.AttachVolume(ctx, "s1", driver.Disk{VolumeID: "v2", Device: "vdb"}); err == nil {
		t.Fatal("two disks have one name")
	}
	for range 2 {
		testx.NoErr(t, d.DetachVolume(ctx, "s1", driver.Disk{VolumeID: "v1", Device: "vdb"}))
	}
	for range 2 {
		testx.NoErr(t, d.Stop(ctx, "s1"))
		state(driver.Shutdown)
	}
	if err := d.Reboot(ctx, server, false); err == nil {
		t.Fatal("a stopped guest rebooted itself")
	}
	testx.NoErr(t, d.Start(ctx, server))
	log, err := d.ConsoleLog(ctx, "s1", 1)
	testx.NoErr(t, err)
	testx.Equal(t, string(log), "web login: \n")
	events, err := d.Events(ctx)
	testx.NoErr(t, err)
	testx.NoErr(t, d.PowerOff("s1"))
	testx.Equal(t, <-events, driver.Event{ID: "s1", State: driver.Shutdown})
	for range 2 {
		testx.NoErr(t, d.Destroy(ctx, "s1"))
	}
	_, err = d.Get(ctx, "s1")
	testx.ErrIs(t, err, driver.ErrNoGuest)
}

// TestGuestsOutliveTheProcess opens the file again as it is after a kill.
func TestGuestsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "guests")
	d := newHost(t, file)
	testx.NoErr(t, d.Spawn(ctx, server, func(string) {}))
	other := server
	other.ID = "s2"
	testx.NoErr(t, d.Spawn(ctx, other, func(string) {}))
	testx.NoErr(t, d.Destroy(ctx, "s2"))
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	testx.NoErr(t, err)
	_, err = f.WriteString(`{"id":"s3","gue`) // the kill came in the middle of a line
	testx.NoErr(t, err)
	testx.NoErr(t, f.Close())
	again := newHost(t, file)
	list, err := again.List(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, list, []driver.Guest{{ID: "s1", Name: "instance-00000001", State: driver.Running}})
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "guests")
	testx.NoErr(t, os.WriteFile(file, []byte("{\n{\"id\":\"s1\"}\n"), 0o600))
	if err := New(Config{File: file}).Setup(t.Context()); err == nil {
		t.Fatal("a damaged file was passed over")
	}
}

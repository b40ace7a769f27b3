package manager_test

import (
	"strings"
	"testing"

	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/volume"
)

func TestVolumesAreMade(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	blank := c.create(volume.NewVolume{Name: "blank", SizeGB: 2})
	testx.Equal(t, blank.Status, volume.StatusCreating)
	got := c.await(blank.ID, volume.StatusAvailable)
	testx.Equal(t, got.Host, host+"#simulated")
	testx.Equal(t, got.Bootable, false)

	fromImage := c.await(c.create(volume.NewVolume{SizeGB: 3, ImageID: imageID}).ID, volume.StatusAvailable)
	testx.Equal(t, fromImage.Bootable, true)
	testx.Equal(t, fromImage.ImageMetadata["os_distro"], "debian")
	testx.Equal(t, fromImage.ImageMetadata["disk_format"], "raw") // the image's own, not the property's

	copied := c.await(c.create(volume.NewVolume{SourceID: fromImage.ID}).ID, volume.StatusAvailable)
	testx.Equal(t, copied.SizeGB, 3)
	testx.Equal(t, copied.Bootable, true)
	testx.Equal(t, copied.Host, fromImage.Host)
	testx.Equal(t, len(c.kept()), 3)
}

func TestFailureHasAReason(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	lost := c.await(c.create(volume.NewVolume{SizeGB: 1, ImageID: lostID}).ID, volume.StatusError)
	testx.Equal(t, lost.Problem, "create volume: The storage back end could not do it. The log of cinder-volume has the reason.")

	huge := c.create(volume.NewVolume{SizeGB: 50}) // of 100, twice, and one more
	c.await(huge.ID, volume.StatusAvailable)
	testx.NoErr(t, c.svc.SwitchService(as("admin"), volume.BinaryVolume, host, true, "maintenance"))
	refused := c.await(c.create(volume.NewVolume{SizeGB: 1}).ID, volume.StatusError)
	if !strings.Contains(refused.Problem, "No valid backend was found") || !strings.Contains(refused.Problem, "maintenance") {
		t.Errorf("problem is %q", refused.Problem)
	}
	// What was never made is deleted without a manager.
	testx.NoErr(t, c.svc.Delete(as("member"), refused.ID, false))
	c.await(refused.ID, "")
}

func TestImageServiceComesBack(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.await(c.create(volume.NewVolume{SizeGB: 1, ImageID: lateID}).ID, volume.StatusAvailable)
	testx.Equal(t, c.images.tries.Load(), int32(3))
}

func TestDelete(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v := c.create(volume.NewVolume{SizeGB: 1})
	c.await(v.ID, volume.StatusAvailable)
	testx.NoErr(t, c.svc.Delete(as("member"), v.ID, false))
	c.await(v.ID, "")
	testx.Equal(t, len(c.kept()), 0)
}

func TestExtend(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v := c.create(volume.NewVolume{SizeGB: 1})
	c.await(v.ID, volume.StatusAvailable)
	testx.NoErr(t, c.svc.Extend(as("member"), v.ID, 5))
	testx.Equal(t, <-c.driver.extends, 5)
	got := c.await(v.ID, volume.StatusAvailable)
	testx.Equal(t, got.SizeGB, 5)
	testx.Equal(t, got.ExtendTo, 0)
	err := c.svc.Extend(as("member"), v.ID, 5)
	testx.Equal(t, fault.KindOf(err), fault.Invalid)
	err = c.svc.Extend(as("member"), v.ID, 51)
	testx.Equal(t, fault.KindOf(err), fault.OverQuota)
}

// attach makes an attachment of a volume that a server has.
func (c *cloud) attach(volumeID string) *volume.Attachment {
	c.t.Helper()
	a, err := c.svc.Reserve(as("member"), volumeID, serverID, "rw")
	testx.NoErr(c.t, err)
	testx.Equal(c.t, c.volume(volumeID).Status, volume.StatusReserved)
	a, err = c.svc.Connect(as("member"), a.ID, volume.Connector{Host: "host1", MountPoint: "/dev/vdb"})
	testx.NoErr(c.t, err)
	testx.Equal(c.t, a.Connection["driver_volume_type"], any("simulated"))
	testx.Equal(c.t, c.volume(volumeID).Status, volume.StatusAttaching)
	testx.NoErr(c.t, c.svc.Complete(as("member"), a.ID))
	testx.NoErr(c.t, c.svc.Complete(as("member"), a.ID)) // twice does no harm
	testx.Equal(c.t, c.volume(volumeID).Status, volume.StatusInUse)
	return a
}

func TestAttachCycle(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v := c.create(volume.NewVolume{SizeGB: 1})
	c.await(v.ID, volume.StatusAvailable)
	for range 2 {
		a := c.attach(v.ID)
		// A second server may not have it, and nobody may delete it, by force neither.
		_, err := c.svc.Reserve(as("member"), v.ID, "other", "rw")
		testx.Equal(t, err.Error(), "Invalid volume: Volume "+v.ID+" status must be available or downloading to reserve, but the current status is in-use.")
		for _, force := range []bool{false, true} {
			err = c.svc.Delete(as("admin"), v.ID, force)
			testx.Equal(t, fault.KindOf(err), fault.Invalid)
		}
		// The driver itself would refuse: the export is real.
		if err := c.driver.Delete(t.Context(), v.ID); err == nil {
			t.Fatal("an attached volume is not exported")
		}
		testx.NoErr(t, c.svc.Detach(as("member"), a.ID))
		testx.Equal(t, c.volume(v.ID).Status, volume.StatusAvailable)
		testx.Equal(t, fault.KindOf(c.svc.Detach(as("member"), a.ID)), fault.NotFound)
	}
	testx.NoErr(t, c.svc.Delete(as("member"), v.ID, false))
	c.await(v.ID, "")
}

// A reservation that never got a host is given back without the manager.
func TestReleaseReservation(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v := c.create(volume.NewVolume{SizeGB: 1})
	c.await(v.ID, volume.StatusAvailable)
	a, err := c.svc.Reserve(as("member"), v.ID, serverID, "rw")
	testx.NoErr(t, err)
	c.stop()
	testx.NoErr(t, c.svc.Detach(as("member"), a.ID))
	testx.Equal(t, c.volume(v.ID).Status, volume.StatusAvailable)
}

// A detach that a kill cut short before the export was taken back is finished
// by the next, and meanwhile nobody connects the volume.
func TestDetachCutShort(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v := c.create(volume.NewVolume{SizeGB: 1})
	c.await(v.ID, volume.StatusAvailable)
	a := c.attach(v.ID)
	c.stop()
	if err := c.svc.Detach(as("member"), a.ID); err == nil {
		t.Fatal("detached without a manager")
	}
	testx.Equal(t, c.volume(v.ID).Status, volume.StatusDetaching)
	c.start()
	_, err := c.svc.Connect(as("member"), a.ID, volume.Connector{Host: "host2"})
	testx.Equal(t, fault.KindOf(err), fault.Conflict)
	testx.Equal(t, fault.KindOf(c.svc.Complete(as("member"), a.ID)), fault.Conflict)
	testx.NoErr(t, c.svc.Detach(as("member"), a.ID))
	testx.Equal(t, c.volume(v.ID).Status, volume.StatusAvailable)
	testx.NoErr(t, c.driver.Delete(t.Context(), v.ID)) // the export is gone
}

func TestKilledWorkIsResumed(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]volume.NewVolume{"blank": {SizeGB: 1}, "from image": {SizeGB: 1, ImageID: imageID}} {
		t.Run("create "+name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.driver.set(true)
			v := c.create(in)
			testx.Equal(t, <-c.driver.entered, v.ID)
			c.restart()
			c.await(v.ID, volume.StatusAvailable)
			testx.Equal(t, c.kept(), []string{v.ID})
		})
	}
	t.Run("extend", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t)
		v := c.create(volume.NewVolume{SizeGB: 1})
		c.await(v.ID, volume.StatusAvailable)
		c.driver.set(true)
		testx.NoErr(t, c.svc.Extend(as("member"), v.ID, 4))
		<-c.driver.entered
		c.restart()
		testx.Equal(t, c.await(v.ID, volume.StatusAvailable).SizeGB, 4)
	})
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t)
		v := c.create(volume.NewVolume{SizeGB: 1})
		c.await(v.ID, volume.StatusAvailable)
		c.driver.set(true)
		testx.NoErr(t, c.svc.Delete(as("member"), v.ID, false))
		<-c.driver.entered
		c.restart()
		c.await(v.ID, "")
		testx.Equal(t, len(c.kept()), 0)
	})
	t.Run("before it was scheduled", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t)
		c.stop()
		v := c.create(volume.NewVolume{SizeGB: 1}) // waits in the outbox
		c.start()
		c.await(v.ID, volume.StatusAvailable)
	})
}

func TestCastsThatComeTwiceDoNoHarm(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v := c.create(volume.NewVolume{SizeGB: 1})
	c.await(v.ID, volume.StatusAvailable)
	testx.Equal(t, <-c.driver.made, v.ID)
	a := c.attach(v.ID)
	// None of these is due. The manager takes casts side by side, so a volume
	// that is made after them shows no more than that they were taken; the
	// calls of the detach wait for the volume's lock behind them.
	for _, method := range []string{volume.MethodCreate, volume.MethodDelete, volume.MethodExtend} {
		c.cast(method, v.ID)
		c.cast(method, "00000000-0000-4000-8000-000000000000") // of no volume
	}
	other := c.create(volume.NewVolume{SizeGB: 1})
	c.await(other.ID, volume.StatusAvailable)
	testx.Equal(t, <-c.driver.made, other.ID)
	testx.NoErr(t, c.svc.Detach(as("member"), a.ID))
	testx.Equal(t, c.volume(v.ID).Status, volume.StatusAvailable)
	testx.Equal(t, len(c.kept()), 2)
	testx.Equal(t, len(c.driver.extends), 0)
	testx.Equal(t, len(c.driver.made), 0)
}

func TestOrphansAreRemoved(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	v := c.create(volume.NewVolume{SizeGB: 1})
	c.await(v.ID, volume.StatusAvailable)
	ctx := t.Context()
	testx.NoErr(t, c.driver.Driver.Create(ctx, "orphan", 1))
	testx.NoErr(t, c.driver.Driver.Create(ctx, "exported", 1))
	_, err := c.driver.Export(ctx, "exported", "host1", false)
	testx.NoErr(t, err)
	c.restart()
	testx.Equal(t, c.kept(), []string{v.ID})
}

func TestServices(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	services, err := c.svc.Services(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, len(services), 2)
	for _, s := range services {
		testx.Equal(t, s.Up(c.svc.Now()), true)
	}
	zones, err := c.svc.Zones(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, zones, []volume.Zone{{Name: "nova", Available: true}})
}

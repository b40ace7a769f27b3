package manager_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/rpc"
	"nubo/internal/testx"
	"nubo/volume"
	"nubo/volume/driver"
	"nubo/volume/driver/simulated"
	"nubo/volume/manager"
	"nubo/volume/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	project  = "11111111111111111111111111111111"
	serverID = "dddddddd-0000-4000-8000-000000000001"
	imageID  = "bbbbbbbb-0000-4000-8000-000000000001"
	lostID   = "bbbbbbbb-0000-4000-8000-000000000002"
	lateID   = "bbbbbbbb-0000-4000-8000-000000000003"
	host     = "host1@simulated"
)

// as is a context of a caller with the roles.
func as(roles ...string) context.Context {
	return auth.With(context.Background(), &auth.Context{UserID: "user", ProjectID: project, Roles: roles})
}

// images hold one image whose bytes come, one whose bytes are lost, and one
// whose bytes come at the third try.
type images struct{ tries *atomic.Int32 }

func (images) Show(_ context.Context, id string) (volume.Image, error) {
	return volume.Image{ID: id, Name: "mini", Status: "active", DiskFormat: "raw", Size: 4, Properties: map[string]string{
		"os_distro": "debian", "disk_format": "qcow2",
	}}, nil
}

func (i images) Download(_ context.Context, id string) (io.ReadCloser, error) {
	if id == lostID {
		return nil, io.ErrUnexpectedEOF
	}
	if id == lateID {
		switch i.tries.Add(1) {
		case 1:
			return nil, fault.Unavailablef("The image service does not answer.")
		case 2:
			return io.NopCloser(io.MultiReader(strings.NewReader("da"), iotest.ErrReader(io.ErrUnexpectedEOF))), nil
		}
	}
	return io.NopCloser(strings.NewReader("data")), nil
}

// gate is a driver whose creates, while it is shut, wait for their end.
type gate struct {
	driver.Driver
	mu      sync.Mutex // guards shut
	shut    bool
	entered chan string // ids of volumes that wait
	made    chan string // ids of volumes that were made
	extends chan int    // sizes that were asked for
}

func newGate(file string) *gate {
	return &gate{Driver: simulated.New(simulated.Config{File: file, CapacityGB: 100}), entered: make(chan string, 99), made: make(chan string, 99), extends: make(chan int, 99)}
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
}

// wait blocks while the gate is shut, until the manager is stopped.
func (g *gate) wait(ctx context.Context, id string) error {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if !shut {
		return nil
	}
	g.entered <- id
	<-ctx.Done()
	return ctx.Err()
}

func (g *gate) Create(ctx context.Context, id string, sizeGB int) error {
	if err := g.wait(ctx, id); err != nil {
		return err
	}
	g.made <- id
	return g.Driver.Create(ctx, id, sizeGB)
}

func (g *gate) CreateFromImage(ctx context.Context, id string, sizeGB int, image io.Reader, format string, progress func(int64)) error {
	if err := g.wait(ctx, id); err != nil {
		return err
	}
	g.made <- id
	return g.Driver.CreateFromImage(ctx, id, sizeGB, image, format, progress)
}

func (g *gate) Extend(ctx context.Context, id string, sizeGB int) error {
	if err := g.wait(ctx, id); err != nil {
		return err
	}
	g.extends <- sizeGB
	return g.Driver.Extend(ctx, id, sizeGB)
}

func (g *gate) Delete(ctx context.Context, id string) error {
	if err := g.wait(ctx, id); err != nil {
		return err
	}
	return g.Driver.Delete(ctx, id)
}

// cloud is the component in one process: broker, API's service, scheduler and
// manager. Stopping and starting it again stands for a kill: the broker's
// queues are lost, the database and the driver's file remain.
type cloud struct {
	t      *testing.T
	store  *store.Store
	driver *gate
	file   string

	svc  *volume.Volumes
	bus  *rpc.Bus
	stop func()

	images images
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, store: store.New(dbtest.Open(t, store.Migrations, db.WithOutbox())), file: filepath.Join(t.TempDir(), "volumes.json"), images: images{new(atomic.Int32)}}
	c.start()
	testx.NoErr(t, c.svc.EnsureDefaultType(auth.Admin(t.Context())))
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *cloud) start() {
	c.t.Helper()
	log := slog.New(slog.DiscardHandler)
	b := broker.New(broker.Config{Log: log})
	c.bus = rpc.Open(rpc.Config{Dial: func(context.Context) (net.Conn, error) { return b.Dial() }, Log: log})
	c.svc = volume.New(volume.Config{AvailabilityZone: "nova", DefaultType: "__DEFAULT__", QuotaVolumes: 10, QuotaGigabytes: 100, PerVolumeGB: 50},
		volume.Deps{Store: c.store, Bus: c.bus, Images: c.images, Clock: clock.System, Log: log})
	c.driver = newGate(c.file)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	run := func(fn func(ctx context.Context, ready func()) error) {
		ready := make(chan struct{})
		running.Go(func() {
			if err := fn(ctx, sync.OnceFunc(func() { close(ready) })); err != nil && ctx.Err() == nil {
				c.t.Errorf("a service ended: %v", err)
				close(ready)
			}
		})
		<-ready
	}
	run(manager.New("host1", manager.Deps{Volumes: c.svc, Store: c.store, Images: c.images, Driver: c.driver, Bus: c.bus, Log: log}).Run)
	run((&manager.Scheduler{Host: "host1", Volumes: c.svc, Store: c.store, Bus: c.bus, Log: log}).Run)
	run(c.svc.Relay)
	c.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		c.bus.Close(context.Background())
		testx.NoErr(c.t, b.Shutdown(context.Background()))
	})
}

// restart is a kill and a new start.
func (c *cloud) restart() {
	c.t.Helper()
	c.stop()
	c.start()
}

func (c *cloud) create(in volume.NewVolume) *volume.Volume {
	c.t.Helper()
	v, err := c.svc.Create(as("member"), in)
	testx.NoErr(c.t, err)
	return v
}

// volume gives a volume as it is now; nil if it is gone.
func (c *cloud) volume(id string) *volume.Volume {
	c.t.Helper()
	v, err := c.store.Volume(auth.Admin(context.Background()), id)
	if err != nil {
		return nil
	}
	return v
}

// await waits for a volume's status; "" is gone.
func (c *cloud) await(id, status string) *volume.Volume {
	c.t.Helper()
	var v *volume.Volume
	testx.Eventually(c.t, "volume "+id+" is "+status, func() bool {
		v = c.volume(id)
		return v == nil && status == "" || v != nil && v.Status == status
	})
	return v
}

// kept are the volumes that the driver has.
func (c *cloud) kept() []string {
	c.t.Helper()
	list, err := c.driver.List(context.Background())
	testx.NoErr(c.t, err)
	return list
}

// cast sends a cast to the manager, beside the outbox.
func (c *cloud) cast(method, id string) {
	c.t.Helper()
	testx.NoErr(c.t, c.bus.Client(volume.ManagerTarget(host)).Cast(as("admin"), method, volume.VolumeArgs{VolumeID: id}))
}

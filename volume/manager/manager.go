// Package manager is cinder-volume: the process that keeps the volumes of one
// back end, and cinder-scheduler beside it.
//
// Every cast is idempotent: it looks at the volume's status and the driver
// finds or finishes what is there. So a cast that comes twice, or after a
// kill, does no harm; what was left half-done is resumed at start.
package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/rpc"
	"nubo/volume"
	"nubo/volume/driver"
)

// beatEvery is how often the manager says that it lives.
const beatEvery = 10 * time.Second

// concurrency is how many casts are worked on at once.
const concurrency = 8

// Deps are what the manager stands on.
type Deps struct {
	Volumes *volume.Volumes
	Store   volume.Store
	Images  volume.Images
	Driver  driver.Driver
	Bus     *rpc.Bus
	Log     *slog.Logger
}

// Manager keeps the volumes of a back end.
type Manager struct {
	Deps
	host string // host@backend

	mu    sync.Mutex // guards locks
	locks map[string]*volumeLock
}

// volumeLock lets one operation on a volume run at a time.
type volumeLock struct {
	sync.Mutex
	users int // under Manager.mu
}

// New makes the manager of the driver's back end on a host.
func New(host string, d Deps) *Manager {
	return &Manager{Deps: d, host: host + "@" + d.Driver.Name(), locks: map[string]*volumeLock{}}
}

// Host is the manager's name among the services.
func (m *Manager) Host() string { return m.host }

// Run implements service.Service.
func (m *Manager) Run(ctx context.Context, ready func()) error {
	ctx = auth.Admin(ctx)
	if err := m.Driver.Setup(ctx); err != nil {
		return fmt.Errorf("prepare the volume store: %w", err)
	}
	err := m.run(ctx, ready)
	return errors.Join(err, m.Driver.Close())
}

func (m *Manager) run(ctx context.Context, ready func()) error {
	if err := m.removeOrphans(ctx); err != nil {
		return err
	}
	if err := m.beat(ctx); err != nil {
		return err
	}
	// When Serve fails, what runs beside it is to end as well.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { every(ctx, func() { m.warn(ctx, "heartbeat", m.beat(ctx)) }) })
	beside.Go(func() {
		m.warn(ctx, "resume volumes", m.sweep(ctx, m.Volumes.Now()))
		every(ctx, func() { m.warn(ctx, "resume volumes", m.sweep(ctx, m.Volumes.Now().Add(-stuckAfter))) })
	})
	err := m.Bus.Serve(ctx, rpc.Server{Target: volume.ManagerTarget(m.host), Concurrency: concurrency, Methods: map[string]rpc.Handler{
		volume.MethodCreate:           rpc.Method(until(ctx, m.create)),
		volume.MethodDelete:           rpc.Method(until(ctx, m.delete)),
		volume.MethodExtend:           rpc.Method(until(ctx, m.extend)),
		volume.MethodAttachmentUpdate: rpc.Method(m.attachmentUpdate),
		volume.MethodAttachmentDelete: rpc.Method(m.attachmentDelete),
	}}, ready)
	cancel()
	beside.Wait()
	return err
}

// until makes a cast's handler end when stop does, instead of after the time
// that rpc gives it: images are large, and what is cut short is resumed.
func until(stop context.Context, fn func(context.Context, volume.VolumeArgs) (nothing, error)) func(context.Context, volume.VolumeArgs) (nothing, error) {
	return func(ctx context.Context, in volume.VolumeArgs) (nothing, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		return fn(ctx, in)
	}
}

// every calls fn once per beat until ctx ends.
func every(ctx context.Context, fn func()) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fn()
		}
	}
}

func (m *Manager) warn(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		m.Log.WarnContext(ctx, "periodic work failed", "work", what, "error", err.Error())
	}
}

func (m *Manager) beat(ctx context.Context) error {
	total, free, err := m.Driver.Capacity(ctx)
	if err != nil {
		return fmt.Errorf("ask the store for its capacity: %w", err)
	}
	return m.Volumes.Beat(ctx, volume.Service{Binary: volume.BinaryVolume, Host: m.host, TotalGB: total, FreeGB: free})
}

// busy reports whether something is at work on a volume.
func (m *Manager) busy(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locks[id] != nil
}

// lock holds a volume until the returned function is called.
func (m *Manager) lock(id string) func() {
	m.mu.Lock()
	l := m.locks[id]
	if l == nil {
		l = &volumeLock{}
		m.locks[id] = l
	}
	l.users++
	m.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		m.mu.Lock()
		defer m.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(m.locks, id)
		}
	}
}

// stuckAfter is how long a volume may wait for its work to begin before the
// manager looks for itself: the cast was lost with a broker that was killed.
const stuckAfter = 30 * time.Second

// sweep does what is unfinished since before: at start what a kill cut short,
// later what no cast came for. What a cast is at work on is left to it.
func (m *Manager) sweep(ctx context.Context, before time.Time) error {
	half, err := m.Store.Unfinished(ctx, m.host, volume.StatusCreating, volume.StatusDownloading, volume.StatusDeleting, volume.StatusExtending)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(concurrency)
	for _, v := range half {
		if v.UpdatedAt.After(before) || m.busy(v.ID) {
			continue
		}
		m.Log.InfoContext(ctx, "resume volume", "volume", v.ID, "status", v.Status)
		work := m.create
		switch v.Status {
		case volume.StatusDeleting:
			work = m.delete
		case volume.StatusExtending:
			work = m.extend
		}
		g.Go(func() error {
			_, err := work(ctx, volume.VolumeArgs{VolumeID: v.ID})
			return err
		})
	}
	return g.Wait()
}

// removeOrphans removes data without a volume. It asks the driver first: a
// volume's row is there before its data.
func (m *Manager) removeOrphans(ctx context.Context) error {
	found, err := m.Driver.List(ctx)
	if err != nil {
		return err
	}
	known, err := m.Store.VolumesOn(ctx, m.host)
	if err != nil {
		return err
	}
	for _, id := range found {
		if slices.ContainsFunc(known, func(v volume.Volume) bool { return v.ID == id }) {
			continue
		}
		m.Log.WarnContext(ctx, "remove data without a volume", "volume", id)
		if err := m.remove(ctx, id); err != nil {
			m.Log.ErrorContext(ctx, "data without a volume not removed", "volume", id, "error", err.Error())
		}
	}
	return nil
}

// remove takes a volume's data out of the store.
func (m *Manager) remove(ctx context.Context, id string) error {
	if err := m.Driver.Unexport(ctx, id); err != nil {
		return err
	}
	return m.Driver.Delete(ctx, id)
}

type nothing struct{}

// work runs one operation on a volume whose status says that it is due, and
// records how it went. An error is returned, and the cast comes again, only
// where nothing could be recorded or the manager is being stopped.
func (m *Manager) work(ctx context.Context, id string, due []string, do func(context.Context, *volume.Volume) error,
	done func(context.Context, string) error,
) (nothing, error) {
	ctx = auth.Admin(ctx)
	defer m.lock(id)()
	v, err := m.Store.Volume(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nothing{}, nil
	}
	if err != nil {
		return nothing{}, rpc.Requeue(err)
	}
	if !slices.Contains(due, v.Status) {
		return nothing{}, nil // done already: the cast came twice, or late
	}
	if err := do(ctx, v); err != nil {
		if ctx.Err() != nil {
			return nothing{}, rpc.Requeue(ctx.Err()) // resumed at the next start
		}
		m.Log.ErrorContext(ctx, "volume operation failed", "volume", id, "status", v.Status, "error", err.Error())
		return nothing{}, requeue(m.Volumes.Failed(ctx, id, err))
	}
	return nothing{}, requeue(done(ctx, id))
}

func requeue(err error) error {
	if err != nil {
		return rpc.Requeue(err)
	}
	return nil
}

// create makes a volume's data.
func (m *Manager) create(ctx context.Context, in volume.VolumeArgs) (nothing, error) {
	return m.work(ctx, in.VolumeID, []string{volume.StatusCreating, volume.StatusDownloading}, m.make, m.Volumes.Created)
}

func (m *Manager) make(ctx context.Context, v *volume.Volume) error {
	switch {
	case v.SourceID != "":
		return m.Driver.CreateFromVolume(ctx, v.ID, v.SizeGB, v.SourceID)
	case v.ImageID == "":
		return m.Driver.Create(ctx, v.ID, v.SizeGB)
	}
	if err := m.Volumes.Downloading(ctx, v.ID); err != nil {
		return err
	}
	return m.fromImage(ctx, v)
}

// delete removes a volume's data, then the volume.
func (m *Manager) delete(ctx context.Context, in volume.VolumeArgs) (nothing, error) {
	return m.work(ctx, in.VolumeID, []string{volume.StatusDeleting}, func(ctx context.Context, v *volume.Volume) error {
		return m.remove(ctx, v.ID)
	}, m.Volumes.Deleted)
}

// extend makes a volume larger.
func (m *Manager) extend(ctx context.Context, in volume.VolumeArgs) (nothing, error) {
	return m.work(ctx, in.VolumeID, []string{volume.StatusExtending}, func(ctx context.Context, v *volume.Volume) error {
		return m.Driver.Extend(ctx, v.ID, v.ExtendTo)
	}, m.Volumes.Extended)
}

// attachmentUpdate exports a volume to a host and says how it is reached. A
// call that comes late, when the attachment is being ended, exports nothing.
func (m *Manager) attachmentUpdate(ctx context.Context, in volume.AttachmentArgs) (driver.Connection, error) {
	ctx = auth.Admin(ctx)
	defer m.lock(in.VolumeID)()
	a, err := m.Store.Attachment(ctx, in.AttachmentID)
	if err != nil {
		return driver.Connection{}, err
	}
	if a.Status == volume.AttachDetaching {
		return driver.Connection{}, fault.Conflictf("Volume attachment %s is being deleted.", a.ID)
	}
	return m.Driver.Export(ctx, in.VolumeID, in.Connector.Host, in.Mode == "ro")
}

// attachmentDelete takes the export back.
func (m *Manager) attachmentDelete(ctx context.Context, in volume.AttachmentArgs) (nothing, error) {
	defer m.lock(in.VolumeID)()
	return nothing{}, m.Driver.Unexport(ctx, in.VolumeID)
}

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
	if err := m.resume(ctx); err != nil {
		return err
	}
	if err := m.beat(ctx); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.beats(ctx)
	}()
	err := m.Bus.Serve(ctx, rpc.Server{Target: volume.ManagerTarget(m.host), Concurrency: concurrency, Methods: map[string]rpc.Handler{
		volume.MethodCreate:           rpc.Method(m.create),
		volume.MethodDelete:           rpc.Method(m.delete),
		volume.MethodExtend:           rpc.Method(m.extend),
		volume.MethodAttachmentUpdate: rpc.Method(m.attachmentUpdate),
		volume.MethodAttachmentDelete: rpc.Method(m.attachmentDelete),
	}}, ready)
	<-done
	return errors.Join(err, m.Driver.Close())
}

func (m *Manager) beats(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := m.beat(ctx); err != nil && ctx.Err() == nil {
			m.Log.WarnContext(ctx, "heartbeat failed", "error", err.Error())
		}
	}
}

func (m *Manager) beat(ctx context.Context) error {
	total, free, err := m.Driver.Capacity(ctx)
	if err != nil {
		return fmt.Errorf("ask the store for its capacity: %w", err)
	}
	return m.Volumes.Beat(ctx, volume.Service{Binary: "cinder-volume", Host: m.host, TotalGB: total, FreeGB: free})
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

// resume finishes what a kill cut short, and removes data without a volume.
func (m *Manager) resume(ctx context.Context) error {
	half, err := m.Store.Unfinished(ctx, m.host, volume.StatusCreating, volume.StatusDownloading, volume.StatusDeleting, volume.StatusExtending)
	if err != nil {
		return err
	}
	for _, v := range half {
		m.Log.InfoContext(ctx, "resume volume", "volume", v.ID, "status", v.Status)
		switch v.Status {
		case volume.StatusDeleting:
			_, err = m.delete(ctx, volume.VolumeArgs{VolumeID: v.ID})
		case volume.StatusExtending: // the new size is known no more: what is there stays
			err = m.settle(ctx, v.ID, volume.StatusAvailable, nil)
		default:
			// Downloading an image needs the other services: in the background.
			go m.create(ctx, volume.VolumeArgs{VolumeID: v.ID}) //nolint:errcheck // it ends in the volume's status
		}
		if err != nil {
			return err
		}
	}
	return m.removeOrphans(ctx)
}

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
		if err := m.Driver.Delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

type nothing struct{}

// create makes a volume's data and says how it went. An error is returned,
// and the cast comes again, only where nothing could be recorded.
func (m *Manager) create(ctx context.Context, in volume.VolumeArgs) (nothing, error) {
	ctx = auth.Admin(ctx)
	defer m.lock(in.VolumeID)()
	v, err := m.Store.Volume(ctx, in.VolumeID)
	if fault.Is(err, fault.NotFound) {
		return nothing{}, m.Driver.Delete(ctx, in.VolumeID)
	}
	if err != nil {
		return nothing{}, rpc.Requeue(err)
	}
	if v.Status != volume.StatusCreating && v.Status != volume.StatusDownloading {
		return nothing{}, nil
	}
	if err := m.make(ctx, v); err != nil {
		if ctx.Err() != nil {
			return nothing{}, rpc.Requeue(ctx.Err()) // resumed at the next start
		}
		m.Log.ErrorContext(ctx, "volume not created", "volume", v.ID, "error", err.Error())
		return nothing{}, requeue(m.settle(ctx, v.ID, volume.StatusError, err))
	}
	return nothing{}, requeue(m.settle(ctx, v.ID, volume.StatusAvailable, nil))
}

func (m *Manager) make(ctx context.Context, v *volume.Volume) error {
	switch {
	case v.SourceID != "":
		return m.Driver.CreateFromVolume(ctx, v.ID, v.SizeGB, v.SourceID)
	case v.ImageID == "":
		return m.Driver.Create(ctx, v.ID, v.SizeGB)
	}
	if v.Status == volume.StatusCreating {
		v.Status = volume.StatusDownloading
		if err := m.Store.UpdateVolume(ctx, v, volume.StatusCreating); err != nil {
			return err
		}
	}
	body, err := m.Images.Download(ctx, v.ImageID)
	if err != nil {
		return fmt.Errorf("download image %s: %w", v.ImageID, err)
	}
	defer body.Close() //nolint:errcheck // read to its end, or the create failed
	return m.Driver.CreateFromImage(ctx, v.ID, v.SizeGB, body, v.ImageMetadata["disk_format"], func(int64) {})
}

// settle gives an unfinished volume its final status.
func (m *Manager) settle(ctx context.Context, id, status string, problem error) error {
	err := m.Store.InTx(ctx, func(ctx context.Context) error {
		v, err := m.Store.Volume(ctx, id)
		if err != nil {
			return err
		}
		v.Status, v.Problem, v.UpdatedAt = status, "", m.Volumes.Now()
		if problem != nil {
			v.Problem = problem.Error()
		}
		return m.Store.UpdateVolume(ctx, v, volume.StatusCreating, volume.StatusDownloading, volume.StatusExtending, volume.StatusDeleting)
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return nil // deleted or reset meanwhile: that decision stands
	}
	return err
}

func requeue(err error) error {
	if err != nil {
		return rpc.Requeue(err)
	}
	return nil
}

// delete removes a volume's data, then the volume.
func (m *Manager) delete(ctx context.Context, in volume.VolumeArgs) (nothing, error) {
	ctx = auth.Admin(ctx)
	defer m.lock(in.VolumeID)()
	v, err := m.Store.Volume(ctx, in.VolumeID)
	if fault.Is(err, fault.NotFound) {
		return nothing{}, nil
	}
	if err != nil {
		return nothing{}, rpc.Requeue(err)
	}
	if v.Status != volume.StatusDeleting {
		return nothing{}, nil
	}
	err = m.Driver.Unexport(ctx, v.ID)
	if err == nil {
		err = m.Driver.Delete(ctx, v.ID)
	}
	if err != nil {
		m.Log.ErrorContext(ctx, "volume not deleted", "volume", v.ID, "error", err.Error())
		return nothing{}, requeue(m.settle(ctx, v.ID, volume.StatusErrorDeleting, err))
	}
	return nothing{}, requeue(m.Store.InTx(ctx, func(ctx context.Context) error { return m.Store.DeleteVolume(ctx, v.ID) }))
}

// extend makes a volume larger.
func (m *Manager) extend(ctx context.Context, in volume.VolumeArgs) (nothing, error) {
	ctx = auth.Admin(ctx)
	defer m.lock(in.VolumeID)()
	v, err := m.Store.Volume(ctx, in.VolumeID)
	if fault.Is(err, fault.NotFound) {
		return nothing{}, nil
	}
	if err != nil {
		return nothing{}, rpc.Requeue(err)
	}
	if v.Status != volume.StatusExtending {
		return nothing{}, nil
	}
	if err := m.Driver.Extend(ctx, v.ID, in.SizeGB); err != nil {
		m.Log.ErrorContext(ctx, "volume not extended", "volume", v.ID, "error", err.Error())
		return nothing{}, requeue(m.settle(ctx, v.ID, volume.StatusErrorExtend, err))
	}
	v.SizeGB, v.Status, v.UpdatedAt = in.SizeGB, volume.StatusAvailable, m.Volumes.Now()
	return nothing{}, requeue(m.Store.UpdateVolume(ctx, v, volume.StatusExtending))
}

// attachmentUpdate exports a volume to a host and says how it is reached.
func (m *Manager) attachmentUpdate(ctx context.Context, in volume.AttachmentArgs) (driver.Connection, error) {
	defer m.lock(in.VolumeID)()
	return m.Driver.Export(ctx, in.VolumeID, in.Connector.Host, in.Mode == "ro")
}

// attachmentDelete takes the export back.
func (m *Manager) attachmentDelete(ctx context.Context, in volume.AttachmentArgs) (nothing, error) {
	defer m.lock(in.VolumeID)()
	return nothing{}, m.Driver.Unexport(ctx, in.VolumeID)
}

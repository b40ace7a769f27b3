package manager

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"nubo/internal/auth"
	"nubo/internal/rpc"
	"nubo/volume"
)

// Scheduler is cinder-scheduler: it gives new volumes a back end.
type Scheduler struct {
	Host    string
	Volumes *volume.Volumes
	Store   volume.Store
	Bus     *rpc.Bus
	Log     *slog.Logger
}

// Run implements service.Service.
func (s *Scheduler) Run(ctx context.Context, ready func()) error {
	started := s.Volumes.Now()
	if err := s.tick(ctx, started); err != nil {
		return err
	}
	// When Serve fails, what runs beside it is to end as well.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() {
		every(ctx, func() {
			if err := s.tick(ctx, started); err != nil && ctx.Err() == nil {
				s.Log.WarnContext(ctx, "scheduler's round failed", "error", err.Error())
			}
		})
	})
	err := s.Bus.Serve(ctx, rpc.Server{Target: volume.SchedulerTarget(s.Host), Concurrency: concurrency, Methods: map[string]rpc.Handler{
		volume.MethodCreate: rpc.Method(func(ctx context.Context, in volume.VolumeArgs) (nothing, error) {
			return nothing{}, requeue(s.Volumes.Schedule(ctx, in.VolumeID))
		}),
	}}, ready)
	cancel()
	beside.Wait()
	return err
}

// tick says that the scheduler lives, and schedules what waits for a host
// since too long: casts of before it started a kill has taken along. Nothing
// fails for lack of a back end because none has reported yet.
func (s *Scheduler) tick(ctx context.Context, started time.Time) error {
	ctx = auth.Admin(ctx)
	if err := s.Volumes.Beat(ctx, volume.Service{Binary: volume.BinaryScheduler, Host: s.Host}); err != nil {
		return err
	}
	waiting, err := s.Store.Unfinished(ctx, "", volume.StatusCreating)
	if err != nil || len(waiting) == 0 {
		return err
	}
	zones, err := s.Volumes.Zones(ctx)
	if err != nil || !slices.ContainsFunc(zones, func(z volume.Zone) bool { return z.Available }) {
		return err
	}
	for _, v := range waiting {
		if v.UpdatedAt.After(started) && s.Volumes.Now().Sub(v.UpdatedAt) < stuckAfter {
			continue
		}
		if err := s.Volumes.Schedule(ctx, v.ID); err != nil {
			return err
		}
	}
	return nil
}

package compute

import (
	"context"
	"log/slog"
	"time"
)

// ReportInterval is how often a service says that it lives.
const ReportInterval = 10 * time.Second

// Heartbeat reports services while something runs.
type Heartbeat struct {
	Reports []ServiceReport
	Send    func(ctx context.Context, reports []ServiceReport) error
	Log     *slog.Logger
}

// During runs fn and reports from before it until it ends.
func (h Heartbeat) During(ctx context.Context, fn func(ctx context.Context) error) error {
	beats, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(ReportInterval)
		defer tick.Stop()
		for {
			if err := h.Send(beats, h.Reports); err != nil && beats.Err() == nil {
				h.Log.WarnContext(beats, "a heartbeat was lost", "error", err)
			}
			select {
			case <-beats.Done():
				return
			case <-tick.C:
			}
		}
	}()
	defer func() { stop(); <-stopped }()
	return fn(ctx)
}

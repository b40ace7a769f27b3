package image

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Types and statuses of tasks, Glance's.
const (
	// TaskAPIImageImport imports into an image that is there; TaskImport
	// makes the image; TaskLocationImport takes bytes where they are.
	TaskAPIImageImport = "api_image_import"
	TaskImport         = "import"
	TaskLocationImport = "location_import"

	TaskPending    = "pending"
	TaskProcessing = "processing"
	TaskSuccess    = "success"
	TaskFailure    = "failure"
)

// Task is work on an image that outlives the request for it, and the process.
type Task struct {
	ID        string
	Type      string
	Status    string
	Owner     string
	ImageID   string
	UserID    string
	RequestID string
	Input     map[string]any
	Result    map[string]any
	Message   string
	ExpiresAt *time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

// TaskQuery narrows a list of tasks.
type TaskQuery struct {
	Page    db.Page
	Filters []db.Filter
}

// taskStore keeps the tasks; reads by clients are scoped to their owner.
type taskStore interface {
	CreateTask(ctx context.Context, t *Task) error
	Task(ctx context.Context, id string) (*Task, error)
	Tasks(ctx context.Context, q TaskQuery) ([]Task, error)
	// ImageTasks lists an image's, whosever they are.
	ImageTasks(ctx context.Context, imageID string) ([]Task, error)
	UpdateTask(ctx context.Context, t *Task) error
	// NextTask makes the oldest task that is pending processing, and gives
	// it; nil if there is none.
	NextTask(ctx context.Context) (*Task, error)
	// RestartTasks makes those that were being worked on pending again.
	RestartTasks(ctx context.Context) error
	// ExpireTasks removes those that have expired.
	ExpireTasks(ctx context.Context, now time.Time) error
}

// Task gives a task of the caller's.
func (s *Images) Task(ctx context.Context, id string) (*Task, error) { return s.store.Task(ctx, id) }

// Tasks gives a page of the caller's tasks.
func (s *Images) Tasks(ctx context.Context, q TaskQuery) ([]Task, error) {
	return s.store.Tasks(ctx, q)
}

// ImageTasks gives an image's tasks.
func (s *Images) ImageTasks(ctx context.Context, imageID string) ([]Task, error) {
	if _, err := s.store.Image(ctx, imageID); err != nil {
		return nil, err
	}
	return s.store.ImageTasks(ctx, imageID)
}

// newTask is a task of the caller's.
func (s *Images) newTask(ctx context.Context, kind, imageID string, input map[string]any) *Task {
	c, now := auth.From(ctx), s.clock.Now()
	return &Task{
		ID: clock.NewID(), Type: kind, Status: TaskPending, Owner: c.ProjectID, ImageID: imageID, UserID: c.UserID, RequestID: c.RequestID,
		Input: input, CreatedAt: now, UpdatedAt: now,
	}
}

// How long the worker waits for tasks before it looks for what has expired,
// and after the database has failed.
const (
	expireEvery = 10 * time.Minute
	retryAfter  = 2 * time.Second
)

// Run works on tasks and fetches images for the cache until the context ends.
func (s *Images) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(auth.Admin(ctx))
	g.Go(func() error { return s.runTasks(ctx) })
	g.Go(func() error { return s.runCache(ctx) })
	return g.Wait()
}

// runTasks begins with the tasks that were being worked on when the process
// ended.
func (s *Images) runTasks(ctx context.Context) error {
	if err := s.store.RestartTasks(ctx); err != nil {
		return fmt.Errorf("restart the image tasks: %w", err)
	}
	var work errgroup.Group
	work.SetLimit(max(s.cfg.ImportWorkers, 1))
	defer work.Wait() //nolint:errcheck // a task keeps its error
	for {
		pause := expireEvery
		if err := s.startTasks(ctx, &work); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "image tasks cannot be read", "error", err.Error())
			pause = retryAfter
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-time.After(pause):
		}
	}
}

func (s *Images) startTasks(ctx context.Context, work *errgroup.Group) error {
	if err := s.store.ExpireTasks(ctx, s.clock.Now()); err != nil {
		return err
	}
	for ctx.Err() == nil {
		t, err := s.store.NextTask(ctx)
		if err != nil || t == nil {
			return err
		}
		work.Go(func() error {
			s.work(ctx, t)
			return nil
		})
	}
	return nil
}

// wakeUp tells Run that there is something to do.
func (s *Images) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been told
	}
}

// cancel ends the task that works on an image.
func (s *Images) cancel(imageID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.running[imageID]; stop != nil {
		stop()
	}
}

// work carries one task out. If the service is stopped meanwhile the task
// stays as it is, and begins again at the next start.
func (s *Images) work(service context.Context, t *Task) {
	ctx, cancel := context.WithCancel(service)
	defer cancel()
	s.mu.Lock()
	s.running[t.ImageID] = cancel
	s.mu.Unlock()
	err := s.runImport(ctx, t)
	s.mu.Lock()
	delete(s.running, t.ImageID)
	s.mu.Unlock()
	if service.Err() != nil {
		return
	}
	now := s.clock.Now()
	expires := now.Add(s.cfg.TaskTimeToLive)
	t.Status, t.UpdatedAt, t.ExpiresAt, t.Result = TaskSuccess, now, &expires, map[string]any{"image_id": t.ImageID}
	if err != nil {
		s.log.WarnContext(service, "image task failed", "task", t.ID, "image", t.ImageID, "error", err.Error())
		t.Status, t.Message, t.Result = TaskFailure, reason(err), nil
	}
	if err := s.store.InTx(service, func(ctx context.Context) error { return s.store.UpdateTask(ctx, t) }); err != nil {
		s.log.ErrorContext(service, "the end of an image task is not kept", "task", t.ID, "error", err.Error())
	}
}

// reason is what the owner is told of a failure.
func reason(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind != fault.Internal {
		return f.Msg
	}
	return "The image service failed; its log has the reason."
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
)

func (s *Store) tasks(ctx context.Context, model any) *bun.SelectQuery {
	return s.db.Query(ctx).NewSelect().Model(model).ModelTableExpr("tasks").ColumnExpr("tasks.*")
}

// ownTasks limits a query to the caller's tasks.
func ownTasks(ctx context.Context) func(*bun.SelectQuery) *bun.SelectQuery {
	return func(q *bun.SelectQuery) *bun.SelectQuery { return db.Scope(q, auth.From(ctx), "owner") }
}

// CreateTask implements image.Store.
func (s *Store) CreateTask(ctx context.Context, t *image.Task) error {
	_, err := s.db.Query(ctx).NewInsert().Model(t).ModelTableExpr("tasks").Exec(ctx)
	return err
}

// Task implements image.Store.
func (s *Store) Task(ctx context.Context, id string) (*image.Task, error) {
	t := new(image.Task)
	err := s.tasks(ctx, t).Where("id = ?", id).Apply(ownTasks(ctx)).Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.NotFoundf("Task with the given id %s was not found", id)
	}
	return t, err
}

// taskColumns are what a list of tasks may be filtered by.
var taskColumns = map[string]string{"type": "type", "status": "status"}

// Tasks implements image.Store.
func (s *Store) Tasks(ctx context.Context, in image.TaskQuery) ([]image.Task, error) {
	list := []image.Task{}
	q, err := db.ApplyFilters(s.tasks(ctx, &list).Apply(ownTasks(ctx)), in.Filters, taskColumns)
	if err != nil {
		return nil, err
	}
	if q, err = in.Page.Apply(ctx, q, s.db.Query(ctx), db.Keyset{Table: "tasks", Scope: ownTasks(ctx)}); err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	return db.Ordered(in.Page, list), nil
}

// ImageTasks implements image.Store.
func (s *Store) ImageTasks(ctx context.Context, imageID string) ([]image.Task, error) {
	list := []image.Task{}
	return list, s.tasks(ctx, &list).Where("image_id = ?", imageID).Order("created_at DESC", "id").Limit(1000).Scan(ctx)
}

// UpdateTask implements image.Store.
func (s *Store) UpdateTask(ctx context.Context, t *image.Task) error {
	_, err := s.db.Query(ctx).NewUpdate().Model(t).ModelTableExpr("tasks").Where("id = ?", t.ID).Exec(ctx)
	return err
}

// NextTask implements image.Store.
func (s *Store) NextTask(ctx context.Context) (*image.Task, error) {
	list := []image.Task{}
	err := s.InTx(ctx, func(ctx context.Context) error {
		list = list[:0]
		err := s.tasks(ctx, &list).Where("status = ?", image.TaskPending).Order("created_at", "id").Limit(1).Scan(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		list[0].Status = image.TaskProcessing
		return s.UpdateTask(ctx, &list[0])
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// RestartTasks implements image.Store.
func (s *Store) RestartTasks(ctx context.Context) error {
	_, err := s.db.Query(ctx).NewRaw("UPDATE tasks SET status = ? WHERE status = ?", image.TaskPending, image.TaskProcessing).Exec(ctx)
	return err
}

// ExpireTasks implements image.Store.
func (s *Store) ExpireTasks(ctx context.Context, now time.Time) error {
	_, err := s.db.Query(ctx).NewRaw("DELETE FROM tasks WHERE expires_at < ?", db.Micro(now)).Exec(ctx)
	return err
}

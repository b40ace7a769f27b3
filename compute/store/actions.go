package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
)

type actionRow struct {
	bun.BaseModel `bun:"table:actions,alias:actions"`

	ID        int64     `bun:"id,pk"`
	ServerID  string    `bun:"server_id"`
	Action    string    `bun:"action"`
	RequestID string    `bun:"request_id"`
	UserID    string    `bun:"user_id"`
	ProjectID string    `bun:"project_id"`
	Message   string    `bun:"message"`
	Start     time.Time `bun:"start_at"`
	Updated   time.Time `bun:"updated_at"`
}

func (r *actionRow) action() *compute.Action {
	return &compute.Action{
		ID: r.ID, ServerID: r.ServerID, Action: r.Action, RequestID: r.RequestID, UserID: r.UserID, ProjectID: r.ProjectID,
		Message: r.Message, Start: r.Start, Updated: r.Updated,
	}
}

type eventRow struct {
	bun.BaseModel `bun:"table:action_events,alias:action_events"`

	ActionID int64      `bun:"action_id,pk"`
	Event    string     `bun:"event,pk"`
	Host     string     `bun:"host,pk"`
	Start    time.Time  `bun:"start_at"`
	Finish   *time.Time `bun:"finish_at"`
	Result   string     `bun:"result"`
	Details  string     `bun:"details"`
}

// StartAction implements compute.ServerStore.
func (s *Store) StartAction(ctx context.Context, actions ...*compute.Action) error {
	rows := make([]*actionRow, len(actions))
	for i, a := range actions {
		rows[i] = &actionRow{
			ID: db.NextSeq(), ServerID: a.ServerID, Action: a.Action, RequestID: a.RequestID, UserID: a.UserID, ProjectID: a.ProjectID,
			Message: a.Message, Start: db.Micro(a.Start), Updated: db.Micro(a.Start),
		}
	}
	if _, err := s.query(ctx).NewInsert().Model(&rows).Exec(ctx); err != nil {
		return fmt.Errorf("record an action: %w", err)
	}
	return nil
}

// RecordEvent implements compute.ServerStore. An event of a request that is
// no action, such as a recovery's, is not kept.
func (s *Store) RecordEvent(ctx context.Context, serverID, requestID string, e compute.ActionEvent) error {
	// The newest action of the request.
	const action = "SELECT MAX(id) FROM actions WHERE server_id = ? AND request_id = ?"
	var finish *time.Time
	if e.Finish != nil {
		finish = micro(e.Finish)
	}
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		res, err := tx.NewRaw("INSERT INTO action_events (action_id, event, host, start_at, finish_at, result, details) "+
			"SELECT id, ?, ?, ?, ?, ?, ? FROM actions WHERE id = ("+action+") "+
			"ON CONFLICT (action_id, event, host) DO UPDATE SET finish_at = EXCLUDED.finish_at, result = EXCLUDED.result, details = EXCLUDED.details",
			e.Event, e.Host, db.Micro(e.Start), finish, e.Result, e.Details, serverID, requestID).Exec(ctx)
		if err != nil {
			return fmt.Errorf("record event %s: %w", e.Event, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		q := tx.NewUpdate().Model((*actionRow)(nil)).Set("updated_at = ?", now()).Where("id = ("+action+")", serverID, requestID)
		if e.Result == "Error" {
			q = q.Set("message = ?", e.Result)
		}
		_, err = q.Exec(ctx)
		return err
	})
}

// Actions implements compute.ServerStore.
func (s *Store) Actions(ctx context.Context, serverID string, f compute.ActionQuery) ([]*compute.Action, error) {
	d := s.query(ctx)
	var rows []*actionRow
	q := d.NewSelect().Model(&rows).Where("server_id = ?", serverID)
	if f.ChangesSince != nil {
		q = q.Where("updated_at >= ?", *f.ChangesSince)
	}
	if f.ChangesBefore != nil {
		q = q.Where("updated_at <= ?", *f.ChangesBefore)
	}
	page := f.Page
	if page.Marker != "" { // markers are request ids
		a, err := s.Action(ctx, serverID, page.Marker)
		if err != nil {
			return nil, db.ErrMarker
		}
		q, page.Marker = q.Where("id < ?", a.ID), ""
	}
	if page.Limit > 0 {
		q = q.Limit(int64(page.Limit))
	}
	if err := q.Order("id DESC").Scan(ctx); err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	actions := make([]*compute.Action, len(rows))
	for i, r := range rows {
		actions[i] = r.action()
	}
	return actions, nil
}

// Action implements compute.ServerStore.
func (s *Store) Action(ctx context.Context, serverID, requestID string) (*compute.Action, error) {
	var row actionRow
	d := s.query(ctx)
	err := d.NewSelect().Model(&row).Where("server_id = ?", serverID).Where("request_id = ?", requestID).Order("id DESC").Limit(1).Scan(ctx)
	if err != nil {
		return nil, notFound(err, fault.NotFoundf("Action %s not found.", requestID))
	}
	a := row.action()
	var events []*eventRow
	if err := d.NewSelect().Model(&events).Where("action_id = ?", a.ID).Order("start_at DESC", "event").Scan(ctx); err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	for _, e := range events {
		a.Events = append(a.Events, compute.ActionEvent{Event: e.Event, Start: e.Start, Finish: e.Finish, Result: e.Result, Host: e.Host, Details: e.Details})
	}
	return a, nil
}

type decisionRow struct {
	bun.BaseModel `bun:"table:decisions,alias:decisions"`

	ID        int64                       `bun:"id,pk"`
	ServerID  string                      `bun:"server_id"`
	RequestID string                      `bun:"request_id"`
	Attempt   int                         `bun:"attempt"`
	CreatedAt time.Time                   `bun:"created_at"`
	Host      string                      `bun:"host"`
	Reason    string                      `bun:"reason"`
	Detail    doc[compute.DecisionDetail] `bun:"detail"`
}

// SaveDecision implements compute.ServerStore.
func (s *Store) SaveDecision(ctx context.Context, decisions ...*compute.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	rows := make([]*decisionRow, len(decisions))
	for i, d := range decisions {
		rows[i] = &decisionRow{
			ID: db.NextSeq(), ServerID: d.ServerID, RequestID: d.RequestID, Attempt: d.Attempt, CreatedAt: now(),
			Host: d.Host, Reason: d.Reason, Detail: docOf(d.Detail),
		}
	}
	if _, err := s.query(ctx).NewInsert().Model(&rows).Exec(ctx); err != nil {
		return fmt.Errorf("keep a scheduler's decision: %w", err)
	}
	return nil
}

// Decisions implements compute.ServerStore.
func (s *Store) Decisions(ctx context.Context, serverID string) ([]*compute.Decision, error) {
	var rows []*decisionRow
	if err := s.query(ctx).NewSelect().Model(&rows).Where("server_id = ?", serverID).Order("id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("list decisions: %w", err)
	}
	decisions := make([]*compute.Decision, len(rows))
	for i, r := range rows {
		decisions[i] = &compute.Decision{
			ServerID: r.ServerID, RequestID: r.RequestID, Attempt: r.Attempt, CreatedAt: r.CreatedAt, Host: r.Host, Reason: r.Reason, Detail: r.Detail.V,
		}
	}
	return decisions, nil
}

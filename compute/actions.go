package compute

import (
	"context"
	"encoding/json"
	"time"
)

// Action is one thing somebody had done to a server: Nova's instance action.
type Action struct {
	ID        int64
	ServerID  string
	Action    string // "create", "start", "attach_volume" …
	RequestID string
	UserID    string
	ProjectID string
	Message   string // "Error" when it failed
	Start     time.Time
	Updated   time.Time
	Events    []ActionEvent
}

// ActionEvent is a step of an action.
type ActionEvent struct {
	Event   string // "compute__do_build_and_run_instance"
	Start   time.Time
	Finish  *time.Time
	Result  string // "Success", "Error", "" while it runs
	Host    string
	Details string // the error's, for admins
}

// Decision is why a server went where it went: what the scheduler saw. It is
// kept for each server and attempt.
type Decision struct {
	ServerID  string
	RequestID string
	Attempt   int
	CreatedAt time.Time
	Host      string // chosen; "" for none
	Reason    string // for people: "ComputeFilter refused 2: host1 service is down"
	// Detail is the scheduler's own record, see DecisionDetail.
	Detail DecisionDetail
}

// DecisionDetail is the record of filters and weights.
type DecisionDetail struct {
	Candidates int             `json:"candidates"`
	Filters    []FilterVerdict `json:"filters,omitempty"`
	Weighed    []WeighedHost   `json:"weighed,omitempty"`
	Placement  json.RawMessage `json:"placement,omitempty"`
}

// FilterVerdict is what one filter did.
type FilterVerdict struct {
	Filter  string            `json:"filter"`
	Passed  int               `json:"passed"`
	Refused map[string]string `json:"refused,omitempty"` // host → reason
}

// WeighedHost is a host that passed all filters.
type WeighedHost struct {
	Host   string             `json:"host"`
	Node   string             `json:"node"`
	Weight float64            `json:"weight"`
	By     map[string]float64 `json:"by,omitempty"` // weigher → its part
}

// Actions lists what was done to a server.
func (s *Service) Actions(ctx context.Context, serverID string, q ActionQuery) ([]*Action, error) {
	return s.store.Actions(ctx, serverID, q)
}

// Action gives one, with its events.
func (s *Service) Action(ctx context.Context, serverID, requestID string) (*Action, error) {
	return s.store.Action(ctx, serverID, requestID)
}

// Decisions lists why a server is where it is.
func (s *Service) Decisions(ctx context.Context, serverID string) ([]*Decision, error) {
	return s.store.Decisions(ctx, serverID)
}

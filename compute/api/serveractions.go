package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// act does something to the server of the path and answers 202.
func (h *handler) act(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, s *compute.Server) error) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	if err := do(r.Context(), s); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

func (h *handler) startServer(w http.ResponseWriter, r *http.Request) error {
	return h.act(w, r, h.svc.Start)
}

func (h *handler) stopServer(w http.ResponseWriter, r *http.Request) error {
	return h.act(w, r, h.svc.Stop)
}

func (h *handler) rebootServer(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Reboot struct {
			Type string `json:"type"`
		} `json:"reboot"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	return h.act(w, r, func(ctx context.Context, s *compute.Server) error {
		return h.svc.Reboot(ctx, s, strings.EqualFold(in.Reboot.Type, "hard"))
	})
}

func (h *handler) lockServer(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Lock *struct {
			Reason string `json:"locked_reason"`
		} `json:"lock"`
	}
	if since(r, 73) { // before it, what the key holds means nothing
		if err := httpx.Decode(r, &in); err != nil {
			return err
		}
	}
	return h.act(w, r, func(ctx context.Context, s *compute.Server) error {
		return h.svc.Lock(ctx, s, httpx.Deref(in.Lock).Reason)
	})
}

func (h *handler) unlockServer(w http.ResponseWriter, r *http.Request) error {
	return h.act(w, r, func(ctx context.Context, s *compute.Server) error {
		if s.Locked && s.LockedBy == compute.LockedByAdmin {
			if err := httpx.Enforce(ctx, prefix+"os-lock-server:unlock:unlock_override", ownTarget(r)); err != nil {
				return err
			}
		}
		return h.svc.Unlock(ctx, s)
	})
}

func (h *handler) resetState(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Reset struct {
			State compute.VMState `json:"state"`
		} `json:"os-resetState"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	return h.act(w, r, func(ctx context.Context, s *compute.Server) error { return h.svc.ResetState(ctx, s, in.Reset.State) })
}

// groupOf reads the security group of an action.
func groupOf(r *http.Request, action string) (string, error) {
	var in map[string]struct{ Name string }
	if err := httpx.Decode(r, &in); err != nil {
		return "", err
	}
	return in[action].Name, nil
}

func (h *handler) addServerGroup(w http.ResponseWriter, r *http.Request) error {
	name, err := groupOf(r, "addSecurityGroup")
	if err != nil {
		return err
	}
	return h.act(w, r, func(ctx context.Context, s *compute.Server) error { return h.svc.AddSecurityGroup(ctx, s, name) })
}

func (h *handler) removeServerGroup(w http.ResponseWriter, r *http.Request) error {
	name, err := groupOf(r, "removeSecurityGroup")
	if err != nil {
		return err
	}
	return h.act(w, r, func(ctx context.Context, s *compute.Server) error { return h.svc.RemoveSecurityGroup(ctx, s, name) })
}

func (h *handler) listServerGroups(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	groups, err := h.svc.ServerSecurityGroups(r.Context(), s)
	if err != nil {
		return err
	}
	views := make([]any, len(groups))
	for i, g := range groups {
		views[i] = map[string]any{"id": g.ID, "name": g.Name, "description": g.Description, "tenant_id": g.ProjectID, "rules": []any{}}
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"security_groups": views})
}

func (h *handler) consoleOutput(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Console struct {
			Length *httpx.LenientInt `json:"length"`
		} `json:"os-getConsoleOutput"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	s, err := h.server(r)
	if err != nil {
		return err
	}
	lines := int(httpx.Deref(in.Console.Length))
	if lines < 0 { // -1 is all, as none given is
		lines = 0
	}
	out, err := h.svc.ConsoleOutput(r.Context(), s, lines)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]string{"output": out})
}

var actionPage = httpx.PageSpec{Default: []db.SortKey{{Column: "id", Desc: true}}}

// viewAction is an action without its events.
func viewAction(r *http.Request, a *compute.Action) map[string]any {
	v := map[string]any{
		"action": a.Action, "instance_uuid": a.ServerID, "message": orNil(a.Message), "project_id": a.ProjectID,
		"request_id": a.RequestID, "start_time": stamp(a.Start), "user_id": a.UserID,
	}
	if since(r, 58) {
		v["updated_at"] = stamp(a.Updated)
	}
	return v
}

func (h *handler) listActions(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	q := compute.ActionQuery{}
	if since(r, 58) {
		if q.Page, err = httpx.ParsePage(r, actionPage); err != nil {
			return err
		}
		if q.ChangesSince, err = moment(r, "changes-since"); err != nil {
			return err
		}
	}
	if since(r, 66) {
		if q.ChangesBefore, err = moment(r, "changes-before"); err != nil {
			return err
		}
	}
	actions, err := h.svc.Actions(r.Context(), s.ID, q)
	if err != nil {
		return httpx.MarkerError(err, q.Page.Marker)
	}
	views, next := make([]any, len(actions)), ""
	for i, a := range actions {
		views[i] = viewAction(r, a)
		next = httpx.NextLink(r, q.Page, len(actions), a.RequestID)
	}
	out := map[string]any{"instanceActions": views}
	if next != "" {
		out["links"] = []link{{"next", next}}
	}
	return httpx.JSON(w, http.StatusOK, out)
}

func (h *handler) showAction(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	a, err := h.svc.Action(r.Context(), s.ID, httpx.Param(r, "request_id"))
	if err != nil {
		return err
	}
	v := viewAction(r, a)
	all := httpx.Allowed(r.Context(), prefix+"os-instance-actions:events", ownTarget(r))
	details := since(r, 84) && httpx.Allowed(r.Context(), prefix+"os-instance-actions:events:details", ownTarget(r))
	if all || since(r, 51) {
		events := make([]any, len(a.Events))
		for i, e := range a.Events {
			one := map[string]any{"event": e.Event, "start_time": stamp(e.Start), "finish_time": stampOrNil(e.Finish), "result": orNil(e.Result)}
			if all {
				one["traceback"] = orNil(e.Details)
			}
			if since(r, 62) {
				one["hostId"] = hostID(&compute.Server{ProjectID: s.ProjectID, Host: e.Host})
				if all {
					one["host"] = e.Host
				}
			}
			if details {
				one["details"] = orNil(e.Details)
			}
			events[i] = one
		}
		v["events"] = events
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"instanceAction": v})
}

func (h *handler) listDecisions(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	decisions, err := h.svc.Decisions(r.Context(), s.ID)
	if err != nil {
		return err
	}
	hosts := httpx.Allowed(r.Context(), prefix+"nubo-decisions:list:hosts", ownTarget(r))
	views := make([]any, len(decisions))
	for i, d := range decisions {
		v := map[string]any{
			"request_id": d.RequestID, "attempt": d.Attempt, "created_at": stamp(d.CreatedAt), "found": d.Host != "",
			"candidates": d.Detail.Candidates, "filters": viewFilters(d.Detail.Filters, hosts), "weighed_count": len(d.Detail.Weighed),
		}
		if hosts {
			v["host"], v["reason"], v["weighed"] = orNil(d.Host), orNil(d.Reason), append([]compute.WeighedHost{}, d.Detail.Weighed...)
		}
		views[i] = v
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"decisions": views})
}

// viewFilters says how many hosts each filter refused, and which, and why, to
// who may know the hosts.
func viewFilters(filters []compute.FilterVerdict, hosts bool) []any {
	views := make([]any, len(filters))
	for i, f := range filters {
		v := map[string]any{"filter": f.Filter, "passed": f.Passed, "refused_count": len(f.Refused)}
		if hosts {
			v["refused"] = f.Refused
		}
		views[i] = v
	}
	return views
}

func (h *handler) createEvents(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Events []compute.ExternalEvent `json:"events"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	for i := range in.Events {
		if in.Events[i].Status == "" {
			in.Events[i].Status = "completed"
		}
	}
	codes, err := h.svc.ExternalEvents(r.Context(), in.Events)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(codes, func(c int) bool { return c != http.StatusNotFound }) {
		return fault.NotFoundf("No instances found for any event")
	}
	status := http.StatusOK
	views := make([]any, len(codes))
	for i, code := range codes {
		e := in.Events[i]
		one := map[string]any{"name": e.Name, "server_uuid": e.ServerID, "status": "failed", "code": code}
		if e.Tag != "" {
			one["tag"] = e.Tag
		}
		if code == http.StatusOK {
			one["status"] = e.Status
		} else {
			status = http.StatusMultiStatus
		}
		views[i] = one
	}
	return httpx.JSON(w, status, map[string]any{"events": views})
}

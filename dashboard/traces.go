package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"nubo/internal/auth"
	"nubo/internal/trace"
)

// traceReader is who looks at traces.
type traceReader struct {
	caller *auth.Context
	// everything: he sees all projects' requests, whole.
	everything bool
}

func (s *Service) traceReader(r *http.Request) (traceReader, error) {
	c, err := s.caller(r.Context(), current(r))
	if err != nil {
		return traceReader{}, err
	}
	if !s.verdict(c, ruleTraces).Allowed {
		return traceReader{}, refuse(http.StatusForbidden, "Policy doesn't allow "+ruleTraces+" to be performed.")
	}
	return traceReader{c, s.verdict(c, ruleAllTraces).Allowed}, nil
}

// project is whose requests the reader sees; "" is everybody's.
func (r traceReader) project() string {
	if r.everything {
		return ""
	}
	return r.caller.ProjectID
}

// view is what the reader sees of a trace: a project's user the requests of
// his project and what came of them, but not how the cloud is built. What
// belongs to him is known by the span of his request: everything below hangs
// on it.
func (r traceReader) view(spans []trace.Span) []trace.Span {
	if r.everything {
		return spans
	}
	children := map[trace.ID][]int{}
	var visit []int
	for i, s := range spans {
		children[s.Parent] = append(children[s.Parent], i)
		if s.Project != "" && s.Project == r.caller.ProjectID {
			visit = append(visit, i)
		}
	}
	seen := make([]bool, len(spans))
	for len(visit) > 0 {
		i := visit[len(visit)-1]
		visit = visit[:len(visit)-1]
		if !seen[i] {
			seen[i] = true
			visit = append(visit, children[spans[i].ID]...)
		}
	}
	out := []trace.Span{}
	for i, s := range spans {
		if !seen[i] || s.Kind == trace.SQL {
			continue
		}
		s.Host, s.Exchange, s.Key, s.Queue, s.Project = "", "", "", "", ""
		if s.Error != "" {
			s.Error = "failed"
		}
		out = append(out, s)
	}
	return out
}

// aRequest is what a request's id looks like; what clients make up may be
// longer than OpenStack's.
var aRequest = regexp.MustCompile(`^req-[0-9A-Za-z-]{1,64}$`)

// showTrace answers /dashboard/traces/REQUEST.
func (s *Service) showTrace(w http.ResponseWriter, r *http.Request) error {
	reader, err := s.traceReader(r)
	if err != nil {
		return err
	}
	id := chi.URLParam(r, "request")
	if !aRequest.MatchString(id) {
		return refuse(http.StatusBadRequest, "A request's id begins with req-.")
	}
	spans := reader.view(s.traces.Trace(id))
	if len(spans) == 0 {
		return refuse(http.StatusNotFound, "Nothing is known of request "+id+": it was made by others, or too long ago.")
	}
	writeJSON(w, http.StatusOK, map[string]any{"request_id": id, "trace_id": spans[0].Trace, "whole": reader.everything, "spans": spans})
	return nil
}

// maxRequests bounds a list of requests.
const maxRequests = 500

// listTraces answers /dashboard/traces with the newest requests:
// ?server=ID gives those that a server's actions were, ?reads=true also those
// that only read, ?failed=true those that failed, ?slower=MS those that took
// longer, ?text= those whose method or path has it, ?limit=N.
func (s *Service) listTraces(w http.ResponseWriter, r *http.Request) error {
	reader, err := s.traceReader(r)
	if err != nil {
		return err
	}
	in := r.URL.Query()
	q := trace.Query{Project: reader.project(), Text: in.Get("text"), Reads: in.Get("reads") == "true", Failed: in.Get("failed") == "true", Limit: 100}
	if !reader.everything && q.Project == "" {
		return refuse(http.StatusForbidden, "Choose a project first.")
	}
	if text := in.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > maxRequests {
			return refuse(http.StatusBadRequest, "limit is a number from 1 to "+strconv.Itoa(maxRequests)+".")
		}
	}
	if text := in.Get("slower"); text != "" {
		ms, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return refuse(http.StatusBadRequest, "slower is a number of milliseconds.")
		}
		q.Slower = time.Duration(ms) * time.Millisecond
	}
	if id := in.Get("server"); id != "" {
		if !anID.MatchString(id) {
			return refuse(http.StatusBadRequest, "That is no server's id.")
		}
		if q.Requests, err = s.requestsOf(r.Context(), current(r), id); err != nil {
			return err
		}
	}
	requests := s.traces.Recent(q)
	if !reader.everything {
		requests = reader.view(requests)
	}
	writeJSON(w, http.StatusOK, map[string]any{"requests": requests})
	return nil
}

// requestsOf gives the ids of the requests that a server's actions were; who
// may not see the server is told so by compute.
func (s *Service) requestsOf(ctx context.Context, v session, server string) ([]string, error) {
	var out struct {
		Actions []struct {
			RequestID string `json:"request_id"`
		} `json:"instanceActions"`
	}
	if err := s.client("compute", v.Token).Get(ctx, "/servers/"+url.PathEscape(server)+"/os-instance-actions", &out); err != nil {
		return nil, err
	}
	ids := []string{}
	for _, a := range out.Actions {
		ids = append(ids, a.RequestID)
	}
	return ids, nil
}

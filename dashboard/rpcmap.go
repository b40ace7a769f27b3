package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"nubo/internal/trace"
)

// routeView is a line of the RPC map: who asked whom for what in the last
// minute. Durations are in milliseconds; of casts and notifications the
// handler's line has them.
type routeView struct {
	trace.Route
	Calls  uint32  `json:"calls"`
	Errors uint32  `json:"errors"`
	Rate   float64 `json:"rate"` // a second
	P50    float64 `json:"p50,omitempty"`
	P99    float64 `json:"p99,omitempty"`
}

// rpcMapEvery is how often a page that watches is told.
const rpcMapEvery = 2 * time.Second

func (s *Service) rpcMapNow() map[string]any {
	counts, span := s.traces.Calls.LastMinute()
	routes := make([]routeView, len(counts))
	for i := range counts {
		c := &counts[i]
		routes[i] = routeView{
			Route: c.Route, Calls: c.Calls, Errors: c.Errors, Rate: float64(c.Calls) / span.Seconds(),
			P50: c.Quantile(0.5).Seconds() * 1000, P99: c.Quantile(0.99).Seconds() * 1000,
		}
	}
	return map[string]any{"seconds": span.Seconds(), "routes": routes}
}

// rpcMap answers /dashboard/rpc-map: once, or as a stream of server-sent
// events to who accepts that.
func (s *Service) rpcMap(w http.ResponseWriter, r *http.Request) error {
	v := current(r)
	c, err := s.caller(r.Context(), v)
	if err != nil {
		return err
	}
	if !s.verdict(c, ruleRPCMap).Allowed {
		return refuse(http.StatusForbidden, "Policy doesn't allow "+ruleRPCMap+" to be performed.")
	}
	if r.Header.Get("Accept") != "text/event-stream" {
		writeJSON(w, http.StatusOK, s.rpcMapNow())
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	rc := http.NewResponseController(w)
	tick := time.NewTicker(rpcMapEvery)
	defer tick.Stop()
	for {
		// Whether he still may is asked each time: who is signed out, or no
		// administrator any more, watches no longer.
		if c, err := s.caller(r.Context(), v); err != nil || !s.verdict(c, ruleRPCMap).Allowed {
			return nil //nolint:nilerr // the page asks who it is when the stream ends
		}
		data, err := json.Marshal(s.rpcMapNow())
		if err != nil {
			return fmt.Errorf("encode the RPC map: %w", err)
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil || rc.Flush() != nil {
			return nil //nolint:nilerr // the browser has gone
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-s.done:
			return nil
		case <-tick.C:
		}
	}
}

package dashboard

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"nubo/internal/auth"
	"nubo/internal/policy"
)

// Explainer says whether a caller may do something, and why.
type Explainer interface {
	Known(rule string) bool
	Explain(c *auth.Context, rule string, t policy.Target) policy.Explanation
}

// verdict is what the session may do by a rule. The target is the session's
// own project: whether one foreign thing may be touched its component says.
type verdict struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty"`
}

// maxRules is how many rules one request may ask about.
const maxRules = 200

// can answers ?rules=A,B,… of any component.
func (s *Service) can(w http.ResponseWriter, r *http.Request) error {
	asked := strings.FieldsFunc(r.URL.Query().Get("rules"), func(c rune) bool { return c == ',' })
	if len(asked) > maxRules {
		return refuse(http.StatusBadRequest, "Too many rules are asked about at once.")
	}
	c, err := s.caller(r.Context(), current(r))
	if err != nil {
		return err
	}
	out := make(map[string]verdict, len(asked))
	for _, rule := range asked {
		out[rule] = s.verdict(c, rule)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (s *Service) verdict(c *auth.Context, rule string) verdict {
	for _, e := range s.policies() {
		if !e.Known(rule) {
			continue
		}
		x := e.Explain(c, rule, own(c))
		v := verdict{Allowed: x.Allowed}
		if !x.Allowed {
			v.Reason = x.Reason
		}
		return v
	}
	return verdict{Reason: "There is no such rule."}
}

// own is the target that is the caller's in every word the rules have for it:
// a port's network and a rule's group are taken to be of the same project.
func own(c *auth.Context) policy.Target {
	return policy.Target{
		"project_id": c.ProjectID, "tenant_id": c.ProjectID, "owner": c.ProjectID,
		"network:project_id": c.ProjectID, "security_group:project_id": c.ProjectID,
		"user_id": c.UserID, "domain_id": c.DomainID,
	}
}

// callers keeps for a moment who the sessions' tokens are, so that a page
// that asks several things at once has its token described once.
type callers struct {
	mu sync.Mutex
	by map[[sha256.Size]byte]knownCaller // guarded by mu
}

type knownCaller struct {
	c     *auth.Context
	until time.Time
}

const (
	callerKept = 5 * time.Second
	maxCallers = 1000
)

// caller is who a session's token says it is.
func (s *Service) caller(ctx context.Context, v session) (*auth.Context, error) {
	if v.Token == "" {
		return nil, refuse(http.StatusForbidden, "You have no role on any project yet; ask an administrator for one.")
	}
	key, now := sha256.Sum256([]byte(v.Token)), s.clock.Now()
	s.callers.mu.Lock()
	known, ok := s.callers.by[key]
	s.callers.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.c, nil
	}
	t, err := s.tokens(v.Token).Validate(ctx, v.Token)
	switch {
	case ended(err):
		return nil, errNoSession
	case err != nil: // identity is away: that signs nobody out
		return nil, err
	}
	c := auth.FromToken(v.Token, t)
	s.callers.mu.Lock()
	defer s.callers.mu.Unlock()
	if len(s.callers.by) >= maxCallers {
		clear(s.callers.by)
	}
	s.callers.by[key] = knownCaller{c, now.Add(callerKept)}
	return c, nil
}

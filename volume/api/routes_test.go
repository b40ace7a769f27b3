package api

import (
	"testing"

	"nubo/internal/policy"
	"nubo/internal/testx"
)

// Every route's rule is one that is registered, and every rule parses.
func TestRoutesHaveRules(t *testing.T) {
	t.Parallel()
	_, err := policy.NewEnforcer("volume", Rules())
	testx.NoErr(t, err)
	known := map[string]bool{"public": true}
	for _, r := range Rules() {
		known[r.Name] = true
	}
	for _, r := range (&handler{}).routes() {
		if !known[r.Rule] {
			t.Errorf("%s %s %s: no rule %q", r.Method, r.Path, r.Action, r.Rule)
		}
	}
}

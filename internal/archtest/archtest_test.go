package archtest

import (
	"strings"
	"testing"

	"nubo/internal/testx"
)

// TestHouse holds the whole module against the rules.
func TestHouse(t *testing.T) {
	t.Parallel()
	files, err := Load("../..")
	testx.NoErr(t, err)
	if len(files) < 100 {
		t.Fatalf("only %d files found: the test looks in the wrong place", len(files))
	}
	for _, line := range Check("nubo", files) {
		t.Error(line)
	}
}

// TestRules shows that each rule can be broken.
func TestRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file File
		want string // prefix of the violation; "" for none
	}{
		"cmd may import app":                  {File{Package: "cmd/nubo", Imports: []string{"nubo/app"}}, ""},
		"nothing else imports app":            {File{Package: "network", Imports: []string{"nubo/app"}}, "rule 1"},
		"a kit imports no component":          {File{Package: "internal/db", Imports: []string{"nubo/network"}}, "rule 1"},
		"sdk imports no kit":                  {File{Package: "sdk/image", Imports: []string{"nubo/internal/fault"}}, "rule 1"},
		"a component imports no other":        {File{Package: "network/api", Imports: []string{"nubo/compute"}}, "rule 2"},
		"a component imports another's sdk":   {File{Package: "network", Imports: []string{"nubo/sdk/compute"}}, ""},
		"a component imports no broker":       {File{Package: "volume/manager", Imports: []string{"nubo/broker"}}, "rule 3"},
		"the broker imports no kit of clouds": {File{Package: "broker/queue", Imports: []string{"nubo/internal/auth"}}, "rule 4"},
		"the broker imports the clock":        {File{Package: "broker", Imports: []string{"nubo/internal/clock"}}, ""},
		"api imports its root":                {File{Package: "image/api", Imports: []string{"nubo/image"}}, ""},
		"the root imports no door":            {File{Package: "image", Imports: []string{"nubo/image/store"}}, "rule 5"},
		"api imports no store":                {File{Package: "image/api", Imports: []string{"nubo/image/store"}}, "rule 5"},
		"agent imports its driver":            {File{Package: "compute/agent", Imports: []string{"nubo/compute/driver"}}, ""},
		"api imports no SQL":                  {File{Package: "image/api", Imports: []string{"github.com/uptrace/bun"}}, "rule 5"},
		"store imports SQL":                   {File{Package: "image/store", Imports: []string{"github.com/uptrace/bun"}}, ""},
		"the root runs no command":            {File{Package: "volume", Imports: []string{"os/exec"}}, "rule 5"},
		"no own HTTP errors":                  {File{Package: "volume/api", WritesErrors: true}, "rule 6"},
		"no long file":                        {File{Package: "volume", Lines: 801}, "rule 10"},
		"a long generated file":               {File{Package: "volume", Lines: 9001, Generated: true}, ""},
	} {
		got := strings.Join(Check("nubo", []File{c.file}), "\n")
		if c.want == "" && got != "" || c.want != "" && !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q; want prefix %q", name, got, c.want)
		}
	}
}

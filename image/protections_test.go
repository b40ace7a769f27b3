package image

import (
	"strings"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/testx"
)

const wholeRule = "[^x_]\ncreate = admin\nread = admin,Member\nupdate = @\ndelete = !\n"

func TestParseProtections(t *testing.T) {
	t.Parallel()
	p, err := ParseProtections(strings.NewReader("# a comment\n; another\n\n" + wholeRule))
	testx.NoErr(t, err)
	member, admin := &auth.Context{Roles: []string{"member"}}, &auth.Context{Roles: []string{"Admin"}}
	for _, tc := range []struct {
		who  *auth.Context
		op   Operation
		name string
		want bool
	}{
		{admin, PropertyCreate, "x_1", true}, {member, PropertyCreate, "x_1", false}, {member, PropertyRead, "x_1", true},
		{&auth.Context{}, PropertyUpdate, "x_1", true}, {admin, PropertyDelete, "x_1", false}, {admin, PropertyRead, "y", false},
	} {
		if got := p.Allows(tc.who, tc.op, tc.name); got != tc.want {
			t.Errorf("%v %s %s: %v", tc.who.Roles, tc.op, tc.name, got)
		}
	}
	for text, why := range map[string]string{
		"create = admin\n":             "line 1", // of no section
		"[(]\n":                        "line 1",
		"[a\n":                         "line 1",
		"[a]\nsmell = admin\n":         "line 2",
		"[a]\ncreate\n":                "line 2",
		wholeRule + "create = admin\n": "given twice",
		"[a]\ncreate = admin\n":        "says nothing of read",
		"[a]\ncreate = @,!\n":          "at once",
		strings.Repeat("x", 100_000):   "too long",
	} {
		if _, err := ParseProtections(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.30q: %v; want %q", text, err, why)
		}
	}
	if !(*Protections)(nil).Allows(&auth.Context{}, PropertyDelete, "any") {
		t.Error("without protections not everyone may")
	}
}

func FuzzParseProtections(f *testing.F) {
	f.Add(wholeRule)
	f.Add("[a]\ncreate=@\n[b]")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProtections(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, r := range p.rules {
			if len(r.roles) != len(operations) {
				t.Fatalf("%q makes a rule with %d operations", text, len(r.roles))
			}
		}
	})
}

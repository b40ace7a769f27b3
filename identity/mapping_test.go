package identity

import (
	"encoding/json"
	"testing"

	"nubo/internal/testx"
)

func parsed(t testing.TB, text string) MappingRules {
	t.Helper()
	var list []any
	testx.NoErr(t, json.Unmarshal([]byte(text), &list))
	rules, err := ParseRules(list)
	testx.NoErr(t, err)
	return rules
}

func TestMapping(t *testing.T) {
	t.Parallel()
	a := Assertion{"sub": {"u1"}, "mail": {"u1@example.org"}, "groups": {"dev", "ops", "guest"}, "kind": {"employee"}}
	for name, test := range map[string]struct {
		rules string
		want  Mapped
		ok    bool
	}{
		"direct": {`[{"local":[{"user":{"name":"{0}","email":"{1}"}}],"remote":[{"type":"sub"},{"type":"mail"}]}]`,
			Mapped{User: UserRef{Name: "u1"}, Email: "u1@example.org"}, true},
		"a condition takes no number": {`[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"kind","any_one_of":["employee"]},{"type":"sub"}]}]`,
			Mapped{User: UserRef{Name: "u1"}}, true},
		"not any of":     {`[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"sub"},{"type":"kind","not_any_of":["employee"]}]}]`, Mapped{}, false},
		"expression":     {`[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"sub"},{"type":"mail","any_one_of":[".*@example.org$"],"regex":true}]}]`, Mapped{User: UserRef{Name: "u1"}}, true},
		"absent":         {`[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"nothing"}]}]`, Mapped{}, false},
		"no such number": {`[{"local":[{"user":{"name":"{7}"}}],"remote":[{"type":"sub"}]}]`, Mapped{}, false},
		"groups by white": {`[{"local":[{"user":{"name":"{0}"}},{"groups":"{1}","domain":{"id":"d"}}],"remote":[{"type":"sub"},{"type":"groups","whitelist":["dev","ops"]}]}]`,
			Mapped{User: UserRef{Name: "u1"}, Groups: []GroupRef{{Name: "dev", DomainID: "d"}, {Name: "ops", DomainID: "d"}}}, true},
		"groups by black": {`[{"local":[{"user":{"name":"{0}"}},{"group_ids":"{1}"}],"remote":[{"type":"sub"},{"type":"groups","blacklist":["guest"]}]}]`,
			Mapped{User: UserRef{Name: "u1"}, Groups: []GroupRef{{ID: "dev"}, {ID: "ops"}}}, true},
		"local user": {`[{"local":[{"user":{"id":"{0}","type":"local","domain":{"name":"D"}}}],"remote":[{"type":"sub"}]}]`,
			Mapped{Local: true, User: UserRef{ID: "u1", Name: "u1", DomainName: "D"}}, true},
		"projects": {`[{"local":[{"user":{"name":"{0}"}},{"projects":[{"name":"of {0}","roles":[{"name":"member"}]}]}],"remote":[{"type":"sub"}]}]`,
			Mapped{User: UserRef{Name: "u1"}, Projects: []MappedProject{{Name: "of u1", Roles: []string{"member"}}}}, true},
		"two rules": {`[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"sub"}]},{"local":[{"group":{"id":"g"}}],"remote":[{"type":"kind","any_one_of":["employee"]}]}]`,
			Mapped{User: UserRef{Name: "u1"}, Groups: []GroupRef{{ID: "g"}}}, true},
	} {
		got, ok := parsed(t, test.rules).Map(a)
		if ok != test.ok {
			t.Errorf("%s: %v", name, ok)
		} else if ok {
			testx.Equal(t, got, test.want)
		}
	}
}

// FuzzMapping holds rules and assertions of any kind against the engine: it
// refuses or maps, and never fails.
func FuzzMapping(f *testing.F) {
	f.Add(`[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"sub"}]}]`, "sub", "u")
	f.Add(`[{"local":[{"groups":"{0}{1}"}],"remote":[{"type":"a","regex":true,"whitelist":["("]}]}]`, "a", ";")
	f.Fuzz(func(t *testing.T, text, key, value string) {
		var list []any
		if json.Unmarshal([]byte(text), &list) != nil {
			return
		}
		rules, err := ParseRules(list)
		if err != nil {
			return
		}
		if who, ok := rules.Map(Assertion{key: {value}}); ok && who.User.Name == "" {
			t.Errorf("mapped to nobody: %s", text)
		}
	})
}

package pattern_test

import (
	"regexp"
	"testing"

	"nubo/broker/pattern"
	"nubo/internal/testx"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{"", "x"}, nil},
		{"^a", []string{"a", "ab"}, []string{"ba"}},
		{`^(?!(amq\.)|(.*_fanout_)|(reply_)).*`, []string{"nova", "xreply_", "amqx"}, []string{"amq.gen", "a_fanout_b", "reply_1"}},
		{`^(?!amq\.)`, []string{"", "nova"}, []string{"amq.x"}},
		{`^(?=no)(?!nova$)n.v`, []string{"novb", "nova.x"}, []string{"nova", "nav"}},
		{`^(?![)(]|\)).`, []string{"x"}, []string{"(", ")", ""}},
		{`^(?![]]).`, []string{"x"}, []string{"]"}},
		{`^(?!a)(b|c)$`, []string{"b", "c"}, []string{"a", "d"}},
	} {
		p, err := pattern.Compile(tc.pattern)
		testx.NoErr(t, err)
		for _, s := range tc.yes {
			testx.Equal(t, []any{tc.pattern, s, p.MatchString(s)}, []any{tc.pattern, s, true})
		}
		for _, s := range tc.no {
			testx.Equal(t, []any{tc.pattern, s, p.MatchString(s)}, []any{tc.pattern, s, false})
		}
	}
	for _, bad := range []string{"(", "^(?!a", "^(?!a|b", "^(?!()x", "^(?!a)(", "(?!a)b", "^a(?!b)", "^(?!a)b|c", "^(?<!a)b", "^)"} {
		if _, err := pattern.Compile(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// FuzzCompile takes what Go's package takes, as that does, and never panics.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{"a", `^(?!(amq\.)).*`, "^(?=[", `^(?!\`, "^(?!)", "^(?![^]])x|y"} {
		f.Add(seed, "amq.x")
	}
	f.Fuzz(func(t *testing.T, expr, s string) {
		p, err := pattern.Compile(expr)
		re, plain := regexp.Compile(expr)
		if plain == nil && (err != nil || p.MatchString(s) != re.MatchString(s)) {
			t.Errorf("%q matches %q differently", expr, s)
		}
		if err == nil {
			p.MatchString(s)
		}
	})
}

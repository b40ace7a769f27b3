package match_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/internal/testx"
)

type binding = match.Binding[int]

// route matches and returns the destinations sorted, each once.
func route(m match.Matcher[int], key string, headers amqp.Table) []int {
	got := m.Match(match.Message{Key: key, Headers: func() amqp.Table { return headers }}, []int{})
	slices.Sort(got)
	return slices.Compact(got)
}

func TestTopic(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"a.b", []string{"a.b"}, []string{"", "a", "a.b.c", "a.c", "a.b."}},
		{"*", []string{"a", "abc"}, []string{"", "a.b"}},
		{"#", []string{"", "a", "a.b.c", "..", "."}, nil},
		{"a.*.c", []string{"a.b.c", "a..c"}, []string{"a.c", "a.b.b.c"}},
		{"a.#", []string{"a", "a.b", "a.b.c"}, []string{"b", "ab", ""}},
		{"#.c", []string{"c", "b.c", "a.b.c"}, []string{"c.a", ""}},
		{"a.#.c", []string{"a.c", "a.b.c", "a.b.b.c", "a.c.c"}, []string{"a", "c", "a.b"}},
		{"#.#", []string{"", "a", "a.b"}, nil},
		{"*.#", []string{"a", "a.b"}, []string{""}},
		{"#.*", []string{"a", "a.b"}, []string{""}},
		{"", []string{""}, []string{"a", "."}},
		{"a.", []string{"a."}, []string{"a", "a.b"}},
		{"ab*", []string{"ab*"}, []string{"abc"}},
	}
	for _, tc := range tests {
		m := match.New(match.Topic, []binding{{Dest: 1, Key: tc.pattern}})
		for want, keys := range map[bool][]string{true: tc.yes, false: tc.no} {
			for _, key := range keys {
				if got := len(route(m, key, nil)) == 1; got != want {
					t.Errorf("%q matches %q: got %v; want %v", tc.pattern, key, got, want)
				}
			}
		}
	}
}

// matches is the rule of topics said as plainly as possible.
func matches(pattern, words []string) bool {
	switch {
	case len(pattern) == 0:
		return len(words) == 0
	case pattern[0] == "#":
		return matches(pattern[1:], words) || len(words) > 0 && matches(pattern, words[1:])
	case len(words) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == words[0]) && matches(pattern[1:], words[1:])
}

func split(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}

func TestTopicAgainstRule(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]string{"a", "b", "", "*", "#"})
	keys := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(word, 0, 6).Draw(t, "words"), ".") })
	rapid.Check(t, func(t *rapid.T) {
		var list []binding
		for i, k := range rapid.SliceOfN(keys, 0, 12).Draw(t, "bindings") {
			list = append(list, binding{Dest: i, Key: k})
		}
		key := keys.Draw(t, "key")
		want := []int{}
		for _, b := range list {
			if matches(split(b.Key), split(key)) {
				want = append(want, b.Dest)
			}
		}
		if got := route(match.New(match.Topic, list), key, nil); !slices.Equal(got, want) {
			t.Fatalf("%q: got %v; want %v", key, got, want)
		}
	})
}

// TestTopicIsBounded matches what would take for ever if every way through
// the wildcards were tried.
func TestTopicIsBounded(t *testing.T) {
	t.Parallel()
	pattern := strings.TrimSuffix(strings.Repeat("#.a.", 60), ".")
	key := strings.TrimSuffix(strings.Repeat("a.", 120), ".")
	m := match.New(match.Topic, []binding{{Dest: 1, Key: pattern}, {Dest: 2, Key: pattern + ".b"}})
	testx.Equal(t, route(m, key, nil), []int{1})
}

func TestDirectAndFanout(t *testing.T) {
	t.Parallel()
	list := []binding{{Dest: 1, Key: "a"}, {Dest: 2, Key: "a"}, {Dest: 2, Key: "b"}}
	direct, fanout := match.New(match.Direct, list), match.New(match.Fanout, list)
	testx.Equal(t, route(direct, "a", nil), []int{1, 2})
	testx.Equal(t, route(direct, "c", nil), []int{})
	testx.Equal(t, fanout.Match(match.Message{}, nil), []int{1, 2})
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	type table = amqp.Table
	now := time.Unix(1700000000, 0)
	tests := []struct {
		args, headers table
		want          bool
	}{
		{table{}, nil, true},
		{table{"x-match": "any"}, table{"a": "b"}, false},
		{table{"a": "1", "b": "2"}, table{"a": "1", "b": "2", "c": "3"}, true},
		{table{"a": "1", "b": "2"}, table{"a": "1"}, false},
		{table{"x-match": "any", "a": "1", "b": "2"}, table{"b": "2"}, true},
		{table{"x-match": "any", "a": "1", "b": "2"}, table{"b": "1"}, false},
		{table{"a": nil}, table{"a": "anything"}, true},
		{table{"a": nil}, table{}, false},
		{table{"a": int32(1)}, table{"a": int64(1)}, true},
		{table{"a": int32(1)}, table{"a": "1"}, false},
		{table{"a": float32(1.5)}, table{"a": 1.5}, true},
		{table{"a": true}, table{"a": false}, false},
		{table{"a": []byte("x")}, table{"a": []byte("x")}, true},
		{table{"a": now}, table{"a": now.UTC()}, true},
		{table{"a": []any{"x", int8(1)}}, table{"a": []any{"x", int32(1)}}, true},
		{table{"a": []any{"x"}}, table{"a": []any{"x", "y"}}, false},
		{table{"a": table{"b": "c"}}, table{"a": table{"b": "c"}}, true},
		{table{"a": table{"b": "c"}}, table{"a": table{"b": "d"}}, false},
		{table{"a": table{"b": "c"}}, table{"a": "c"}, false},
		{table{"x-ignored": "1", "a": "1"}, table{"a": "1"}, true},
		{table{"x-match": "all-with-x", "x-seen": "1"}, table{"a": "1"}, false},
		{table{"x-match": "any-with-x", "x-seen": "1"}, table{"x-seen": "1"}, true},
	}
	for _, tc := range tests {
		m := match.New(match.Headers, []binding{{Dest: 1, Args: tc.args}})
		if got := len(route(m, "", tc.headers)) == 1; got != tc.want {
			t.Errorf("%v with %v: got %v; want %v", tc.args, tc.headers, got, tc.want)
		}
	}
}

func BenchmarkTopic(b *testing.B) {
	var list []binding
	for i := range 1000 {
		list = append(list, binding{Dest: i, Key: fmt.Sprintf("topic%d.*.host", i)}, binding{Dest: i, Key: fmt.Sprintf("#.end%d", i)})
	}
	m := match.New(match.Topic, list)
	var dst []int
	b.ReportAllocs()
	for b.Loop() {
		dst = m.Match(match.Message{Key: "topic500.x.host"}, dst[:0])
	}
}

package policy_test

import (
	"testing"

	"nubo/amqp"
	"nubo/broker/policy"
	"nubo/internal/testx"
)

// TestCheck refuses what RabbitMQ refuses, in its words.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		definition amqp.Table
		operator   bool
		reason     string // "" is none
	}{
		{amqp.Table{"max-age": "7D", "stream-max-segment-size-bytes": int64(1000), "max-length": int64(5), "overflow": "drop-head"}, false, ""},
		{amqp.Table{"message-ttl": int64(5), "max-length-bytes": int64(5)}, true, ""},
		{amqp.Table{}, false, "no policy provided"},
		{amqp.Table{"max-age": "soon"}, false, `<<"soon">> is not a valid max age`},
		{amqp.Table{"max-age": int64(5)}, false, `5 is not a valid max age`},
		{amqp.Table{"stream-max-segment-size-bytes": int64(3_000_000_001)}, false, `3000000001 is not a valid segment size`},
		{amqp.Table{"message-ttl": int64(-1)}, false, `-1 is not a valid message ttl`},
		{amqp.Table{"overflow": "no"}, false, `<<"no">> is not a valid overflow`},
		{amqp.Table{"max-age": "7D"}, true, `[{<<"max-age">>,<<"7D">>}] are not recognised policy settings`},
		{amqp.Table{"nonsense": int64(1)}, false, `[{<<"nonsense">>,1}] are not recognised policy settings`},
	} {
		p := policy.Policy{Name: "p", Pattern: ".*", Definition: c.definition}
		got := ""
		if err := p.Check(c.operator); err != nil {
			got = err.Error()
		}
		want := ""
		if c.reason != "" {
			want = "Validation failed\n\n" + c.reason + "\n"
		}
		testx.Equal(t, got, want)
	}
}

// TestMatch finds the policy of the highest priority that is about a thing.
func TestMatch(t *testing.T) {
	t.Parallel()
	var s policy.Set
	for _, p := range []policy.Policy{
		{Name: "low", Pattern: ".*", ApplyTo: "all"}, {Name: "streams", Pattern: "^s", ApplyTo: "streams", Priority: 2},
		{Name: "quorum", Pattern: "q", ApplyTo: "quorum_queues", Priority: 3}, {Name: "queues", Pattern: "any", ApplyTo: "queues", Priority: 1},
	} {
		s.Put(p)
	}
	for _, c := range []struct {
		name string
		kind policy.Kind
		want string
	}{
		{"s1", policy.Stream, "streams"}, {"s1", policy.ClassicQueue, "low"}, {"q", policy.QuorumQueue, "quorum"},
		{"any", policy.Stream, "queues"}, {"any", policy.Exchange, "low"}, {"sq", policy.QuorumQueue, "quorum"},
	} {
		testx.Equal(t, s.Match(c.name, c.kind).Name, c.want)
	}
	testx.Equal(t, s.Delete("low"), true)
	testx.Equal(t, s.Delete("low"), false)
	testx.Equal(t, s.Match("x", policy.Exchange) == nil, true)
}

// Package policy is what operators say about queues and exchanges by name:
// policies, and operator policies that bound them.
package policy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"nubo/amqp"
	"nubo/broker/pattern"
	"nubo/broker/stream"
)

// Policy sets arguments of all queues or exchanges of a name.
type Policy struct {
	Name    string
	Pattern string
	// ApplyTo is "queues", "exchanges", "all", "classic_queues", "quorum_queues"
	// or "streams".
	ApplyTo  string
	Priority int
	// Definition has numbers as int64 and words as string.
	Definition amqp.Table
}

// Kind is what a policy is looked up for.
type Kind string

// The kinds.
const (
	Exchange     Kind = "exchanges"
	ClassicQueue Kind = "classic_queues"
	QuorumQueue  Kind = "quorum_queues"
	Stream       Kind = "streams"
)

// numbers are the settings that are numbers, with their smallest value. An
// operator policy may set these only: of two, the smaller holds.
var numbers = map[string]int64{
	"message-ttl": 0, "expires": 1, "max-length": 0, "max-length-bytes": 0, "delivery-limit": 0,
	"max-in-memory-length": 0, "max-in-memory-bytes": 0,
}

// words are the settings that are words, with the words allowed; none is any.
var words = map[string][]string{
	"dead-letter-exchange": nil, "dead-letter-routing-key": nil, "alternate-exchange": nil,
	"overflow": {"drop-head", "reject-publish", "reject-publish-dlx"}, "queue-mode": {"default", "lazy"},
	"dead-letter-strategy": {"at-most-once", "at-least-once"}, "queue-master-locator": nil, "queue-leader-locator": nil,
	"ha-mode": {"all", "exactly", "nodes"}, "ha-sync-mode": {"manual", "automatic"},
	"ha-promote-on-shutdown": {"always", "when-synced"}, "ha-promote-on-failure": {"always", "when-synced"},
}

// others are accepted whatever they are: they mean nothing to a single node.
var others = []string{"ha-params", "ha-sync-batch-size", "queue-version", "consumer-timeout", "federation-upstream", "federation-upstream-set"}

// streamSettings are those of streams alone.
var streamSettings = []string{"max-age", "stream-max-segment-size-bytes"}

// Check validates a policy, wording what is wrong as RabbitMQ does.
func (p *Policy) Check(operator bool) error {
	if _, err := pattern.Compile(p.Pattern); err != nil {
		return invalid("%q should be a regular expression: %v", p.Pattern, err)
	}
	switch p.ApplyTo {
	case "":
		p.ApplyTo = "all"
	case "all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams":
	default:
		return invalid("apply-to '%s' unrecognised; should be one of: 'queues', 'classic_queues', 'quorum_queues', 'streams', 'exchanges', 'all'", p.ApplyTo)
	}
	if len(p.Definition) == 0 {
		return invalid("no policy provided")
	}
	var unknown []string
	for name, v := range p.Definition {
		_, isNumber := numbers[name]
		_, isWord := words[name]
		if !isNumber && (operator || !isWord && !slices.Contains(streamSettings, name) && !slices.Contains(others, name)) {
			unknown = append(unknown, fmt.Sprintf("{<<%q>>,%s}", name, term(v)))
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return invalid("[%s] are not recognised policy settings", strings.Join(unknown, ","))
	}
	for _, name := range sortedKeys(p.Definition) {
		if err := checkSetting(name, p.Definition[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkSetting(name string, v any) error {
	switch name {
	case "max-age":
		s, isString := v.(string)
		if _, err := stream.ParseAge(s); !isString || err != nil {
			return invalid("%s is not a valid max age", term(v))
		}
		return nil
	case "stream-max-segment-size-bytes":
		if n, isInt := amqp.Integer(v); !isInt || n < 0 || n > stream.MaxSegment {
			return invalid("%s is not a valid segment size", term(v))
		}
		return nil
	}
	if min, ok := numbers[name]; ok {
		n, isInt := amqp.Integer(v)
		if !isInt || n < min || name == "message-ttl" && n > math.MaxUint32 {
			return invalid("%s is not a valid %s", term(v), strings.ReplaceAll(name, "-", " "))
		}
		return nil
	}
	allowed, ok := words[name]
	if !ok {
		return nil
	}
	s, isString := v.(string)
	if !isString || allowed != nil && !slices.Contains(allowed, s) {
		return invalid("%s is not a valid %s", term(v), strings.ReplaceAll(name, "-", " "))
	}
	return nil
}

// Error is a policy that was refused.
type Error struct{ Reason string }

// Error is the text RabbitMQ's tools print.
func (e *Error) Error() string { return "Validation failed\n\n" + e.Reason + "\n" }

func invalid(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// term prints a value as Erlang would.
func term(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("<<%q>>", s)
	}
	return fmt.Sprint(v)
}

func sortedKeys(t amqp.Table) []string {
	keys := make([]string, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Set holds the policies of one virtual host. It has no lock of its own.
type Set struct {
	list []compiled // by falling priority
}

type compiled struct {
	Policy
	re *pattern.Pattern
}

// Put adds a policy that was checked, or replaces the one of its name.
func (s *Set) Put(p Policy) {
	s.Delete(p.Name)
	re, err := pattern.Compile(p.Pattern)
	if err != nil {
		panic(err) // it was checked
	}
	s.list = append(s.list, compiled{p, re})
	slices.SortStableFunc(s.list, func(a, b compiled) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Name, b.Name))
	})
}

// Delete removes a policy and tells whether it was there.
func (s *Set) Delete(name string) bool {
	n := len(s.list)
	s.list = slices.DeleteFunc(s.list, func(c compiled) bool { return c.Name == name })
	return len(s.list) < n
}

// List is the policies by name.
func (s *Set) List() []Policy {
	list := make([]Policy, 0, len(s.list))
	for _, c := range s.list {
		list = append(list, c.Policy)
	}
	slices.SortFunc(list, func(a, b Policy) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Match is the policy of the highest priority that is about the name; nil if
// none is.
func (s *Set) Match(name string, k Kind) *Policy {
	for i := range s.list {
		if c := &s.list[i]; c.about(k) && c.re.MatchString(name) {
			return &c.Policy
		}
	}
	return nil
}

func (p *Policy) about(k Kind) bool {
	return p.ApplyTo == "all" || p.ApplyTo == string(k) || p.ApplyTo == "queues" && k != Exchange
}

// Merge is the definition that holds when both a policy and an operator policy
// match; either may be nil.
func Merge(p, operator *Policy) amqp.Table {
	def := amqp.Table{}
	if p != nil {
		for k, v := range p.Definition {
			def[k] = v
		}
	}
	if operator == nil {
		return def
	}
	for k, v := range operator.Definition {
		mine, has := amqp.Integer(def[k])
		if theirs, ok := amqp.Integer(v); !has || ok && theirs < mine {
			def[k] = v
		}
	}
	return def
}

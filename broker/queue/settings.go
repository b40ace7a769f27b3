package queue

import (
	"fmt"
	"math"
	"time"

	"nubo/amqp"
	"nubo/broker/stream"
)

// Type is a kind of queue.
type Type string

// The types.
const (
	Classic Type = "classic"
	Quorum  Type = "quorum"
	Stream  Type = "stream"
)

// Overflow is what a full queue does.
type Overflow int

// The ways of overflow.
const (
	DropHead Overflow = iota
	RejectPublish
	RejectPublishDLX // the refused message is dead-lettered
)

// Settings are what a queue's arguments and the policies on it ask for.
type Settings struct {
	// Type, MaxPriority and SingleActive stay what the declaration said.
	Type         Type
	MaxPriority  uint8
	SingleActive bool
	// TTL is the messages' time to live in milliseconds, or -1.
	TTL int64
	// Expires is how long the queue lives unused, or 0.
	Expires time.Duration
	// MaxLength and MaxBytes bound what is ready, or are -1.
	MaxLength, MaxBytes int64
	Overflow            Overflow
	// DLX and DLKey are the dead letters' exchange and routing key, or nil.
	DLX, DLKey *string
	// DeliveryLimit is how often a message may come back, or -1.
	DeliveryLimit int64
	// ConsumerTimeout is how long a consumer may sit on a message; 0 if the
	// broker's default holds.
	ConsumerTimeout time.Duration
	// MaxAge is how long a stream keeps messages, or -1, SegmentBytes how large
	// the segments are that it drops at once.
	MaxAge       time.Duration
	SegmentBytes int64

	// Policy and OperatorPolicy are the names of those that hold, Definition
	// what they say together.
	Policy, OperatorPolicy string
	Definition             amqp.Table

	hasOverflow bool // the arguments said so: policies do not count
}

// maxTTL is the longest time RabbitMQ accepts, in milliseconds.
const maxTTL = math.MaxUint32

// BadArg is a declaration that was refused.
type BadArg struct{ before, after, whole string }

// Text is the error for a queue, as RabbitMQ words it.
func (b *BadArg) Text(queue, vhost string) string {
	if b.whole != "" {
		return b.whole
	}
	return fmt.Sprintf("%s queue '%s' in vhost '%s'%s", b.before, queue, vhost, b.after)
}

func badArg(arg, reason string) *BadArg {
	return &BadArg{before: "invalid arg '" + arg + "' for", after: ": " + reason}
}

func unacceptable(arg string, v any) *BadArg {
	return badArg(arg, "{unacceptable_type,"+amqp.TypeName(v)+"}")
}

var streamOnly = []string{"x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size"}

// wrongType lists the arguments that only one of the types knows.
var wrongType = map[Type][]string{
	Classic: append([]string{
		"x-delivery-limit", "x-quorum-initial-group-size", "x-max-in-memory-length", "x-max-in-memory-bytes", "x-dead-letter-strategy",
	}, streamOnly...),
	Quorum: append([]string{"x-max-priority", "x-queue-mode", "x-queue-version"}, streamOnly...),
	Stream: {
		"x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-max-length",
		"x-max-in-memory-length", "x-max-in-memory-bytes", "x-max-priority", "x-overflow", "x-queue-mode", "x-queue-version",
		"x-single-active-consumer", "x-quorum-initial-group-size", "x-delivery-limit",
	},
}

// Parse reads the flags and arguments of a queue.declare.
func Parse(flags Flags, args amqp.Table) (Settings, *BadArg) {
	s := Settings{Type: Classic, TTL: -1, MaxLength: -1, MaxBytes: -1, DeliveryLimit: -1, MaxAge: -1, SegmentBytes: stream.DefaultSegment}
	if bad := s.parseType(flags, args["x-queue-type"]); bad != nil {
		return s, bad
	}
	for _, name := range wrongType[s.Type] {
		if _, ok := args[name]; ok {
			return s, &BadArg{before: "invalid arg '" + name + "' for", after: " of queue type rabbit_" + string(s.Type) + "_queue"}
		}
	}
	if bad := s.parseNumbers(args); bad != nil {
		return s, bad
	}
	return s, s.parseWords(args)
}

// parseType reads x-queue-type and what quorum queues and streams must be.
func (s *Settings) parseType(flags Flags, arg any) *BadArg {
	switch v := arg.(type) {
	case nil:
	case string:
		s.Type = Type(v)
	default:
		return unacceptable("x-queue-type", arg)
	}
	switch s.Type {
	case Classic:
		return nil
	case Quorum, Stream:
	default:
		return badArg("x-queue-type", fmt.Sprintf(`"unsupported queue type '%s'"`, s.Type))
	}
	for _, p := range []struct {
		bad  bool
		name string
	}{{!flags.Durable, "non-durable"}, {flags.AutoDelete, "auto-delete"}, {flags.Exclusive, "exclusive-owner"}} {
		if p.bad {
			return &BadArg{before: "invalid property '" + p.name + "' for"}
		}
	}
	return nil
}

func (s *Settings) parseNumbers(args amqp.Table) *BadArg {
	for _, p := range []struct {
		name     string
		min, max int64
		set      func(int64)
	}{
		{"x-message-ttl", 0, maxTTL, func(v int64) { s.TTL = v }},
		{"x-expires", 1, maxTTL, func(v int64) { s.Expires = time.Duration(v) * time.Millisecond }},
		{"x-max-length", 0, math.MaxInt64, func(v int64) { s.MaxLength = v }},
		{"x-max-length-bytes", 0, math.MaxInt64, func(v int64) { s.MaxBytes = v }},
		{"x-max-priority", 0, math.MaxUint8, func(v int64) { s.MaxPriority = uint8(v) }},
		{"x-delivery-limit", math.MinInt64, math.MaxInt64, func(v int64) { s.DeliveryLimit = max(v, -1) }},
		{"x-stream-max-segment-size-bytes", 0, math.MaxInt64, func(v int64) { s.SegmentBytes = v }},
		{"x-initial-cluster-size", 1, math.MaxInt64, func(int64) {}},
		{"x-consumer-timeout", math.MinInt64, math.MaxInt64, func(v int64) { s.ConsumerTimeout = time.Duration(max(v, 0)) * time.Millisecond }},
	} {
		arg, ok := args[p.name]
		if !ok {
			continue
		}
		v, reason := integer(arg, p.min, p.max)
		if reason != "" {
			return badArg(p.name, reason)
		}
		p.set(v)
	}
	if s.SegmentBytes > stream.MaxSegment {
		return &BadArg{whole: "Exceeded max value for x-stream-max-segment-size-bytes"}
	}
	return nil
}

func (s *Settings) parseWords(args amqp.Table) *BadArg {
	switch v := args["x-overflow"].(type) {
	case nil:
	case string:
		o, ok := overflows[v]
		if !ok {
			return badArg("x-overflow", "invalid_overflow")
		}
		s.Overflow, s.hasOverflow = o, true
	default:
		return unacceptable("x-overflow", v)
	}
	switch v := args["x-single-active-consumer"].(type) {
	case nil:
	case bool:
		s.SingleActive = v
	default:
		return unacceptable("x-single-active-consumer", v)
	}
	switch v := args["x-queue-mode"].(type) {
	case nil:
	case string:
		if v != "lazy" && v != "default" {
			return badArg("x-queue-mode", fmt.Sprintf(`"unsupported queue mode '%s'"`, v))
		}
	default:
		return unacceptable("x-queue-mode", v)
	}
	switch v := args["x-max-age"].(type) {
	case nil:
	case string:
		age, err := stream.ParseAge(v)
		if err != nil {
			return badArg("x-max-age", err.Error())
		}
		s.MaxAge = age
	default:
		return unacceptable("x-max-age", v)
	}
	if v, ok := args["x-queue-version"]; ok {
		if n, isInt := amqp.Integer(v); !isInt || n != 1 && n != 2 {
			return badArg("x-queue-version", fmt.Sprintf(`"unsupported queue version '%v'"`, v))
		}
	}
	return s.parseDeadLetter(args)
}

func (s *Settings) parseDeadLetter(args amqp.Table) *BadArg {
	switch v := args["x-dead-letter-exchange"].(type) {
	case nil:
	case string:
		s.DLX = &v
	default:
		return &BadArg{before: fmt.Sprintf("invalid type '%s' for arg 'x-dead-letter-exchange' in", amqp.TypeName(v))}
	}
	switch v := args["x-dead-letter-routing-key"].(type) {
	case nil:
	case string:
		if s.DLX == nil {
			return badArg("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined")
		}
		s.DLKey = &v
	default:
		return unacceptable("x-dead-letter-routing-key", v)
	}
	return nil
}

var overflows = map[string]Overflow{"drop-head": DropHead, "reject-publish": RejectPublish, "reject-publish-dlx": RejectPublishDLX}

// With returns the settings with a policy's definition on top: of two numbers
// the smaller holds, of two words the argument's.
func (s Settings) With(policy amqp.Table) Settings {
	if s.Type == Stream {
		return s.withStream(policy)
	}
	for name, p := range map[string]*int64{
		"message-ttl": &s.TTL, "max-length": &s.MaxLength, "max-length-bytes": &s.MaxBytes, "delivery-limit": &s.DeliveryLimit,
	} {
		if v, ok := amqp.Integer(policy[name]); ok && (*p < 0 || v < *p) {
			*p = v
		}
	}
	for name, p := range map[string]*time.Duration{"expires": &s.Expires, "consumer-timeout": &s.ConsumerTimeout} {
		if v, ok := amqp.Integer(policy[name]); ok {
			if d := time.Duration(v) * time.Millisecond; *p == 0 || d < *p {
				*p = d
			}
		}
	}
	if v, ok := policy["overflow"].(string); ok && !s.hasOverflow {
		s.Overflow = overflows[v]
	}
	if v, ok := policy["dead-letter-exchange"].(string); ok && s.DLX == nil {
		s.DLX = &v
	}
	if v, ok := policy["dead-letter-routing-key"].(string); ok && s.DLKey == nil {
		s.DLKey = &v
	}
	return s
}

// withStream is With of a stream, which takes these settings only.
func (s Settings) withStream(policy amqp.Table) Settings {
	if v, ok := amqp.Integer(policy["max-length-bytes"]); ok && (s.MaxBytes < 0 || v < s.MaxBytes) {
		s.MaxBytes = v
	}
	if v, ok := amqp.Integer(policy["stream-max-segment-size-bytes"]); ok {
		s.SegmentBytes = min(v, stream.MaxSegment)
	}
	if v, ok := policy["max-age"].(string); ok {
		if age, err := stream.ParseAge(v); err == nil && (s.MaxAge < 0 || age < s.MaxAge) {
			s.MaxAge = age
		}
	}
	return s
}

// limits are what a stream is to keep.
func (s *Settings) limits() stream.Limits {
	return stream.Limits{MaxAge: s.MaxAge, MaxBytes: s.MaxBytes, SegmentBytes: max(s.SegmentBytes, 1)}
}

// integer checks one integer argument.
func integer(arg any, min, max int64) (v int64, reason string) {
	v, ok := amqp.Integer(arg)
	switch {
	case !ok:
		return 0, fmt.Sprintf(`"expected integer, got %s"`, amqp.TypeName(arg))
	case v < min && v < 0:
		return 0, fmt.Sprintf("{value_negative,%d}", v)
	case v < min:
		return 0, "{value_zero,0}"
	case v > max && max == math.MaxUint8:
		return 0, fmt.Sprintf("{max_value_exceeded,%d}", v)
	case v > max:
		return 0, fmt.Sprintf("{value_too_large,%d}", v)
	}
	return v, ""
}

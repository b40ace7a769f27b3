package queue

import (
	"fmt"
	"math"
	"time"

	"nubo/amqp"
)

// Limits are the arguments of a queue that change what it does.
type Limits struct {
	// TTL is x-message-ttl in milliseconds, or -1.
	TTL int64
	// Expires is x-expires, or 0.
	Expires time.Duration
	// MaxLength and MaxBytes are x-max-length and x-max-length-bytes, or -1.
	MaxLength, MaxBytes int64
	// RejectPublish is x-overflow: reject-publish.
	RejectPublish bool
}

// maxTTL is the longest time RabbitMQ accepts, in milliseconds.
const maxTTL = math.MaxUint32

// BadArg is an argument that was refused; Reason is as RabbitMQ prints it.
type BadArg struct{ Arg, Reason string }

// ParseArgs reads the arguments of a queue.declare.
func ParseArgs(args amqp.Table) (Limits, *BadArg) {
	l := Limits{TTL: -1, MaxLength: -1, MaxBytes: -1}
	for _, p := range []struct {
		name     string
		min, max int64
		set      func(int64)
	}{
		{"x-message-ttl", 0, maxTTL, func(v int64) { l.TTL = v }},
		{"x-expires", 1, maxTTL, func(v int64) { l.Expires = time.Duration(v) * time.Millisecond }},
		{"x-max-length", 0, math.MaxInt64, func(v int64) { l.MaxLength = v }},
		{"x-max-length-bytes", 0, math.MaxInt64, func(v int64) { l.MaxBytes = v }},
	} {
		arg, ok := args[p.name]
		if !ok {
			continue
		}
		v, reason := integer(arg, p.min, p.max)
		if reason != "" {
			return l, &BadArg{p.name, reason}
		}
		p.set(v)
	}
	switch args["x-overflow"] {
	case nil, "drop-head":
	case "reject-publish", "reject-publish-dlx":
		l.RejectPublish = true
	default:
		return l, &BadArg{"x-overflow", "invalid_overflow"}
	}
	return l, nil
}

// integer checks one integer argument.
func integer(arg any, min, max int64) (v int64, reason string) {
	v, ok := amqp.Integer(arg)
	switch {
	case !ok:
		return 0, fmt.Sprintf(`"expected integer, got %s"`, amqp.TypeName(arg))
	case v < 0:
		return 0, fmt.Sprintf("{value_negative,%d}", v)
	case v < min:
		return 0, "{value_zero,0}"
	case v > max:
		return 0, fmt.Sprintf("{value_too_large,%d}", v)
	}
	return v, ""
}

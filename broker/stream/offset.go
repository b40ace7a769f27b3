package stream

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"nubo/amqp"
)

// Offset is where a consumer wants to begin; what x-stream-offset says.
type Offset struct {
	from   from
	number uint64
	time   time.Time
}

type from int

const (
	fromNext from = iota // what is published from now on
	fromFirst
	fromLast // with the last message there is
	fromNumber
	fromTime
)

var (
	errOffset = errors.New("invalid_offset_arg")
	errAge    = errors.New("invalid_max_age")
	errGap    = errors.New("a message is missing")
)

// ParseOffset reads the consumer argument x-stream-offset; nil is none.
func ParseOffset(arg any, now time.Time) (Offset, error) {
	switch v := arg.(type) {
	case nil:
		return Offset{}, nil
	case time.Time:
		return Offset{from: fromTime, time: v}, nil
	case string:
		switch v {
		case "first":
			return Offset{from: fromFirst}, nil
		case "last":
			return Offset{from: fromLast}, nil
		case "next":
			return Offset{}, nil
		}
		age, err := ParseAge(v)
		if err != nil {
			return Offset{}, err
		}
		return Offset{from: fromTime, time: now.Add(-age)}, nil
	}
	n, ok := amqp.Integer(arg)
	if !ok {
		return Offset{}, errOffset
	}
	return Offset{from: fromNumber, number: uint64(max(n, 0))}, nil
}

// units are those of an age, such as 7D; a month and a year are those of
// RabbitMQ's.
var units = map[string]time.Duration{
	"Y": 365 * 24 * time.Hour, "M": 30 * 24 * time.Hour, "D": 24 * time.Hour,
	"h": time.Hour, "m": time.Minute, "s": time.Second,
}

// ParseAge reads an age: a number and one of Y, M, D, h, m and s.
func ParseAge(s string) (time.Duration, error) {
	digits := strings.TrimRight(s, "YMDhms")
	unit, ok := units[s[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 || digits[0] == '+' {
		return 0, errAge
	}
	if n > int64(maxAge/unit) {
		return maxAge, nil
	}
	return time.Duration(n) * unit, nil
}

// maxAge is an age nothing reaches.
const maxAge = 200 * 365 * 24 * time.Hour

package stream

import (
	"errors"
	"testing"
	"time"

	"nubo/internal/testx"
)

func TestParseOffset(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		arg  any
		want Offset
		bad  error
	}{
		{nil, Offset{}, nil},
		{"next", Offset{}, nil},
		{"first", Offset{from: fromFirst}, nil},
		{"last", Offset{from: fromLast}, nil},
		{int32(7), Offset{from: fromNumber, number: 7}, nil},
		{int64(-7), Offset{from: fromNumber}, nil},
		{time.Unix(5, 0), Offset{from: fromTime, time: time.Unix(5, 0)}, nil},
		{"1h", Offset{from: fromTime, time: now.Add(-time.Hour)}, nil},
		{"90s", Offset{from: fromTime, time: now.Add(-90 * time.Second)}, nil},
		{"soon", Offset{}, errAge},
		{true, Offset{}, errOffset},
	} {
		got, err := ParseOffset(c.arg, now)
		testx.Equal(t, errors.Is(err, c.bad), true)
		testx.Equal(t, got == c.want, true)
	}
}

func FuzzParseAge(f *testing.F) {
	for _, s := range []string{"1Y", "2M", "3D", "4h", "5m", "6s", "", "s", "7", "+1s", "-1s", "99999999999Y", "99999999999999999999s", "1hh"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		age, err := ParseAge(s)
		if age < 0 || age > maxAge || err != nil && age != 0 {
			t.Errorf("%q is %v, %v", s, age, err)
		}
	})
}

func TestParseAge(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"1Y": 8760 * time.Hour, "1D": 24 * time.Hour, "1800s": 30 * time.Minute, "5m": 5 * time.Minute, "99999999999Y": maxAge,
		"": -1, "s": -1, "7": -1, "-1s": -1, "+1s": -1, "1hh": -1, "1w": -1,
	} {
		got, err := ParseAge(s)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %v; want %v", s, got, want)
		}
	}
}

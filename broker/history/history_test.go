package history_test

import (
	"testing"
	"time"

	"nubo/broker/history"
	"nubo/internal/testx"
)

func values(v history.View, metric string, age, incr time.Duration) []int64 {
	var list []int64
	for _, s := range v.Samples(metric, age, incr) {
		list = append(list, s.Value)
	}
	return list
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := history.New()
	q := history.Key{Kind: history.Queue, VHost: "/", Name: "q"}
	start := time.Unix(1_000_000, 0)
	record := func(at time.Duration, publish int64) {
		s.Record(start.Add(at), func(r history.Recorder) {
			add := r.Object(q)
			add("publish", publish)
			add("ack", 0)
		})
	}
	for i := range int64(4) {
		record(time.Duration(i)*history.Step, i*10)
	}
	s.Object(q, func(v history.View) {
		testx.Equal(t, v.Rate("publish"), 2.0)
		testx.Equal(t, v.Rate("ack"), 0.0)
		testx.Equal(t, values(v, "publish", 20*time.Second, 5*time.Second), []int64{30, 20, 10, 0, 0})
		testx.Equal(t, values(v, "publish", 20*time.Second, 10*time.Second), []int64{20, 0, 0})
		testx.Equal(t, v.Samples("publish", 0, 5*time.Second)[0].Time, start.Add(15*time.Second))
	})
	record(30*time.Second, 100) // two rounds were missed
	s.Object(q, func(v history.View) {
		testx.Equal(t, values(v, "publish", 20*time.Second, 5*time.Second), []int64{100, 30, 30, 30, 20})
	})
	s.Record(start.Add(35*time.Second), func(history.Recorder) {}) // the queue is gone
	s.Object(q, func(v history.View) {
		testx.Equal(t, values(v, "publish", 5*time.Second, 5*time.Second), []int64{0, 0})
	})
}

// TestLongHistory goes around all rings.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	s := history.New()
	k := history.Key{Kind: history.Cluster}
	start := time.Unix(1_800_000, 0)
	const steps = 24 * 720
	for i := range int64(steps + 1) {
		s.Record(start.Add(time.Duration(i)*history.Step), func(r history.Recorder) { r.Object(k)("publish", i+1) })
	}
	s.Object(k, func(v history.View) {
		testx.Equal(t, v.Rate("publish"), 0.2)
		for _, tc := range []struct{ age, incr, back time.Duration }{
			{time.Minute, 5 * time.Second, time.Minute}, {time.Hour, time.Minute, time.Hour}, {8 * time.Hour, 10 * time.Minute, 8 * time.Hour},
		} {
			got := values(v, "publish", tc.age, tc.incr)
			testx.Equal(t, got[0], int64(steps+1))
			want := int64(steps + 1 - tc.back/history.Step)
			// A coarse ring has the last value of each of its steps.
			if last := got[len(got)-1]; last < want || last > want+int64(tc.incr/history.Step) {
				t.Errorf("%s: got %d; want about %d", tc.age, last, want)
			}
		}
	})
}

// TestGaps misses many rounds, and has the clock set back.
func TestGaps(t *testing.T) {
	t.Parallel()
	s := history.New()
	k := history.Key{Kind: history.Queue, Name: "q"}
	start := time.Unix(1_000_000, 0)
	for _, at := range []time.Duration{0, 5 * time.Second, time.Hour, time.Hour + 2*time.Second, 30 * time.Minute, 2 * time.Hour} {
		s.Record(start.Add(at), func(r history.Recorder) { r.Object(k)("n", int64(at/time.Second)+1) })
	}
	s.Object(k, func(v history.View) {
		testx.Equal(t, values(v, "n", 10*time.Second, 5*time.Second), []int64{7201, 1801, 1801})
	})
	other := history.Key{Kind: history.Queue, Name: "other"}
	s.Record(start.Add(3*time.Hour), func(r history.Recorder) {
		r.Object(k)("n", 10)
		r.Object(other)("n", 5)
	})
	s.Objects([]history.Key{k, other}, func(v history.View) {
		testx.Equal(t, values(v, "n", 0, 5*time.Second), []int64{15})
		testx.Equal(t, v.Rate("none"), 0.0)
	})
}

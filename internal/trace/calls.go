package trace

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Route is who asks whom for what over the bus.
type Route struct {
	// Caller is the module that asks; of Handle, the one that answers.
	Caller   string `json:"caller"`
	Kind     Kind   `json:"kind"`
	Exchange string `json:"exchange"`
	Topic    string `json:"topic"`
	Method   string `json:"method"`
}

// Count is what was counted of a route.
type Count struct {
	Route
	Calls  uint32 `json:"calls"`
	Errors uint32 `json:"errors"`
	// Buckets are the durations: see bucketOf. It is nil where none are
	// measured: of casts and notifications when they are sent.
	Buckets []uint32 `json:"buckets,omitempty"`
}

// Durations are counted in buckets whose bounds grow by the square root of
// two, from 50 µs to about 100 s.
const (
	bucketStart = 50 * time.Microsecond
	bucketCount = 43
)

func bucketOf(d time.Duration) int {
	if d <= bucketStart {
		return 0
	}
	return min(int(math.Ceil(2*math.Log2(float64(d)/float64(bucketStart)))), bucketCount-1)
}

// bound is the most that a bucket's durations are.
func bound(bucket int) time.Duration {
	return time.Duration(float64(bucketStart) * math.Exp2(float64(bucket)/2))
}

// Quantile gives the duration below which the share q of the counted lie, as
// exactly as the buckets are; 0 if there are none.
func (c *Count) Quantile(q float64) time.Duration {
	var all uint32
	for _, n := range c.Buckets {
		all += n
	}
	if all == 0 {
		return 0
	}
	rank := uint32(math.Ceil(q * float64(all)))
	var seen uint32
	for i, n := range c.Buckets {
		if seen += n; seen >= rank {
			return bound(i)
		}
	}
	return bound(bucketCount - 1)
}

func (c *Count) add(o *Count) {
	c.Calls += o.Calls
	c.Errors += o.Errors
	if o.Buckets == nil {
		return
	}
	if c.Buckets == nil {
		c.Buckets = make([]uint32, bucketCount)
	}
	for i := range min(len(o.Buckets), bucketCount) {
		c.Buckets[i] += o.Buckets[i]
	}
}

const (
	// windowTime is how long a window lasts, windows how many are kept: what
	// is told is of the last minute.
	windowTime = 5 * time.Second
	windows    = 12
	// maxRoutes bounds what is counted: a name that comes from outside cannot
	// fill the memory.
	maxRoutes = 2000
)

// Calls counts what goes over the bus, by windows of time.
type Calls struct {
	now func() time.Time

	mu     sync.Mutex // guards what follows
	window [windows]map[Route]*Count
	of     [windows]int64 // which window of all time each is
	unsent map[Route]*Count
}

func newCalls() *Calls { return &Calls{now: time.Now, unsent: map[Route]*Count{}} }

// Called counts a call, cast or notification that was sent, or handled. took
// is 0 where that says nothing.
func Called(ctx context.Context, kind Kind, exchange, topic, method string, took time.Duration, err error) {
	o := originOf(ctx)
	if o.rec == nil {
		return
	}
	c := Count{Route: Route{o.service, kind, exchange, topic, method}, Calls: 1}
	if err != nil {
		c.Errors = 1
	}
	o.rec.Calls.count(c.Route, &c, took)
}

// count adds to the present window; took is in no bucket yet.
func (c *Calls) count(r Route, o *Count, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range []map[Route]*Count{c.current(), c.unsent} {
		have := m[r]
		if have == nil {
			if len(m) >= maxRoutes {
				continue
			}
			have = &Count{Route: r}
			m[r] = have
		}
		have.add(o)
		if took > 0 {
			if have.Buckets == nil {
				have.Buckets = make([]uint32, bucketCount)
			}
			have.Buckets[bucketOf(took)]++
		}
	}
}

// current is the present window; c.mu is held.
func (c *Calls) current() map[Route]*Count {
	n := c.now().UnixNano() / int64(windowTime)
	i := n % windows
	if c.of[i] != n || c.window[i] == nil {
		c.window[i], c.of[i] = map[Route]*Count{}, n
	}
	return c.window[i]
}

// Take gives what was counted since it was called last.
func (c *Calls) Take() []Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Count, 0, len(c.unsent))
	for _, n := range c.unsent {
		out = append(out, *n)
	}
	clear(c.unsent)
	return out
}

// Add counts what another process has counted.
func (c *Calls) Add(counts []Count) {
	for i := range counts {
		c.count(counts[i].Route, &counts[i], 0)
	}
}

// LastMinute sums the windows of the last minute and says how long that was.
func (c *Calls) LastMinute() ([]Count, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	newest := now.UnixNano() / int64(windowTime)
	sum := map[Route]*Count{}
	for i, m := range c.window {
		if m == nil || c.of[i] <= newest-windows {
			continue
		}
		for r, n := range m {
			if sum[r] == nil {
				sum[r] = &Count{Route: r}
			}
			sum[r].add(n)
		}
	}
	out := make([]Count, 0, len(sum))
	for _, n := range sum {
		out = append(out, *n)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Exchange, b.Exchange), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Method, b.Method),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Caller, b.Caller))
	})
	begun := time.Unix(0, (newest-windows+1)*int64(windowTime))
	return out, now.Sub(begun)
}

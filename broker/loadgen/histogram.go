package loadgen

import (
	"math/bits"
	"sync"
	"time"
)

// subBits makes buckets a 64th of their value wide.
const subBits = 6

// histogram counts durations in buckets that grow with their value.
type histogram struct {
	mu     sync.Mutex
	counts [(64 - subBits) << subBits]uint64 // guarded by mu, as is the rest
	n      uint64
	max    time.Duration
}

// bucket is the index of a duration's bucket: the position of its highest bit,
// and the bits after it.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := bits.Len64(v >> subBits) // bits that are lost
	if shift > 0 {
		shift--
	}
	return shift<<subBits + int(v>>shift)
}

// middle is a duration of a bucket.
func middle(i int) time.Duration {
	shift := i>>subBits - 1
	if shift <= 0 {
		return time.Duration(i)
	}
	return time.Duration(i-shift<<subBits)<<shift + time.Duration(1)<<shift/2
}

func (h *histogram) add(d time.Duration, n uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n == 0 {
		return
	}
	h.counts[bucket(d)] += n
	h.n += n
	h.max = max(h.max, d)
}

// percentile is the least duration that so much of all are not above.
func (h *histogram) percentile(p float64) time.Duration {
	rest := uint64(p * float64(h.n))
	for i, n := range h.counts {
		if n > rest {
			return min(middle(i), h.max)
		}
		rest -= n
	}
	return h.max
}

// latency is the summary; nil if nothing was counted.
func (h *histogram) latency() *Latency {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == 0 {
		return nil
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	return &Latency{
		P50: us(h.percentile(.5)), P90: us(h.percentile(.9)), P99: us(h.percentile(.99)), P999: us(h.percentile(.999)), Max: us(h.max),
	}
}

// Package history keeps how counters and lengths were a while ago, in rings of
// a fixed size, so that rates and charts can be made of them.
//
// All samples are taken at the same times: multiples of the step of a ring.
// What was never anything but zero takes no memory.
package history

import (
	"slices"
	"sync"
	"time"
)

// Step is the time between two samples.
const Step = 5 * time.Second

// Kind is what a sampled object is.
type Kind uint8

// The kinds.
const (
	Cluster Kind = iota // everything
	VHost
	Exchange
	Queue
	Connection
	Channel
)

// level is one ring: how far apart its samples are and how many there are.
type level struct {
	step int64 // seconds
	n    int
}

// retention is what is kept of a kind, finest first: ten minutes of everything,
// up to a day of the whole, as in RabbitMQ.
func (k Kind) retention() []level {
	global := []level{{5, 121}, {60, 61}, {600, 49}, {1800, 49}}
	switch k {
	case Cluster:
		return global
	case VHost:
		return global[:2]
	}
	return global[:1]
}

// Key names an object. Connections and channels have names of their own, and
// no virtual host.
type Key struct {
	Kind        Kind
	VHost, Name string
}

// Sample is what a value was at a time.
type Sample struct {
	Value int64
	Time  time.Time
}

// Set holds the history of a broker's objects.
type Set struct {
	mu      sync.Mutex
	objects map[Key]*object // guarded by mu, with what they hold
	round   uint64
	now     int64 // of the last round, in seconds
}

// object is the history of one.
type object struct {
	series map[string]*series // by metric
	round  uint64             // the last one it was seen in
}

// series is the history of one value: a ring a level.
type series struct{ rings []ring }

// ring holds the last n samples: those from number first on until there are so
// many, then one in each other's place.
type ring struct {
	level
	values      []int64
	first, last int64 // the numbers of the first sample ever and the newest: their times in steps
}

// New makes an empty Set.
func New() *Set { return &Set{objects: make(map[Key]*object)} }

// Recorder takes the samples of one round.
type Recorder struct{ s *Set }

// Record takes a round of samples at a time: f is called with what takes them.
// An object that is not sampled in it is forgotten.
func (s *Set) Record(now time.Time, f func(Recorder)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round++
	s.now = now.Unix()
	f(Recorder{s})
	for k, o := range s.objects {
		if o.round != s.round {
			delete(s.objects, k)
		}
	}
}

// Object says that an object is there; add takes its values.
func (r Recorder) Object(k Key) (add func(metric string, value int64)) {
	s := r.s
	o := s.objects[k]
	if o == nil {
		o = &object{}
		s.objects[k] = o
	}
	o.round = s.round
	return func(metric string, value int64) {
		x := o.series[metric]
		if x == nil {
			if value == 0 {
				return
			}
			if o.series == nil {
				o.series = make(map[string]*series)
			}
			x = newSeries(k.Kind.retention())
			o.series[metric] = x
		}
		for i := range x.rings {
			x.rings[i].put(s.now, value)
		}
	}
}

func newSeries(levels []level) *series {
	x := &series{rings: make([]ring, len(levels))}
	for i, l := range levels {
		x.rings[i].level = l
	}
	return x
}

// put adds a sample, and the ones missed since the last, which were as the last.
func (r *ring) put(now, value int64) {
	number := now / r.step
	if len(r.values) == 0 {
		r.first, r.last = number, number-1
	}
	number = max(number, r.last) // the clock may have been set back
	before := r.at(r.last)
	for missed := r.last + 1; missed < number && missed-r.last <= int64(r.n); missed++ {
		r.store(missed, before)
	}
	if gap := number - r.last; gap > int64(r.n) { // all of them were before
		r.first, r.values = number-int64(r.n), slices.Repeat([]int64{before}, r.n)
	}
	r.store(number, value)
	r.last = max(r.last, number)
}

// store sets the sample of a number that is in the ring, or next.
func (r *ring) store(number, value int64) {
	if i := number - r.first; i == int64(len(r.values)) && i < int64(r.n) {
		r.values = append(r.values, value)
		return
	}
	r.values[(number-r.first)%int64(r.n)] = value
}

// at is the value at a number: zero before the oldest, the last after it.
func (r *ring) at(number int64) int64 {
	number = min(number, r.last)
	if len(r.values) == 0 || number < r.first || number <= r.last-int64(r.n) {
		return 0
	}
	return r.values[(number-r.first)%int64(r.n)]
}

// Objects gives access to the history of objects, added up, while f runs.
func (s *Set) Objects(keys []Key, f func(View)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := View{s: s}
	for _, k := range keys {
		if o := s.objects[k]; o != nil {
			v.objects = append(v.objects, o)
		}
	}
	f(v)
}

// Object is Objects of one.
func (s *Set) Object(k Key, f func(View)) { s.Objects([]Key{k}, f) }

// Reset forgets all.
func (s *Set) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.objects)
}

// View is the history of objects. It may be used only inside Objects.
type View struct {
	s       *Set
	objects []*object
}

// Rate is how much a value grew a second, between the last two samples.
func (v View) Rate(metric string) float64 {
	var rate float64
	for _, o := range v.objects {
		if x := o.series[metric]; x != nil {
			r := &x.rings[0]
			rate += float64(r.at(r.last)-r.at(r.last-1)) / float64(r.step)
		}
	}
	return rate
}

// Samples are those of the last age, so far apart, newest first.
func (v View) Samples(metric string, age, incr time.Duration) []Sample {
	step := max(int64(incr/time.Second), 1)
	n := int64(age/time.Second)/step + 1
	newest := v.s.now / step * step
	list := make([]Sample, 0, n)
	for i := range n {
		at := newest - i*step
		sample := Sample{Time: time.Unix(at, 0)}
		for _, o := range v.objects {
			if x := o.series[metric]; x != nil {
				sample.Value += x.value(at, int64(age/time.Second))
			}
		}
		list = append(list, sample)
	}
	return list
}

// value is what it was at a time, by the finest ring that goes back so far.
func (x *series) value(at, age int64) int64 {
	for i := range x.rings {
		r := &x.rings[i]
		if age < r.step*int64(r.n) || i == len(x.rings)-1 {
			return r.at(at / r.step)
		}
	}
	return 0
}

package trace

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// Recorder keeps the newest spans of a process, and of others that send it
// theirs. It is safe for concurrent use.
type Recorder struct {
	host string
	// Calls counts what goes over the bus.
	Calls *Calls

	mu sync.Mutex // guards what follows
	// What changes something is kept apart from what reads: pages that ask
	// again and again do not push it out.
	changes, reads ring
}

// Bytes that spans may take.
const (
	changesLimit = 24 << 20
	readsLimit   = 8 << 20
)

// New makes the recorder of a process on a host.
func New(host string) *Recorder {
	return &Recorder{host: host, Calls: newCalls(), changes: ring{limit: changesLimit}, reads: ring{limit: readsLimit}}
}

// ring is a queue that forgets the oldest beyond so many bytes.
type ring struct {
	buf          []Span
	first, n     int
	bytes, limit int
}

// weight is about what a span takes; ids are shared within a trace.
func weight(s *Span) int {
	return int(unsafe.Sizeof(*s)) + len(s.Name) + len(s.Error) + len(s.Key) + len(s.Queue)
}

func (r *ring) at(i int) *Span { return &r.buf[(r.first+i)%len(r.buf)] }

// push adds a span, and forgets the oldest for that if it must.
func (r *ring) push(s *Span) {
	w := weight(s)
	for r.n > 0 && r.bytes+w > r.limit {
		r.pop()
	}
	if r.n == len(r.buf) {
		grown := make([]Span, max(256, 2*len(r.buf)))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.buf, r.first = grown, 0
	}
	r.n++
	r.bytes += w
	*r.at(r.n - 1) = *s
}

func (r *ring) pop() Span {
	oldest := *r.at(0)
	*r.at(0) = Span{}
	r.first = (r.first + 1) % len(r.buf)
	r.n--
	r.bytes -= weight(&oldest)
	return oldest
}

// Add records spans that another process sent.
func (r *Recorder) Add(spans []Span) {
	for i := range spans {
		r.add(spans[i])
	}
}

func (r *Recorder) add(s Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Reads {
		r.reads.push(&s)
		return
	}
	r.changes.push(&s)
}

// Take removes up to n spans and gives them, oldest first, those that change
// something before those that read.
func (r *Recorder) Take(n int) []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Span
	for _, ring := range []*ring{&r.changes, &r.reads} {
		for ring.n > 0 && len(out) < n {
			out = append(out, ring.pop())
		}
	}
	return out
}

// each calls f for every span kept, oldest first; r.mu is held.
func (r *Recorder) each(f func(*Span)) {
	for _, ring := range []*ring{&r.changes, &r.reads} {
		for i := range ring.n {
			f(ring.at(i))
		}
	}
}

// maxTrace bounds the spans of one trace that are given.
const maxTrace = 5000

// Trace gives the spans of the trace in which the request is, by their start;
// none if nothing is known of it.
func (r *Recorder) Trace(request string) []Span {
	if request == "" {
		return nil
	}
	r.mu.Lock()
	id := ""
	r.each(func(s *Span) {
		if s.Trace == request || s.Request == request {
			id = s.Trace
		}
	})
	var out []Span
	r.each(func(s *Span) {
		if id != "" && s.Trace == id && len(out) < maxTrace {
			out = append(out, *s)
		}
	})
	r.mu.Unlock()
	slices.SortStableFunc(out, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return out
}

// Query says which requests Recent gives.
type Query struct {
	// Project, if not empty, is whose requests are given.
	Project string
	// Requests, if not nil, are the ids of those that are given.
	Requests []string
	// Text is part of the name.
	Text string
	// Reads also gives those that only read.
	Reads bool
	// Failed gives only those whose status is 400 or more.
	Failed bool
	// Slower is how long it took at least.
	Slower time.Duration
	Limit  int
}

func (q *Query) wants(s *Span) bool {
	return s.Kind == HTTPServer && s.Parent == 0 && (q.Reads || !s.Reads) && (q.Project == "" || s.Project == q.Project) &&
		(q.Requests == nil || slices.Contains(q.Requests, s.Request)) && (!q.Failed || s.Status >= 400) &&
		s.Duration >= q.Slower && strings.Contains(s.Name, q.Text)
}

// Recent gives the spans by which requests came in, the newest first.
func (r *Recorder) Recent(q Query) []Span {
	r.mu.Lock()
	out := []Span{}
	r.each(func(s *Span) {
		if q.wants(s) {
			out = append(out, *s)
		}
	})
	r.mu.Unlock()
	slices.SortStableFunc(out, func(a, b Span) int { return cmp.Compare(b.Start.UnixNano(), a.Start.UnixNano()) })
	return out[:min(len(out), q.Limit)]
}

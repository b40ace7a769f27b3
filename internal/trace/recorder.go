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

// Bytes that spans may take: about 60,000 of changes, 20,000 of reads.
const (
	changesLimit = 9 << 20
	readsLimit   = 3 << 20
)

// New makes the recorder of a process on a host.
func New(host string) *Recorder {
	return &Recorder{host: host, Calls: newCalls(), changes: ring{limit: changesLimit}, reads: ring{limit: readsLimit}}
}

// ring is a queue that forgets the oldest beyond so many bytes.
type ring struct {
	buf          []record
	first, n     int
	bytes, limit int
}

// weight is about what a span takes. A statement's text and what spans of a
// request have in common are kept once.
func weight(r *record) int {
	w := int(unsafe.Sizeof(*r))
	if kinds[r.kind] != SQL {
		w += len(r.name)
	}
	if d := r.more; d != nil {
		w += int(unsafe.Sizeof(*d)) + len(d.err) + len(d.key) + len(d.queue)
	}
	if r.parent == 0 || kinds[r.kind] == Handle || kinds[r.kind] == HTTPServer {
		w += int(unsafe.Sizeof(*r.of)) + len(r.of.trace) + len(r.of.id)
	}
	return w
}

func (r *ring) at(i int) *record { return &r.buf[(r.first+i)%len(r.buf)] }

// push adds a span, and forgets the oldest for that if it must.
func (r *ring) push(s *record) {
	w := weight(s)
	for r.n > 0 && r.bytes+w > r.limit {
		r.pop()
	}
	if r.n == len(r.buf) {
		grown := make([]record, max(256, 2*len(r.buf)))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.buf, r.first = grown, 0
	}
	r.n++
	r.bytes += w
	*r.at(r.n - 1) = *s
}

func (r *ring) pop() record {
	oldest := *r.at(0)
	*r.at(0) = record{}
	r.first = (r.first + 1) % len(r.buf)
	r.n--
	r.bytes -= weight(&oldest)
	return oldest
}

// Add records spans that another process sent.
func (r *Recorder) Add(spans []Span) {
	for i := range spans {
		one := recordOf(&spans[i])
		r.add(&one)
	}
}

func (r *Recorder) add(s *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.of.reads {
		r.reads.push(s)
		return
	}
	r.changes.push(s)
}

// Take removes up to n spans and gives them, oldest first, those that change
// something before those that read.
func (r *Recorder) Take(n int) []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Span
	for _, ring := range []*ring{&r.changes, &r.reads} {
		for ring.n > 0 && len(out) < n {
			one := ring.pop()
			out = append(out, one.span())
		}
	}
	return out
}

// each calls f for every span kept, oldest first; r.mu is held.
func (r *Recorder) each(f func(*record)) {
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
	r.each(func(s *record) {
		if s.of.trace == request || s.of.id == request {
			id = s.of.trace
		}
	})
	var out []Span
	r.each(func(s *record) {
		if id != "" && s.of.trace == id && len(out) < maxTrace {
			out = append(out, s.span())
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

func (q *Query) wants(r *record) bool {
	return kinds[r.kind] == HTTPServer && r.parent == 0 && (q.Reads || !r.of.reads) && (q.Project == "" || r.more != nil && r.more.project == q.Project) &&
		(q.Requests == nil || slices.Contains(q.Requests, r.of.id)) && (!q.Failed || r.status >= 400) &&
		r.duration >= int64(q.Slower) && strings.Contains(r.name, q.Text)
}

// Recent gives the spans by which requests came in, the newest first.
func (r *Recorder) Recent(q Query) []Span {
	r.mu.Lock()
	out := []Span{}
	r.each(func(s *record) {
		if q.wants(s) {
			out = append(out, s.span())
		}
	})
	r.mu.Unlock()
	slices.SortStableFunc(out, func(a, b Span) int { return cmp.Compare(b.Start.UnixNano(), a.Start.UnixNano()) })
	return out[:min(len(out), q.Limit)]
}

package trace

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"nubo/internal/auth"
)

// Kind says which door a span went through.
type Kind string

// The kinds of spans.
const (
	HTTPServer Kind = "http.server" // a component answers a request
	HTTPClient Kind = "http.client" // … and waits for another's answer
	Call       Kind = "rpc.call"    // published, and its reply waited for
	Cast       Kind = "rpc.cast"    // published, or left in the outbox to be
	Fanout     Kind = "rpc.fanout"
	Notify     Kind = "rpc.notify"
	Handle     Kind = "rpc.handle" // a process handles a call or cast
	SQL        Kind = "sql"
	Native     Kind = "native" // libvirt, netlink, nft, qemu-img …
)

// ID is a span's. It is written as 16 hexadecimal digits.
type ID uint64

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) {
	if id == 0 {
		return []byte{}, nil
	}
	b := strconv.AppendUint(make([]byte, 0, 16), uint64(id), 16)
	return append([]byte(strings.Repeat("0", 16-len(b))), b...), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = 0
		return nil
	}
	n, err := strconv.ParseUint(string(text), 16, 64)
	*id = ID(n)
	return err
}

// Span is one hop.
type Span struct {
	Trace   string `json:"trace_id"`
	Request string `json:"request_id"`
	ID      ID     `json:"id"`
	Parent  ID     `json:"parent_id,omitempty"`
	Kind    Kind   `json:"kind"`
	// Service is the module that did it: compute-api, compute-conductor.
	Service string `json:"service"`
	Host    string `json:"host,omitempty"`
	// Name is a method and path, an RPC method, a statement without values.
	Name     string        `json:"name"`
	Project  string        `json:"project_id,omitempty"`
	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration"` // nanoseconds
	// Waited is how much of it passed before anything was done: in the queue
	// of a busy process, for the turn to write.
	Waited time.Duration `json:"waited,omitempty"`
	Status int           `json:"status,omitempty"` // of HTTP
	Error  string        `json:"error,omitempty"`

	Exchange string `json:"exchange,omitempty"`
	Key      string `json:"routing_key,omitempty"`
	Queue    string `json:"queue,omitempty"`

	// Reads says that the request only reads: such are forgotten sooner.
	Reads bool `json:"reads,omitempty"`
}

// record is a span as it is kept: small and with few pointers, because there
// are tens of thousands of them for the collector to look at.
type record struct {
	of       *request
	name     string
	id       ID
	parent   ID
	start    int64 // nanoseconds since 1970
	duration int64
	more     *details // nil if there are none
	kind     uint8    // index into kinds
	status   uint16
}

// request is what the spans of a request in one module have in common.
type request struct {
	trace, id, service, host string
	reads                    bool
}

// details are what few spans have.
type details struct {
	project, err, exchange, key, queue string
	waited                             time.Duration
}

var kinds = [...]Kind{"", HTTPServer, HTTPClient, Call, Cast, Fanout, Notify, Handle, SQL, Native}

func kindIndex(k Kind) uint8 {
	for i, known := range kinds {
		if known == k {
			return uint8(i)
		}
	}
	return 0
}

// recordOf is a span that another process sent, to be kept.
func recordOf(s *Span) record {
	r := record{
		of:   &request{s.Trace, s.Request, s.Service, s.Host, s.Reads},
		name: s.Name, id: s.ID, parent: s.Parent, start: s.Start.UnixNano(), duration: int64(s.Duration), kind: kindIndex(s.Kind), status: uint16(s.Status),
	}
	if d := (details{s.Project, s.Error, s.Exchange, s.Key, s.Queue, s.Waited}); d != (details{}) {
		r.more = &d
	}
	return r
}

func (r *record) span() Span {
	s := Span{
		Trace: r.of.trace, Request: r.of.id, Service: r.of.service, Host: r.of.host, Reads: r.of.reads,
		Name: r.name, ID: r.id, Parent: r.parent, Start: time.Unix(0, r.start).UTC(), Duration: time.Duration(r.duration), Kind: kinds[r.kind], Status: int(r.status),
	}
	if d := r.more; d != nil {
		s.Project, s.Error, s.Exchange, s.Key, s.Queue, s.Waited = d.project, d.err, d.exchange, d.key, d.queue, d.waited
	}
	return s
}

// Active is a span that goes on. Only the goroutine that began it changes it.
// A nil one is fine: nothing is recorded.
type Active struct {
	record
	rec   *Recorder
	begun time.Time
}

// Bounds of what a span's texts take.
const (
	maxName  = 300
	maxError = 500
)

func cut(s string, n int) string {
	if len(s) > n {
		return strings.Clone(s[:n]) + "…"
	}
	return s
}

type activeKey struct{}

// From gives the span that ctx is in; nil if in none.
func From(ctx context.Context) *Active {
	a, _ := ctx.Value(activeKey{}).(*Active)
	return a
}

// origin is whose work a context is: a module's.
type origin struct {
	rec     *Recorder
	service string
}

type originKey struct{}

// With makes the module and its process's recorder known to what it does.
func With(ctx context.Context, rec *Recorder, service string) context.Context {
	return context.WithValue(ctx, originKey{}, origin{rec, service})
}

// originOf gives the recorder and module of a context, by its span or by With.
func originOf(ctx context.Context) origin {
	if a := From(ctx); a != nil {
		return origin{a.rec, a.of.service}
	}
	o, _ := ctx.Value(originKey{}).(origin)
	return o
}

// Root begins the span of a request that came in. link is what came with it
// (Link's text), in ctx is who asks (auth.From). Nothing is recorded without a
// request id, or where no With was.
func Root(ctx context.Context, kind Kind, name, link string, reads bool) (context.Context, *Active) {
	o, _ := ctx.Value(originKey{}).(origin)
	caller := auth.From(ctx)
	if o.rec == nil || caller.RequestID == "" {
		return ctx, nil
	}
	parent, parentReads, linked := parseLink(link)
	now := time.Now()
	a := &Active{rec: o.rec, begun: now, record: record{
		of: &request{
			trace: cmp.Or(caller.GlobalRequestID, caller.RequestID), id: caller.RequestID, service: o.service, host: o.rec.host,
			reads: reads && !linked || parentReads,
		},
		id: newID(), parent: parent, kind: kindIndex(kind), name: cut(name, maxName), start: now.UnixNano(),
	}}
	a.Asked(caller)
	return context.WithValue(ctx, activeKey{}, a), a
}

// Begin begins a span below that of ctx; if there is none, nil.
func Begin(ctx context.Context, kind Kind, name string) (context.Context, *Active) {
	parent := From(ctx)
	if parent == nil {
		return ctx, nil
	}
	now := time.Now()
	a := &Active{rec: parent.rec, begun: now, record: parent.child(kind, name, now)}
	return context.WithValue(ctx, activeKey{}, a), a
}

// Note records what began at start and ends now, with nothing below it.
func Note(ctx context.Context, kind Kind, name string, start time.Time, err error) {
	From(ctx).Note(kind, name, start, err)
}

// Note is Note below the span.
func (a *Active) Note(kind Kind, name string, start time.Time, err error) {
	if a == nil {
		return
	}
	r := a.child(kind, name, start)
	r.duration = int64(time.Since(start))
	r.failed(err)
	a.rec.add(&r)
}

func (a *Active) child(kind Kind, name string, start time.Time) record {
	return record{of: a.of, id: newID(), parent: a.id, kind: kindIndex(kind), name: cut(name, maxName), start: start.UnixNano()}
}

// extra gives the details, to be filled in.
func (r *record) extra() *details {
	if r.more == nil {
		r.more = &details{}
	}
	return r.more
}

func (r *record) failed(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		r.extra().err = cut(err.Error(), maxError)
	}
}

// newID is one of 2^64-1.
func newID() ID {
	for {
		if id := ID(rand.Uint64()); id != 0 {
			return id
		}
	}
}

// Asked notes who asks, once that is known.
func (a *Active) Asked(c *auth.Context) {
	if a != nil && c.ProjectID != "" {
		a.extra().project = c.ProjectID
	}
}

// Answered notes the HTTP status.
func (a *Active) Answered(status int) {
	if a != nil {
		a.status = uint16(status)
	}
}

// Routed notes the way over the bus.
func (a *Active) Routed(exchange, key, queue string) {
	if a != nil {
		d := a.extra()
		d.exchange, d.key, d.queue = exchange, key, queue
	}
}

// Delayed notes how long nothing was done.
func (a *Active) Delayed(d time.Duration) {
	if a != nil {
		a.extra().waited = d
	}
}

// End ends the span and records it.
func (a *Active) End(err error) {
	if a == nil {
		return
	}
	a.duration = int64(time.Since(a.begun))
	a.failed(err)
	a.rec.add(&a.record)
}

// Header carries Link's text over HTTP.
const Header = "X-Nubo-Span"

// readsMark follows the id in a link if the request only reads.
const readsMark = ";r"

// Link says which span what is sent in ctx belongs to; "" if to none.
func Link(ctx context.Context) string { return From(ctx).Link() }

// Link says how to refer to the span.
func (a *Active) Link() string {
	if a == nil {
		return ""
	}
	text, _ := a.id.MarshalText() // never fails
	if a.of.reads {
		return string(text) + readsMark
	}
	return string(text)
}

// Ref refers to a span where its context does not go: in what waits to be
// merged with what others want, and is done for all of them at once.
type Ref struct {
	Request string `json:"request_id"`
	Global  string `json:"global_request_id,omitempty"`
	Project string `json:"project_id,omitempty"`
	Link    string `json:"link"`
}

// RefOf refers to the span of ctx; nil if it is in none.
func RefOf(ctx context.Context) *Ref {
	a := From(ctx)
	if a == nil {
		return nil
	}
	c := auth.From(ctx)
	return &Ref{c.RequestID, c.GlobalRequestID, c.ProjectID, a.Link()}
}

// Resume begins a span below the one that ref refers to, in a context of the
// module that goes on with it. With nil there is none.
func Resume(ctx context.Context, kind Kind, name string, ref *Ref) (context.Context, *Active) {
	if ref == nil {
		return ctx, nil
	}
	ctx = auth.With(ctx, &auth.Context{RequestID: ref.Request, GlobalRequestID: ref.Global, ProjectID: ref.Project})
	return Root(ctx, kind, name, ref.Link, false)
}

// parseLink reads Link's text; what is none is no link.
func parseLink(s string) (id ID, reads, ok bool) {
	s, reads = strings.CutSuffix(s, readsMark)
	if len(s) != 16 || id.UnmarshalText([]byte(s)) != nil || id == 0 {
		return 0, false, false
	}
	return id, reads, true
}

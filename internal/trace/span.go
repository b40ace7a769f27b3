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

// Active is a span that goes on. Only the goroutine that began it changes it.
// A nil one is fine: nothing is recorded.
type Active struct {
	Span
	rec *Recorder
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
		return origin{a.rec, a.Service}
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
	a := &Active{rec: o.rec, Span: Span{
		Trace: cmp.Or(caller.GlobalRequestID, caller.RequestID), Request: caller.RequestID, ID: newID(), Parent: parent,
		Kind: kind, Service: o.service, Host: o.rec.host, Name: cut(name, maxName), Project: caller.ProjectID, Start: time.Now(),
		Reads: reads && !linked || parentReads,
	}}
	return context.WithValue(ctx, activeKey{}, a), a
}

// Begin begins a span below that of ctx; if there is none, nil.
func Begin(ctx context.Context, kind Kind, name string) (context.Context, *Active) {
	parent := From(ctx)
	if parent == nil {
		return ctx, nil
	}
	a := parent.child(kind, name)
	return context.WithValue(ctx, activeKey{}, a), a
}

// Note records what began at start and ends now, with nothing below it.
func Note(ctx context.Context, kind Kind, name string, start time.Time, err error) {
	if parent := From(ctx); parent != nil {
		a := parent.child(kind, name)
		a.Start = start
		a.End(err)
	}
}

func (a *Active) child(kind Kind, name string) *Active {
	return &Active{rec: a.rec, Span: Span{
		Trace: a.Trace, Request: a.Request, ID: newID(), Parent: a.ID, Kind: kind, Service: a.Service, Host: a.Host,
		Name: cut(name, maxName), Start: time.Now(), Reads: a.Reads,
	}}
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
	if a != nil {
		a.Project = c.ProjectID
	}
}

// Answered notes the HTTP status.
func (a *Active) Answered(status int) {
	if a != nil {
		a.Status = status
	}
}

// Routed notes the way over the bus.
func (a *Active) Routed(exchange, key, queue string) {
	if a != nil {
		a.Exchange, a.Key, a.Queue = exchange, key, queue
	}
}

// Delayed notes how long nothing was done.
func (a *Active) Delayed(d time.Duration) {
	if a != nil {
		a.Waited = d
	}
}

// End ends the span and records it.
func (a *Active) End(err error) {
	if a == nil {
		return
	}
	a.Duration = time.Since(a.Start)
	if err != nil && !errors.Is(err, context.Canceled) {
		a.Error = cut(err.Error(), maxError)
	}
	a.rec.add(a.Span)
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
	text, _ := a.ID.MarshalText() // never fails
	if a.Reads {
		return string(text) + readsMark
	}
	return string(text)
}

// parseLink reads Link's text; what is none is no link.
func parseLink(s string) (id ID, reads, ok bool) {
	s, reads = strings.CutSuffix(s, readsMark)
	if len(s) != 16 || id.UnmarshalText([]byte(s)) != nil || id == 0 {
		return 0, false, false
	}
	return id, reads, true
}

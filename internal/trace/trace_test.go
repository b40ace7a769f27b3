package trace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"nubo/internal/auth"
	"nubo/internal/testx"
)

func asked(rec *Recorder, request, global, project string) context.Context {
	return auth.With(With(context.Background(), rec, "module"), &auth.Context{RequestID: request, GlobalRequestID: global, ProjectID: project})
}

func TestSpansHangTogetherAcrossProcesses(t *testing.T) {
	t.Parallel()
	one, two := New("one"), New("two")
	ctx, root := Root(asked(one, "req-a", "", ""), HTTPServer, "POST /servers", "", false)
	root.Asked(&auth.Context{ProjectID: "p"})
	ctx, call := Begin(ctx, Call, "build")
	call.Routed("nova", "compute.two", "")
	remote, handle := Root(asked(two, "req-b", "req-a", "p"), Handle, "build", Link(ctx), true)
	Note(remote, SQL, "SELECT ?", time.Now(), errors.New("locked"))
	handle.End(nil)
	call.End(context.Canceled)
	root.Answered(202)
	root.End(nil)
	one.Add(two.Take(10))
	testx.Equal(t, len(two.Take(10)), 0)
	for _, id := range []string{"req-a", "req-b"} { // a request of the trace finds all of it
		spans := one.Trace(id)
		var got []string
		for _, s := range spans {
			got = append(got, fmt.Sprintf("%s %s %s %s %s %v", s.Host, s.Kind, s.Name, s.Project, s.Error, s.Reads))
		}
		testx.Equal(t, got, []string{
			"one http.server POST /servers p  false", "one rpc.call build   false", "two rpc.handle build p  false", "two sql SELECT ?  locked false",
		})
		testx.Equal(t, []ID{spans[0].Parent, spans[1].Parent, spans[2].Parent, spans[3].Parent}, []ID{0, spans[0].ID, spans[1].ID, spans[2].ID})
	}
	testx.Equal(t, len(one.Trace("req-c"))+len(one.Trace("")), 0)
}

func TestWorkGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	rec := New("h")
	ctx, root := Root(asked(rec, "req-b", "req-a", "p"), HTTPServer, "POST /ports", "", false)
	ref := RefOf(ctx)
	root.End(nil)
	text, err := json.Marshal(ref)
	testx.NoErr(t, err)
	var back *Ref
	testx.NoErr(t, json.Unmarshal(text, &back))
	testx.Equal(t, back, ref)
	later, span := Resume(With(context.Background(), rec, "agent"), Handle, "changed", back)
	Note(later, Native, "tap", time.Now(), nil)
	span.End(nil)
	spans := rec.Trace("req-a")
	testx.Equal(t, len(spans), 3)
	testx.Equal(t, []ID{spans[1].Parent, spans[2].Parent}, []ID{spans[0].ID, spans[1].ID})
	testx.Equal(t, []string{spans[1].Request, spans[1].Project, spans[1].Service}, []string{"req-b", "p", "agent"})

	testx.Equal(t, RefOf(context.Background()) == nil, true)
	_, span = Resume(With(context.Background(), rec, "agent"), Handle, "changed", nil)
	testx.Equal(t, span == nil, true)
}

func TestWithoutARequestThereIsNoSpan(t *testing.T) {
	t.Parallel()
	rec := New("h")
	for _, ctx := range []context.Context{context.Background(), With(context.Background(), rec, "m"), auth.With(context.Background(), &auth.Context{RequestID: "req-1"})} {
		ctx, span := Root(ctx, Handle, "m", "", false)
		_, below := Begin(ctx, SQL, "x")
		Note(ctx, SQL, "x", time.Now(), nil)
		span.Routed("", "", "")
		span.Asked(&auth.Context{})
		span.Answered(200)
		span.Delayed(1)
		span.End(nil)
		below.End(nil)
		testx.Equal(t, []string{Link(ctx), below.Link()}, []string{"", ""})
	}
	testx.Equal(t, len(rec.Take(10)), 0)
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	rec := New("h")
	rec.changes.limit, rec.reads.limit = 50_000, 10_000
	long := string(make([]byte, 10_000))
	record := func(i int, reads bool) {
		_, s := Root(asked(rec, fmt.Sprintf("req-%d", i), "", "p"), HTTPServer, "GET "+long, "", reads)
		s.End(errors.New(long))
	}
	for i := range 1000 {
		record(i, i%2 == 0)
		if rec.changes.bytes > 50_000 || rec.reads.bytes > 10_000 {
			t.Fatalf("%d and %d bytes are kept", rec.changes.bytes, rec.reads.bytes)
		}
	}
	testx.Equal(t, []int{len(rec.Trace("req-999")), len(rec.Trace("req-998")), len(rec.Trace("req-0")), len(rec.Trace("req-1"))}, []int{1, 1, 0, 0})
	// What only reads does not push out what changed something.
	for i := range 1000 {
		record(1000+2*i, true)
	}
	testx.Equal(t, len(rec.Trace("req-999")), 1)
	newest := rec.Recent(Query{Reads: true, Limit: 3})
	testx.Equal(t, []string{newest[0].Request, newest[1].Request, newest[2].Request}, []string{"req-2998", "req-2996", "req-2994"})
	testx.Equal(t, rec.Recent(Query{Limit: 1})[0].Request, "req-999")
	testx.Equal(t, len(rec.Recent(Query{Limit: 9, Project: "q"}))+len(rec.Recent(Query{Limit: 9, Failed: true}))+len(rec.Recent(Query{Limit: 9, Slower: time.Hour})), 0)
	taken := rec.Take(1 << 20)
	testx.Equal(t, []int{rec.changes.n, rec.changes.bytes, rec.reads.n, rec.reads.bytes}, []int{0, 0, 0, 0})
	testx.Equal(t, len(taken) > 0, true)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		id        ID
		reads, ok bool
	}{
		"00000000000000ff": {255, false, true}, "00000000000000ff;r": {255, true, true}, "": {}, ";r": {}, "ff": {}, "0000000000000000": {},
		"zzzzzzzzzzzzzzzz": {}, "00000000000000ff;x": {}, "+0000000000000ff": {},
	} {
		id, reads, ok := parseLink(text)
		testx.Equal(t, []any{id, reads, ok}, []any{want.id, want.reads, want.ok})
	}
}

func FuzzLink(f *testing.F) {
	f.Add("00000000000000ff;r")
	f.Fuzz(func(t *testing.T, text string) {
		id, reads, ok := parseLink(text)
		if a := (&Active{record: record{id: id, of: &request{reads: reads}}}); ok && a.Link() != text && len(a.Link()) != len(text) {
			t.Errorf("%q is read as %q", text, a.Link())
		}
	})
}

func TestSpansAreWrittenAndRead(t *testing.T) {
	t.Parallel()
	want := Span{Trace: "req-a", Request: "req-b", ID: 1 << 63, Parent: 7, Kind: SQL, Service: "s", Name: "n", Start: time.Unix(1, 2).UTC(), Duration: 3, Reads: true}
	b, err := json.Marshal(want)
	testx.NoErr(t, err)
	var got Span
	testx.NoErr(t, json.Unmarshal(b, &got))
	testx.Equal(t, got, want)
}

func TestCalls(t *testing.T) {
	t.Parallel()
	rec, away := New("h"), New("node")
	now := time.Unix(1_800_000_000, 0)
	rec.Calls.now = func() time.Time { return now }
	ctx := With(context.Background(), rec, "compute-agent")
	for i := range 100 {
		var err error
		if i%50 == 0 {
			err = errors.New("x")
		}
		Called(ctx, Call, "nova", "conductor", "report", time.Duration(i+1)*time.Millisecond, err)
	}
	Called(ctx, Cast, "nova", "compute", "build", 0, nil)
	Called(context.Background(), Cast, "nova", "compute", "nobody's", 0, nil)
	Called(With(context.Background(), away, "compute-agent"), Call, "nova", "conductor", "report", 40*time.Second, nil)
	rec.Calls.Add(away.Calls.Take())
	testx.Equal(t, len(away.Calls.Take()), 0)
	counts, span := rec.Calls.LastMinute()
	testx.Equal(t, span, 55*time.Second)
	testx.Equal(t, len(counts), 2)
	testx.Equal(t, counts[0].Route, Route{"compute-agent", Cast, "nova", "compute", "build"})
	report := counts[1]
	testx.Equal(t, []uint32{report.Calls, report.Errors}, []uint32{101, 2})
	for q, want := range map[float64][2]time.Duration{0.5: {50 * time.Millisecond, 75 * time.Millisecond}, 0.99: {100 * time.Millisecond, 150 * time.Millisecond}, 1: {40 * time.Second, 60 * time.Second}} {
		if got := report.Quantile(q); got < want[0] || got > want[1] {
			t.Errorf("quantile %g is %v", q, got)
		}
	}
	testx.Equal(t, counts[0].Quantile(0.5), time.Duration(0))
	now = now.Add(time.Minute)
	counts, _ = rec.Calls.LastMinute()
	testx.Equal(t, len(counts), 0)
	for i := range 3 * maxRoutes {
		Called(ctx, Call, "e", "t", fmt.Sprint(i), time.Second, nil)
	}
	counts, _ = rec.Calls.LastMinute()
	testx.Equal(t, len(counts), maxRoutes)
}

// BenchmarkSpan is what one hop costs.
func BenchmarkSpan(b *testing.B) {
	ctx, root := Root(asked(New("h"), "req-a", "", "p"), HTTPServer, "POST /servers", "", false)
	defer root.End(nil)
	b.ReportAllocs()
	for b.Loop() {
		_, s := Begin(ctx, SQL, "SELECT ?")
		s.End(nil)
	}
}

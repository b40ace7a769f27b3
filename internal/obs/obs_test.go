package obs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nubo/internal/auth"
	"nubo/internal/obs"
	"nubo/internal/testx"
)

var at = time.Date(2026, 11, 21, 10, 0, 0, 123456789, time.UTC)

func request() context.Context {
	return auth.With(context.Background(), &auth.Context{
		RequestID: "req-1", GlobalRequestID: "req-0", UserID: "user", ProjectID: "project", Token: "gAAA-secret",
	})
}

// fixed sets the time of records, so that whole lines can be compared.
type fixed struct{ slog.Handler }

func (f fixed) Handle(ctx context.Context, r slog.Record) error {
	r.Time = at
	return f.Handler.Handle(ctx, r)
}
func (f fixed) WithAttrs(a []slog.Attr) slog.Handler { return fixed{f.Handler.WithAttrs(a)} }
func (f fixed) WithGroup(n string) slog.Handler      { return fixed{f.Handler.WithGroup(n)} }

func logger(opts obs.Options) (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(fixed{obs.NewHandler(&out, opts)}), &out
}

func TestTextLines(t *testing.T) {
	t.Parallel()
	log, out := logger(obs.Options{})
	sched := obs.Module(log, "nubo.compute.scheduler")
	for _, test := range []struct {
		log  func()
		want string
	}{
		{func() { log.Info("ready") }, "INFO nubo [-] ready"},
		{func() { sched.InfoContext(request(), "weighed", "host", "compute1", "weight", 3.5) },
			"INFO nubo.compute.scheduler [req-1 user project] weighed host=compute1 weight=3.5 global_request_id=req-0"},
		{func() { log.WarnContext(auth.With(context.Background(), &auth.Context{RequestID: "req-2"}), "odd") },
			"WARNING nubo [req-2 - -] odd"},
		{func() {
			log.Error("lost", "error", errors.New("a \"b\"\nc"), "none", "", "took", time.Second, "at", at)
		},
			`ERROR nubo [-] lost error="a \"b\"\nc" none=- took=1s at=2026-11-21T10:00:00.123456789Z`},
		{func() {
			log.WithGroup("a").With("x", 1).WithGroup("b").Info("m", "y", 2, slog.Group("c", "z", 3), slog.Attr{})
		},
			"INFO nubo [-] m a.x=1 a.b.y=2 a.b.c.z=3"},
		{func() { log.Info("one\nline") }, `INFO nubo [-] "one\nline"`},
		{func() { log.Debug("not shown") }, ""},
	} {
		out.Reset()
		test.log()
		want := test.want
		if want != "" {
			want = "2026-11-21 10:00:00.123 " + want + "\n"
		}
		testx.Equal(t, out.String(), want)
	}
}

func TestLoggersOfOneAncestorDoNotMixTheirAttributes(t *testing.T) {
	t.Parallel()
	log, out := logger(obs.Options{})
	base := log.With("a", 1).With("b", 2)
	one, two := base.With("c", 3), base.With("d", 4)
	one.Info("x", "e", 5)
	two.Info("x", "f", 6)
	testx.Equal(t, strings.Count(out.String(), "a=1 b=2 c=3 e=5\n"), 1)
	testx.Equal(t, strings.Count(out.String(), "a=1 b=2 d=4 f=6\n"), 1)
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	log, out := logger(obs.Options{JSON: true, Level: slog.LevelDebug})
	obs.Module(log, "nubo.network").WithGroup("port").DebugContext(request(), "bound", "id", "p1", "error", errors.New("no"))
	var got map[string]any
	testx.NoErr(t, json.Unmarshal(out.Bytes(), &got))
	testx.Equal(t, got, map[string]any{
		"time": "2026-11-21T10:00:00.123456789Z", "level": "DEBUG", "msg": "bound", "module": "nubo.network",
		"request_id": "req-1", "global_request_id": "req-0", "user_id": "user", "project_id": "project",
		"port.id": "p1", "port.error": "no",
	})
}

func TestLevelsGoByModule(t *testing.T) {
	t.Parallel()
	levels, err := obs.ParseLevels("nubo.compute=debug, nubo.compute.agent=ERROR,,amqp = Warning")
	testx.NoErr(t, err)
	log, _ := logger(obs.Options{Level: slog.LevelInfo, Levels: levels})
	for module, want := range map[string]slog.Level{
		"nubo": slog.LevelInfo, "nubo.compute": slog.LevelDebug, "nubo.compute.scheduler": slog.LevelDebug,
		"nubo.compute.agent": slog.LevelError, "nubo.compute.agent.virt": slog.LevelError,
		"nubo.computer": slog.LevelInfo, "amqp.conn": slog.LevelWarn,
	} {
		l := obs.Module(log, module)
		if !l.Enabled(t.Context(), want) || l.Enabled(t.Context(), want-1) {
			t.Errorf("%s does not log from %v on", module, want)
		}
	}
}

func TestBadLevels(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"nubo", "=debug", "nubo=loud", "a=info,b"} {
		if _, err := obs.ParseLevels(text); err == nil {
			t.Errorf("ParseLevels(%q): no error", text)
		}
	}
}

func FuzzParseLevels(f *testing.F) {
	f.Add("nubo.compute=debug, amqp=WARNING")
	f.Fuzz(func(t *testing.T, text string) {
		levels, err := obs.ParseLevels(text)
		for module := range levels {
			if err != nil || module == "" || strings.ContainsAny(module, ",=") {
				t.Fatalf("%q gives module %q, error %v", text, module, err)
			}
		}
	})
}

// FuzzTextLine makes sure that what users name things cannot forge a line.
func FuzzTextLine(f *testing.F) {
	f.Add("x\n2026 ERROR forged", "k y", "v=w")
	f.Fuzz(func(t *testing.T, message, key, value string) {
		log, out := logger(obs.Options{})
		log.Info(message, key+"_", value)
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Fatalf("%d lines: %q", n, out)
		}
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := obs.NewRegistry()
	counter := func() prometheus.Counter {
		return obs.Must(r, prometheus.NewCounter(prometheus.CounterOpts{Name: "nubo_tests_total", Help: "Tests."}))
	}
	counter().Inc()
	counter().Inc() // of a module that was restarted
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{"nubo_tests_total 2\n", "go_goroutines ", "process_resident_memory_bytes "} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("/metrics has no %q", want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("two metrics of one name: no panic")
		}
	}()
	obs.Must(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: "nubo_tests_total", Help: "Other."}))
}

func BenchmarkText(b *testing.B) {
	log := slog.New(obs.NewHandler(discard{}, obs.Options{}))
	log = obs.Module(log, "nubo.compute.api")
	ctx := request()
	b.ReportAllocs()
	for b.Loop() {
		log.InfoContext(ctx, "request", "method", "GET", "path", "/v2.1/servers", "status", 200, "took", time.Millisecond)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

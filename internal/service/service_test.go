package service_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"nubo/internal/service"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a manager whose modules write down what they do.
type world struct {
	*service.Manager
	mu     sync.Mutex
	events []string // under mu
	cancel context.CancelFunc
	ended  chan error
}

func newWorld() *world {
	return &world{Manager: service.New(slog.New(slog.DiscardHandler)), ended: make(chan error, 1)}
}

func (w *world) note(event string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event)
}

// take gives the events so far and forgets them.
func (w *world) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.events, " ")
	w.events = nil
	return s
}

// module adds one that needs a while to start and to stop.
func (w *world) module(name string, needs []string, while time.Duration) {
	w.Add(name, needs, func(context.Context) (service.Service, error) {
		w.note("+" + name)
		return service.Func(func(ctx context.Context, ready func()) error {
			time.Sleep(while)
			ready()
			<-ctx.Done()
			time.Sleep(while)
			w.note("-" + name)
			return ctx.Err()
		}), nil
	})
}

func (w *world) run(targets ...string) {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go func() { w.ended <- w.Run(ctx, targets...) }()
}

func (w *world) end(t *testing.T) {
	t.Helper()
	w.cancel()
	testx.NoErr(t, <-w.ended)
}

func (w *world) state(name string) service.State {
	states := w.States()
	i := slices.IndexFunc(states, func(s service.State) bool { return s.Name == name })
	return states[i]
}

func TestStartsByNeedsAndStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.module("api", []string{"db", "bus"}, 3*time.Second)
		w.module("db", nil, time.Second)
		w.module("bus", []string{"db"}, 2*time.Second)
		w.module("unused", nil, time.Second)
		w.run("api")
		start := time.Now()
		testx.NoErr(t, w.Ready(t.Context()))
		testx.Equal(t, time.Since(start), 6*time.Second)
		testx.Equal(t, w.take(), "+db +bus +api")
		var names []string
		for _, s := range w.States() {
			testx.Equal(t, s.State, service.StatusRunning)
			names = append(names, s.Name)
		}
		testx.Equal(t, names, []string{"db", "bus", "api"})
		w.end(t)
		testx.Equal(t, w.take(), "-api -bus -db")
		testx.Equal(t, time.Since(start), 12*time.Second)
		testx.Equal(t, w.state("db").State, service.StatusStopped)
	})
}

func TestIndependentModulesStartTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, name := range []string{"a", "b", "c"} {
			w.module(name, nil, time.Second)
		}
		w.run("a", "b", "c")
		start := time.Now()
		testx.NoErr(t, w.Ready(t.Context()))
		testx.Equal(t, time.Since(start), time.Second)
		w.end(t)
		testx.Equal(t, time.Since(start), 2*time.Second)
	})
}

func TestBadPlans(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		needs   map[string][]string
		targets []string
		want    string
	}{
		{"target", nil, []string{"x"}, "there is no module x"},
		{"need", map[string][]string{"a": {"x"}}, []string{"a"}, "module a needs x, which there is not"},
		{"circle", map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"b"}}, []string{"a"}, "circle: b → c → b"},
		{"itself", map[string][]string{"a": {"a"}}, []string{"a"}, "circle: a → a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			for name, needs := range test.needs {
				w.module(name, needs, 0)
			}
			err := w.Run(t.Context(), test.targets...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v; want %q", err, test.want)
			}
		})
	}
}

func TestAddTwicePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	w := newWorld()
	w.module("a", nil, 0)
	w.module("a", nil, 0)
}

func TestFailedModuleRestartsWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var times []time.Time // under w.mu
		started := func() []time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(times)
		}
		failure := errors.New("port is taken")
		w.Add("a", nil, func(context.Context) (service.Service, error) {
			w.mu.Lock()
			times = append(times, time.Now())
			w.mu.Unlock()
			switch n := len(started()); {
			case n <= 3:
				return nil, failure
			case n <= 6:
				return service.Func(func(context.Context, func()) error { panic("boom") }), nil
			case n <= 12:
				return service.Func(func(context.Context, func()) error { return nil }), nil
			}
			return service.Func(func(ctx context.Context, ready func()) error {
				ready()
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(2 * time.Minute):
					return failure
				}
			}), nil
		})
		w.module("b", []string{"a"}, 0)
		w.run("b")

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		err := w.Ready(ctx)
		cancel()
		testx.ErrIs(t, err, context.DeadlineExceeded)
		if !strings.Contains(err.Error(), "a is failed (port is taken), b is new") {
			t.Errorf("Ready says %v", err)
		}
		testx.Equal(t, w.state("a").LastError, "port is taken")

		testx.NoErr(t, w.Ready(t.Context()))
		s := w.state("a")
		testx.Equal(t, s.Restarts, 12)
		testx.Equal(t, s.LastError, "it ended of its own accord")
		starts := started()
		for i := 1; i < len(starts); i++ {
			wait, full := starts[i].Sub(starts[i-1]), min(100*time.Millisecond<<(i-1), 30*time.Second)
			if wait < full/2 || wait >= full {
				t.Errorf("restart %d after %v; want %v to %v", i, wait, full/2, full)
			}
		}

		// It ran long enough: the next failure counts as the first. b stays.
		testx.Equal(t, w.take(), "+b")
		time.Sleep(2*time.Minute + 100*time.Millisecond)
		synctest.Wait()
		testx.NoErr(t, w.Ready(t.Context()))
		starts = started()
		testx.Equal(t, len(starts), 14)
		if wait := starts[13].Sub(starts[12]) - 2*time.Minute; wait >= 100*time.Millisecond {
			t.Errorf("the first restart of a stable module waited %v", wait)
		}
		testx.Equal(t, w.take(), "")
		w.end(t)
	})
}

func TestStopAndStartOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.module("bus", nil, time.Second)
		w.module("api", []string{"bus"}, time.Second)
		w.run("api")
		testx.NoErr(t, w.Ready(t.Context()))
		w.take()
		testx.NoErr(t, w.Stop(t.Context(), "bus"))
		testx.Equal(t, w.state("bus").State, service.StatusStopped)
		testx.Equal(t, w.state("api").State, service.StatusRunning)
		time.Sleep(time.Hour)
		testx.Equal(t, w.take(), "-bus")

		testx.NoErr(t, w.Start("bus"))
		testx.NoErr(t, w.Ready(t.Context()))
		testx.Equal(t, w.take(), "+bus")
		testx.Equal(t, w.state("bus").Restarts, 0)

		// Started again while it still stops: one instance after the other.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		testx.ErrIs(t, w.Stop(ctx, "bus"), context.Canceled)
		testx.Equal(t, w.state("bus").State, service.StatusStopping)
		testx.NoErr(t, w.Start("bus"))
		testx.NoErr(t, w.Ready(t.Context()))
		testx.Equal(t, w.take(), "-bus +bus")
		testx.Equal(t, w.state("bus").LastError, "")

		if w.Stop(t.Context(), "x") == nil || w.Start("x") == nil {
			t.Error("an unknown module was stopped or started")
		}
		w.end(t)
	})
}

func TestStopDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Add("a", nil, func(context.Context) (service.Service, error) {
			w.note("+a")
			return nil, errors.New("no")
		})
		w.run("a")
		time.Sleep(10 * time.Millisecond)
		testx.NoErr(t, w.Stop(t.Context(), "a"))
		time.Sleep(time.Hour)
		testx.Equal(t, w.take(), "+a")
		testx.Equal(t, w.state("a").State, service.StatusStopped)
		w.end(t)
	})
}

func TestModuleThatDoesNotStopIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.module("db", nil, time.Second)
		release := make(chan struct{})
		w.Add("stuck", []string{"db"}, func(context.Context) (service.Service, error) {
			return service.Func(func(_ context.Context, ready func()) error {
				ready()
				<-release
				return nil
			}), nil
		})
		w.run("stuck")
		testx.NoErr(t, w.Ready(t.Context()))
		w.cancel()
		err := <-w.ended
		if err == nil || !strings.Contains(err.Error(), "module stuck did not stop within 15s") {
			t.Errorf("got %v", err)
		}
		testx.Equal(t, w.take(), "+db -db") // the others did
		close(release)
	})
}

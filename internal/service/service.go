package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
	// stableAfter is how long a module has to have run for its next failure
	// to count as the first.
	stableAfter = time.Minute
	// stopLimit is how long a module may take to stop.
	stopLimit = 15 * time.Second
)

// Service is what a module runs. Run blocks; it calls ready once it serves,
// and returns when ctx ends, with nil or ctx's error, or when it fails.
type Service interface {
	Run(ctx context.Context, ready func()) error
}

// Func makes a Service of a function.
type Func func(ctx context.Context, ready func()) error

// Run calls the function.
func (f Func) Run(ctx context.Context, ready func()) error { return f(ctx, ready) }

// Status is where a module is in its life.
type Status string

// The states; the package's comment shows how they follow each other.
const (
	StatusNew      Status = "new"
	StatusStarting Status = "starting"
	StatusRunning  Status = "running"
	StatusStopping Status = "stopping"
	StatusFailed   Status = "failed"
	StatusStopped  Status = "stopped"
)

// State is what Manager.States tells of one module.
type State struct {
	Name      string
	State     Status
	Since     time.Time
	Restarts  int    // starts after a failure
	LastError string // of the last failure, "" if there was none
}

// module is one module. What is not said to be under Manager.mu is set by Add
// and never changes.
type module struct {
	name  string
	needs []string
	build func(context.Context) (Service, error)

	// Under Manager.mu:
	state  State
	wanted bool               // false between Stop and Start
	cancel context.CancelFunc // ends the instance that runs; nil if none does

	gone chan struct{} // closed when it stopped for good, or was given up
	idle chan struct{} // closed when its supervisor returned
}

// Manager runs modules.
type Manager struct {
	log *slog.Logger

	mu      sync.Mutex
	modules map[string]*module // under mu until Run; then fixed
	order   []*module          // under mu: what Run runs, needs first; nil before
	changed chan struct{}      // under mu: closed and replaced at each change
}

// New makes a manager that logs to log.
func New(log *slog.Logger) *Manager {
	return &Manager{log: log, modules: map[string]*module{}, changed: make(chan struct{})}
}

// Add makes a module known. Each start calls build, after all needs are
// ready; its context ends with the instance. Adding a name twice, or after
// Run, is a programmer's mistake and panics.
func (m *Manager) Add(name string, needs []string, build func(ctx context.Context) (Service, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.modules[name] != nil || m.order != nil {
		panic("service: module " + name + " is added twice or too late")
	}
	m.modules[name] = &module{
		name: name, needs: slices.Clone(needs), build: build,
		state: State{Name: name, State: StatusNew, Since: time.Now()}, wanted: true,
		gone: make(chan struct{}), idle: make(chan struct{}),
	}
}

// Run starts the targets and all they need, each as soon as its needs are
// ready, and keeps them running until ctx ends. Then it stops each module
// when all that need it have stopped. The error tells of targets or needs
// that are unknown or form a circle, or of modules that did not stop in time.
func (m *Manager) Run(ctx context.Context, targets ...string) error {
	if err := m.plan(targets); err != nil {
		return err
	}
	for _, mod := range m.order {
		go m.supervise(ctx, mod)
	}
	<-ctx.Done()
	return m.stopAll()
}

// plan fills m.order with the targets and all they need, needs first.
func (m *Manager) plan(targets []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.order != nil {
		return errors.New("the modules run already")
	}
	order := []*module{}
	done := map[string]bool{}
	var visit func(name string, path []string) error
	visit = func(name string, path []string) error {
		if i := slices.Index(path, name); i >= 0 {
			return fmt.Errorf("modules need each other in a circle: %s", strings.Join(append(path[i:], name), " → "))
		}
		mod := m.modules[name]
		switch {
		case mod == nil && len(path) == 0:
			return fmt.Errorf("there is no module %s", name)
		case mod == nil:
			return fmt.Errorf("module %s needs %s, which there is not", path[len(path)-1], name)
		case done[name]:
			return nil
		}
		for _, need := range mod.needs {
			if err := visit(need, append(path[:len(path):len(path)], name)); err != nil {
				return err
			}
		}
		done[name] = true
		order = append(order, mod)
		return nil
	}
	for _, t := range targets {
		if err := visit(t, nil); err != nil {
			return err
		}
	}
	m.order = order
	m.notify()
	return nil
}

// notify wakes all who await a change. The caller holds mu.
func (m *Manager) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// set changes a module's state. The caller holds mu.
func (m *Manager) set(mod *module, s Status) {
	mod.state.State, mod.state.Since = s, time.Now()
	m.notify()
}

// await returns true once cond holds, false if ctx ends before. cond is
// called with mu held.
func (m *Manager) await(ctx context.Context, cond func() bool) bool {
	for {
		m.mu.Lock()
		ok, changed := cond(), m.changed
		m.mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		if ok {
			return true
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// supervise keeps one module running until ctx ends. Its instance does not
// end with ctx but when stopAll says so, in order.
func (m *Manager) supervise(ctx context.Context, mod *module) {
	defer close(mod.idle)
	backoff := minBackoff
	for {
		startable := func() bool {
			return mod.wanted && !slices.ContainsFunc(mod.needs, func(need string) bool {
				return m.modules[need].state.State != StatusRunning
			})
		}
		if !m.await(ctx, startable) {
			break
		}
		instance, ok := m.begin(ctx, mod)
		if !ok {
			continue
		}
		start := time.Now()
		err := m.runInstance(instance, mod)
		if !m.end(ctx, mod, err) {
			backoff = minBackoff // it was told to stop
			continue
		}
		if time.Since(start) >= stableAfter {
			backoff = minBackoff
		}
		wait := backoff/2 + rand.N(backoff/2)
		backoff = min(2*backoff, maxBackoff)
		m.log.ErrorContext(ctx, "module failed", "name", mod.name, "error", err, "restart_in", wait)
		m.pause(ctx, mod, wait)
	}
	m.mu.Lock()
	m.set(mod, StatusStopped)
	m.mu.Unlock()
}

// begin puts a module that is still wanted into Starting.
func (m *Manager) begin(ctx context.Context, mod *module) (context.Context, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !mod.wanted {
		return nil, false
	}
	if mod.state.State == StatusFailed {
		mod.state.Restarts++
	}
	instance, cancel := context.WithCancel(context.WithoutCancel(ctx))
	mod.cancel = cancel
	m.set(mod, StatusStarting)
	return instance, true
}

// end records how an instance ended and reports whether that is a failure.
func (m *Manager) end(ctx context.Context, mod *module, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	mod.cancel()
	mod.cancel = nil
	if mod.state.State == StatusStopping {
		if err != nil && !errors.Is(err, context.Canceled) {
			m.log.WarnContext(ctx, "module stopped with an error", "name", mod.name, "error", err)
		}
		m.set(mod, StatusStopped)
		return false
	}
	mod.state.LastError = err.Error()
	m.set(mod, StatusFailed)
	return true
}

// pause waits before a restart, unless the module is stopped meanwhile. A
// Stop finds no instance to end: the module is Stopped at once.
func (m *Manager) pause(ctx context.Context, mod *module, wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m.await(ctx, func() bool { return !mod.wanted })
}

// runInstance builds and runs the module once. It never returns nil unless
// the instance was told to end.
func (m *Manager) runInstance(ctx context.Context, mod *module) (err error) {
	defer func() {
		if p := recover(); p != nil {
			m.log.ErrorContext(ctx, "module panicked", "name", mod.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	svc, err := mod.build(ctx)
	if err != nil {
		return err
	}
	err = svc.Run(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if ctx.Err() == nil && mod.state.State == StatusStarting {
			m.set(mod, StatusRunning)
			m.log.InfoContext(ctx, "module is running", "name", mod.name)
		}
	})
	if err == nil && ctx.Err() == nil {
		return errors.New("it ended of its own accord")
	}
	return err
}

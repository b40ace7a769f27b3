package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// States tells of all modules that Run runs, needs before what needs them.
func (m *Manager) States() []State {
	m.mu.Lock()
	defer m.mu.Unlock()
	states := make([]State, 0, len(m.order))
	for _, mod := range m.order {
		states = append(states, mod.state)
	}
	return states
}

// Ready waits until everything that Run runs is Running. If ctx ends before,
// the error names what is not, and why.
func (m *Manager) Ready(ctx context.Context) error {
	ready := func() bool {
		return m.order != nil && !slices.ContainsFunc(m.order, func(mod *module) bool { return mod.state.State != StatusRunning })
	}
	if m.await(ctx, ready) {
		return nil
	}
	var missing []string
	for _, s := range m.States() {
		if s.State == StatusRunning {
			continue
		}
		text := fmt.Sprintf("%s is %s", s.Name, s.State)
		if s.LastError != "" {
			text += " (" + s.LastError + ")"
		}
		missing = append(missing, text)
	}
	if missing == nil {
		return fmt.Errorf("wait for the modules: %w", ctx.Err())
	}
	return fmt.Errorf("%s: %w", strings.Join(missing, ", "), ctx.Err())
}

// Stop stops one module and leaves those that need it alone. It returns when
// the module has stopped, or with an error if that takes too long; the module
// then goes on stopping.
func (m *Manager) Stop(ctx context.Context, name string) error {
	mod, err := m.find(name)
	if err != nil {
		return err
	}
	m.tellToStop(mod)
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	if !m.await(ctx, func() bool { return mod.state.State == StatusStopped }) {
		return fmt.Errorf("stop module %s: %w", name, ctx.Err())
	}
	return nil
}

// Start has a stopped module start again, as soon as its needs are ready.
func (m *Manager) Start(name string) error {
	mod, err := m.find(name)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	mod.wanted = true
	m.notify()
	return nil
}

func (m *Manager) find(name string) (*module, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.order, func(mod *module) bool { return mod.name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no module %s here", name)
	}
	return m.order[i], nil
}

// tellToStop ends the module's instance, or keeps the next from starting.
func (m *Manager) tellToStop(mod *module) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mod.wanted = false
	switch {
	case mod.cancel == nil:
		m.set(mod, StatusStopped)
	case mod.state.State != StatusStopping:
		mod.cancel()
		m.set(mod, StatusStopping)
	}
}

// stopAll stops each module once all that need it are gone.
func (m *Manager) stopAll() error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error // under mu
	)
	for _, mod := range m.order {
		wg.Go(func() {
			defer close(mod.gone)
			for _, other := range m.order {
				if slices.Contains(other.needs, mod.name) {
					<-other.gone
				}
			}
			m.tellToStop(mod)
			limit := time.NewTimer(stopLimit)
			defer limit.Stop()
			select {
			case <-mod.idle:
			case <-limit.C:
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("module %s did not stop within %v", mod.name, stopLimit))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

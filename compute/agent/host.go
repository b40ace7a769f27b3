package agent

import (
	"context"
	"errors"
	"sync"

	"nubo/compute"
	"nubo/compute/driver"
	"nubo/internal/fault"
	"nubo/internal/rpc"
)

// concurrency is how many casts a host takes at a time. Most of them wait:
// for their turn to build, or for their ports. It has to be more than servers
// are likely to wait at once, because the events they wait for come as casts.
const concurrency = 1024

// host is one hypervisor.
type host struct {
	*Agent
	name   string
	driver driver.Driver
	builds chan struct{} // a token in it is a build at work
	plugs  *plugs

	mu   sync.Mutex       // guards work
	work map[string]*work // by server
}

// work is a handler at work on a server.
type work struct {
	build  bool
	cancel context.CancelCauseFunc
	done   chan struct{}
}

func newHost(a *Agent, h Host) *host {
	return &host{
		Agent: a, name: h.Name, driver: h.Driver, builds: make(chan struct{}, max(1, a.cfg.MaxConcurrentBuilds)), plugs: newPlugs(),
		work: map[string]*work{},
	}
}

func (h *host) serve(ctx context.Context, ready func()) error {
	return h.deps.Bus.Serve(ctx, rpc.Server{
		Target: compute.ComputeTarget(h.name), Concurrency: concurrency,
		Methods: map[string]rpc.Handler{
			compute.MethodBuildAndRun:      rpc.Method(h.buildAndRun),
			compute.MethodTerminate:        on(h, h.terminate, func(a compute.ServerArgs) string { return a.Server.ID }),
			compute.MethodStart:            on(h, h.start, func(a compute.ServerArgs) string { return a.Server.ID }),
			compute.MethodStop:             on(h, h.stop, func(a compute.ServerArgs) string { return a.Server.ID }),
			compute.MethodReboot:           on(h, h.reboot, func(a compute.RebootArgs) string { return a.Server.ID }),
			compute.MethodAttachVolume:     on(h, h.attachVolume, func(a compute.VolumeArgs) string { return a.Server.ID }),
			compute.MethodDetachVolume:     on(h, h.detachVolume, func(a compute.VolumeArgs) string { return a.Server.ID }),
			compute.MethodAttachInterface:  on(h, h.attachInterface, func(a compute.InterfaceArgs) string { return a.Server.ID }),
			compute.MethodDetachInterface:  on(h, h.detachInterface, func(a compute.InterfaceArgs) string { return a.Server.ID }),
			compute.MethodExternalEvent:    rpc.Method(h.externalEvents),
			compute.MethodGetConsoleOutput: rpc.Method(h.consoleOutput),
			compute.MethodGetVNCConsole:    rpc.Method(h.remoteConsole),
			compute.MethodGetSerialConsole: rpc.Method(h.remoteConsole),
		},
	}, ready)
}

// nothing is the answer of methods that have none.
type nothing = struct{}

// on makes a handler that has the server to itself and finds it as it is
// now. One that is gone, or is not on this host, is none of its business.
func on[A any](h *host, fn func(ctx context.Context, s *compute.Server, args A) error, id func(A) string) rpc.Handler {
	return rpc.Method(func(ctx context.Context, args A) (nothing, error) {
		return nothing{}, h.alone(ctx, id(args), func(ctx context.Context) error {
			s, err := h.current(ctx, id(args))
			if err != nil || s == nil {
				return err
			}
			return fn(ctx, s, args)
		})
	})
}

// errDeleting ends a build whose server is being deleted.
var errDeleting = errors.New("the server is being deleted")

// alone runs fn when no other handler is at work on the server. A build that
// is at work is told to end if the server is to be deleted: see terminate.
func (h *host) alone(ctx context.Context, id string, fn func(ctx context.Context) error) error {
	w := &work{done: make(chan struct{})}
	for {
		other := h.enter(id, w)
		if other == nil {
			break
		}
		if other.build {
			if err := h.endBuild(ctx, id, other); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-other.done:
		}
	}
	defer h.leave(id, w)
	return fn(ctx)
}

// endBuild ends a build if its server is being deleted.
func (h *host) endBuild(ctx context.Context, id string, build *work) error {
	s, err := h.current(ctx, id)
	if err != nil {
		return err
	}
	if s == nil || s.TaskState == compute.Deleting {
		build.cancel(errDeleting)
	}
	return nil
}

// enter notes that w is at work on the server, or gives who is.
func (h *host) enter(id string, w *work) *work {
	h.mu.Lock()
	defer h.mu.Unlock()
	if other := h.work[id]; other != nil {
		return other
	}
	h.work[id] = w
	return nil
}

func (h *host) leave(id string, w *work) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.work, id)
	close(w.done)
}

// busy reports whether somebody is at work on the server.
func (h *host) busy(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.work[id] != nil
}

// current gives a server as it is now; nil if it is gone or elsewhere.
func (h *host) current(ctx context.Context, id string) (*compute.Server, error) {
	var s *compute.Server
	err := h.always(ctx, "a server", func(ctx context.Context) (err error) {
		s, err = h.conductor.Server(ctx, id)
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case s.Host != h.name:
		return nil, nil
	}
	return s, nil
}

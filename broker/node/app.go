package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync"

	"nubo/broker"
	"nubo/broker/ctl"
)

// app is a broker that serves.
type app struct {
	broker    *broker.Broker
	listeners []net.Listener // for clients; nil while suspended
	suspended bool
	served    sync.WaitGroup // one for each listener
	plugins   map[string]*running
}

// StartApp implements ctl.Node.
func (n *Node) StartApp(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.app != nil {
		return nil
	}
	cfg := n.opts.Broker
	cfg.DataDir, cfg.Log, cfg.MemoryWatermark = n.storeDir(), n.opts.Log, n.watermark(0)
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the broker's directory: %w", err)
	}
	b, err := broker.Open(cfg)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // what recovery read of the log is not needed again
	a := &app{broker: b, plugins: make(map[string]*running)}
	if n.opts.Started != nil {
		err = n.opts.Started(b)
	}
	if err == nil {
		err = n.listen(a)
	}
	if err == nil {
		err = n.startPlugins(ctx, a)
	}
	if err != nil {
		return errors.Join(err, n.stop(ctx, a))
	}
	n.app, n.name = a, b.NodeName()
	n.current.Store(b)
	return nil
}

// StopApp implements ctl.Node.
func (n *Node) StopApp(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.app == nil {
		return nil
	}
	a := n.app
	n.app = nil
	n.current.Store(nil)
	return n.stop(ctx, a)
}

// stop ends a broker and all that serves it. mu is held.
func (n *Node) stop(ctx context.Context, a *app) error {
	if n.opts.Stopped != nil {
		n.opts.Stopped()
	}
	for name := range a.plugins {
		a.stopPlugin(name)
	}
	err := a.broker.Shutdown(ctx)
	a.served.Wait()
	if errors.Is(err, broker.ErrClosed) {
		return nil
	}
	return err
}

// listen lets clients in. mu is held.
func (n *Node) listen(a *app) error {
	for _, at := range []struct {
		address string
		serve   func(net.Listener) error
	}{
		{n.opts.AMQP, a.broker.Serve},
		{n.opts.AMQPS, func(l net.Listener) error { return a.broker.ServeTLS(l, n.opts.TLS) }},
	} {
		if at.address == "" {
			continue
		}
		l, err := net.Listen("tcp", at.address)
		if err != nil {
			return fmt.Errorf("%w (is another broker running? --port-offset moves all ports)", err)
		}
		a.listeners = append(a.listeners, l)
		a.served.Go(func() {
			// A listener that was closed was so by us.
			if err := at.serve(l); err != nil && !errors.Is(err, broker.ErrClosed) && !errors.Is(err, net.ErrClosed) {
				n.fail(err)
			}
		})
	}
	return nil
}

// SuspendListeners implements ctl.Node.
func (n *Node) SuspendListeners() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.app == nil || n.app.suspended {
		return nil
	}
	var err error
	for _, l := range n.app.listeners {
		err = errors.Join(err, l.Close())
	}
	n.app.listeners, n.app.suspended = nil, true
	return err
}

// ResumeListeners implements ctl.Node.
func (n *Node) ResumeListeners() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.app == nil || !n.app.suspended {
		return nil
	}
	n.app.suspended = false
	return n.listen(n.app)
}

// Reset implements ctl.Node.
func (n *Node) Reset(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.app != nil {
		return errors.New("the broker must be stopped")
	}
	return os.RemoveAll(n.storeDir())
}

// watermark is how much messages may take of the memory, when they take some
// already: the rest of the process needs its share. A limit that leaves none
// makes every publisher wait.
func (n *Node) watermark(messages int64) int64 {
	return max(n.limit-(ctl.Resident()-messages), 1)
}

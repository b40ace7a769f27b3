package node

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"

	"nubo/broker"
	"nubo/broker/ctl"
	"nubo/broker/management"
	"nubo/broker/metrics"
)

// running is a plugin that listens.
type running struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// startPlugins starts those that are enabled, and do not run. mu is held.
func (n *Node) startPlugins(ctx context.Context, a *app) error {
	for _, p := range []struct {
		name, address, protocol string
		handler                 func(*broker.Broker) http.Handler
	}{
		{ctl.PluginManagement, n.opts.Management, "http", func(b *broker.Broker) http.Handler { return management.New(b, management.Options{Log: n.opts.Log}) }},
		{ctl.PluginPrometheus, n.opts.Metrics, "http/prometheus", metrics.Handler},
	} {
		if a.plugins[p.name] != nil || p.address == "" || !slices.Contains(n.plugins, p.name) {
			continue
		}
		l, err := net.Listen("tcp", p.address)
		if err != nil {
			return fmt.Errorf("start %s: %w (is another broker running? --port-offset moves all ports)", p.name, err)
		}
		// It lives as long as the broker, not as the command that starts it.
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{cancel, make(chan struct{})}
		a.plugins[p.name] = r
		gone := a.broker.Listening(p.protocol, l.Addr()) // before the command that starts it is answered
		go func() {
			defer close(r.done)
			defer gone()
			if err := management.Serve(ctx, l, p.handler(a.broker)); err != nil {
				n.fail(err)
			}
		}()
	}
	return nil
}

// stopPlugin ends one and waits until it has.
func (a *app) stopPlugin(name string) {
	r := a.plugins[name]
	delete(a.plugins, name)
	r.cancel()
	<-r.done
}

// Plugins implements ctl.Node.
func (n *Node) Plugins() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.plugins)
}

// SetPlugins implements ctl.Node.
func (n *Node) SetPlugins(ctx context.Context, names []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.plugins
	n.plugins = slices.Clone(names)
	if n.app != nil {
		for name := range n.app.plugins {
			if !slices.Contains(names, name) {
				n.app.stopPlugin(name)
			}
		}
		if err := n.startPlugins(ctx, n.app); err != nil {
			n.plugins = before
			return err
		}
	}
	return ctl.WritePlugins(n.opts.Dir, names)
}

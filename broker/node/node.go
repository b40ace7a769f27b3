// Package node runs a broker as a process of its own would: in a directory
// that nobody else may use, with its listeners, its plugins and its control
// socket.
//
//	node.go      the node and its parts
//	app.go       the broker in it, which can be stopped and started
//	plugins.go   what listens beside the broker
//	lock.go      one process a directory
//	control.go   what the command line asks of the node
package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"nubo/broker"
	"nubo/broker/ctl"
	"nubo/broker/management"
)

// Options are what a node is made with.
type Options struct {
	// Dir is the node's directory: its identity.
	Dir string
	// AMQP, Management and Metrics are the addresses to listen on; AMQPS is
	// that with TLS, if there is one.
	AMQP, AMQPS, Management, Metrics string
	TLS                              *tls.Config
	// Broker is what the broker is made with, but for DataDir.
	Broker broker.Config
	// MemoryLimit is how much memory the process may use before publishers
	// wait: a fraction of the machine's, or an amount such as 2GB.
	MemoryLimit string
	// Started is called with every broker that starts, before it has clients;
	// Stopped when it is about to stop.
	Started func(*broker.Broker) error
	Stopped func()
	// Stop ends the process; what belongs to a larger one has none.
	Stop func()
	Log  *slog.Logger
	// Level is the log's level, to be changed from the command line.
	Level *slog.LevelVar
	// ConfigFile, LogFile, Version and Settings are told to who asks.
	ConfigFile, LogFile, Version string
	Settings                     []ctl.Setting
}

// stopLimit is how long clients may take to see a broker end.
const stopLimit = 5 * time.Second

// dataDir is the directory in a node's where the broker keeps what is durable.
const dataDir = "store"

// Node is a broker with what is around it.
type Node struct {
	opts Options
	lock *lock
	name string

	// current is the broker that serves, or nil.
	current atomic.Pointer[broker.Broker]
	// failed takes what ends the node.
	failed chan error

	// mu serialises starting and stopping of the broker and of its parts, and
	// guards the rest.
	mu        sync.Mutex
	app       *app
	plugins   []string
	limit     int64 // of memory
	limitText string
}

// Run runs a node in its directory until ctx ends. ready is called when it
// serves.
func Run(ctx context.Context, opts Options, ready func()) (err error) {
	n := &Node{opts: opts, failed: make(chan error, 1)}
	if n.opts.Log == nil {
		n.opts.Log = slog.New(slog.DiscardHandler)
	}
	if n.limit, err = parseLimit(opts.MemoryLimit); err != nil {
		return err
	}
	n.limitText = opts.MemoryLimit
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return fmt.Errorf("make the broker's directory: %w", err)
	}
	if n.lock, err = takeLock(opts.Dir); err != nil {
		return err
	}
	defer n.lock.release()
	if n.plugins, err = ctl.ReadPlugins(opts.Dir); err != nil {
		return err
	}
	if err := n.StartApp(ctx); err != nil {
		return err
	}
	defer func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		err = errors.Join(err, n.StopApp(limit))
	}()
	stopControl, err := n.serveControl()
	if err != nil {
		return err
	}
	defer stopControl()
	ready()
	select {
	case err := <-n.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// serveControl serves commands and the management API on the control socket.
func (n *Node) serveControl() (stop func(), err error) {
	l, err := ctl.Listen(n.opts.Dir)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/ctl", ctl.Handler(n))
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		b := n.Broker()
		if b == nil {
			http.Error(w, "the broker is stopped", http.StatusServiceUnavailable)
			return
		}
		management.New(b, management.Options{Trusted: true, Log: n.opts.Log}).ServeHTTP(w, r)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("serve the control socket: %w", err))
		}
	}()
	return func() {
		limit, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(limit) != nil {
			if err := srv.Close(); err != nil {
				n.opts.Log.Debug("the control socket's connections did not close", "error", err)
			}
		}
		<-done
	}, nil
}

// fail ends the node with an error; the first counts.
func (n *Node) fail(err error) {
	select {
	case n.failed <- err:
	default:
	}
}

// storeDir is where the broker keeps what is durable.
func (n *Node) storeDir() string { return filepath.Join(n.opts.Dir, dataDir) }

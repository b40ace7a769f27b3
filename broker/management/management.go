// Package management is the HTTP API of RabbitMQ's management plugin: its
// paths, fields, status codes and words.
//
//	management.go    the handler, who may ask for what
//	router.go        paths, segment by segment, as they were escaped
//	answer.go        JSON in and out, errors
//	list.go          paging, filtering, sorting and columns of lists
//	routes.go        every path with its methods
//	<resources>.go   one file a resource
package management

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"nubo/broker"
)

// Options are what a handler is made with.
type Options struct {
	// Trusted takes every request for one of the owner of this machine, who
	// needs no password: for a socket that only the owner can reach.
	Trusted bool
	// Log takes what went wrong inside; nothing is logged if nil.
	Log *slog.Logger
}

type server struct {
	b      *broker.Broker
	opts   Options
	routes *node
	all    []route
}

// New makes the handler of the management API of a broker.
func New(b *broker.Broker, opts Options) http.Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{b: b, opts: opts, routes: new(node), all: routes}
	for _, r := range routes {
		s.routes.add(r)
	}
	b.History() // so that there are rates when they are asked for
	return s
}

const (
	// maxBody is how long a request's body may be, as in RabbitMQ; definitions
	// are the longest.
	maxBody = 20_000_000
	// How long a client may take for a header, a body, an answer, and between
	// requests.
	headerTime = 10 * time.Second
	bodyTime   = 2 * time.Minute
	answerTime = 5 * time.Minute
	idleTime   = 2 * time.Minute
	// stopTime is how long the last answers may take.
	stopTime = 2 * time.Second
)

// Serve serves a handler on a listener until ctx ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: answerTime, IdleTimeout: idleTime}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err := srv.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-failed
	return err
}

// ServeHTTP answers a request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, w: w, server: s, b: s.b}
	if err := s.serve(c); err != nil && !errors.Is(err, errAnswered) {
		c.fail(err)
	}
}

func (s *server) serve(c *call) error {
	c.Body = http.MaxBytesReader(c.w, c.Body, maxBody)
	route, args, err := s.routes.find(c.URL.EscapedPath())
	if err != nil {
		return err
	}
	if route == nil {
		return errNotFound
	}
	c.args = args
	h := route.methods[c.method()]
	if c.Method == http.MethodOptions || h == nil {
		c.w.Header().Set("Allow", route.allow())
		if h == nil && c.Method != http.MethodOptions {
			c.w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return nil
	}
	if err := c.authorise(route); err != nil {
		return err
	}
	return h(c)
}

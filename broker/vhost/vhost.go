// Package vhost is one virtual host: its exchanges, queues and the bindings
// between them, and the way of a message through them.
//
// Locks: VHost.mu comes before a queue's lock, and both before those of a
// connection; nothing here is called with a connection's lock held.
package vhost

import (
	"crypto/rand"
	"encoding/base64"
	"sync"
	"sync/atomic"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/queue"
	"nubo/broker/store"
)

// VHost is a virtual host.
type VHost struct {
	Name string
	Config
	store  store.Store // Config.Store, for short
	tracer tracer

	// gen grows with every change that can alter a route, so that routes may
	// be cached while it stands still.
	gen atomic.Uint64

	// applying is held while policies are changed and applied; before mu.
	applying sync.Mutex

	// mu guards the maps, the exchanges' bindings and the index of them, and
	// the order of definitions in the store.
	mu      sync.RWMutex
	closed  bool // deleted: nothing is declared any more
	entered int64
	// defaultType is what queues are that do not say.
	defaultType queue.Type
	limits      map[string]int64
	policies    policies
	exchanges   map[string]*Exchange
	queues      map[string]*queue.Queue
	inbound     map[dest][]*binding // by destination
	owned       map[any]map[*queue.Queue]bool
}

// dest is a binding's destination: one of the two.
type dest struct {
	q *queue.Queue
	x *Exchange
}

// Config is what virtual hosts share of their broker.
type Config struct {
	Store  store.Store
	Memory queue.Gauge
	// Failed is told of queues whose messages cannot be read back.
	Failed func(q *queue.Queue, err error)
	// Node is the broker's name.
	Node string
	// Churn counts queues; one of its own if nil.
	Churn *Churn
}

// Churn counts the queues that were declared, again or for the first time,
// made by that, and deleted.
type Churn struct{ Declared, Created, Deleted atomic.Uint64 }

// New makes a virtual host with the exchanges every one has.
func New(name string, cfg Config) *VHost {
	v := &VHost{
		Name: name, Config: cfg, store: cfg.Store, limits: make(map[string]int64),
		exchanges: make(map[string]*Exchange),
		queues:    make(map[string]*queue.Queue),
		inbound:   make(map[dest][]*binding),
		owned:     make(map[any]map[*queue.Queue]bool),
	}
	if v.Churn == nil {
		v.Churn = new(Churn)
	}
	v.gen.Store(1) // 0 is no generation
	for name, kind := range map[string]string{
		"": match.Direct, "amq.direct": match.Direct, "amq.fanout": match.Fanout, "amq.topic": match.Topic,
		"amq.headers": match.Headers, "amq.match": match.Headers, traceExchange: match.Topic,
	} {
		v.exchanges[name] = newExchange(ExchangeSpec{
			Name: name, Kind: kind, Durable: true, Internal: name == traceExchange,
		})
	}
	return v
}

// Generation changes whenever a route may have changed.
func (v *VHost) Generation() uint64 { return v.gen.Load() }

// Invalidate makes every cached route be looked up again.
func (v *VHost) Invalidate() { v.gen.Add(1) }

// changed invalidates what was cached. mu is held for writing.
func (v *VHost) changed() { v.gen.Add(1) }

// RandomName returns a name such as amq.gen-JzTY20BRgKO-HjmUJj0wLg.
func RandomName(prefix string) string {
	var b [16]byte
	rand.Read(b[:])
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// NoQueue is the error for a queue that is not there.
func (v *VHost) NoQueue(name string) *amqp.Error {
	return amqp.Errorf(amqp.NotFound, "no queue '%s' in vhost '%s'", name, v.Name)
}

// NoExchange is the error for an exchange that is not there.
func (v *VHost) NoExchange(name string) *amqp.Error {
	return amqp.Errorf(amqp.NotFound, "no exchange '%s' in vhost '%s'", name, v.Name)
}

// mismatch is the error for a declaration that differs from what is there.
func (v *VHost) mismatch(arg, kind, name, received, current string) *amqp.Error {
	return amqp.Errorf(amqp.PreconditionFailed, "inequivalent arg '%s' for %s '%s' in vhost '%s': received %s but current is %s",
		arg, kind, name, v.Name, received, current)
}

// persisted waits until what was defined is durable.
func (v *VHost) persisted() *amqp.Error {
	if err := v.store.Sync(); err != nil {
		return amqp.Errorf(amqp.InternalError, "the definition could not be stored: %v", err)
	}
	return nil
}

// Close stops the timers of all queues when the broker stops. Nothing may use
// the vhost afterwards.
func (v *VHost) Close() {
	v.tracer.told.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, q := range v.queues {
		q.Stop()
	}
}

// Delete deletes everything in the virtual host, which must not be entered any
// more, from the store too.
func (v *VHost) Delete() error {
	v.mu.Lock()
	v.closed = true
	for _, q := range v.queues {
		q.Close(queue.Condition{})
		v.forget(q)
	}
	for _, x := range v.exchanges {
		v.removeExchange(x)
	}
	for _, operator := range []bool{false, true} {
		for _, p := range v.policies.set(operator).List() {
			v.store.Undefine(store.Key(policyKind(operator), v.Name, p.Name))
		}
	}
	for name := range v.limits {
		v.store.Undefine(store.Key(keyLimit, v.Name, name))
	}
	v.mu.Unlock()
	return v.store.Sync()
}

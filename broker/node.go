package broker

import (
	"cmp"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Version is nubo's, Compatible that of the RabbitMQ whose answers the broker
// gives.
const (
	Version    = version
	Compatible = compatible
)

// Listener is something that listens.
type Listener struct {
	// Protocol is RabbitMQ's name for it: amqp, amqp/ssl, http.
	Protocol string
	IP       string
	Port     int
	// CertificateExpires is when the certificate is not valid any more; zero
	// without TLS.
	CertificateExpires time.Time
}

// node is what there is to know of a broker as a node.
type node struct {
	name    string
	started time.Time

	mu        sync.Mutex
	listeners []Listener // guarded by mu; those for AMQP are the broker's

	refused, admitted atomic.Uint64 // tries to log in by HTTP
}

// start sets the name and the time.
func (n *node) start() {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	host, _, _ = strings.Cut(host, ".")
	n.name, n.started = "rabbit@"+host, time.Now()
}

// LoginAttempts count tries to log in by one protocol.
type LoginAttempts struct {
	Protocol          string
	Failed, Succeeded uint64
}

// LoginAttempts counts tries to log in, by protocol.
func (b *Broker) LoginAttempts() []LoginAttempts {
	t := b.env.Totals
	return []LoginAttempts{
		{"http", b.node.refused.Load(), b.node.admitted.Load()},
		{"amqp091", t.Refused.Load(), t.Admitted.Load()},
	}
}

// ResetLoginAttempts lets the counts begin again.
func (b *Broker) ResetLoginAttempts() {
	t := b.env.Totals
	for _, n := range []*atomic.Uint64{&b.node.refused, &b.node.admitted, &t.Refused, &t.Admitted} {
		n.Store(0)
	}
}

// NodeName is the broker's name as a node: rabbit@HOST.
func (b *Broker) NodeName() string { return b.node.name }

// DataDir is where the broker keeps what is durable; empty if nothing is kept.
func (b *Broker) DataDir() string { return b.disk.dir }

// Started is when the broker was made.
func (b *Broker) Started() time.Time { return b.node.started }

// Listening notes that another protocol of the broker is served on an address,
// until the function it returns is called.
func (b *Broker) Listening(protocol string, addr net.Addr) (done func()) {
	l := listener(protocol, addr)
	n := &b.node
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = append(n.listeners, l)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if i := slices.Index(n.listeners, l); i >= 0 {
			n.listeners = slices.Delete(n.listeners, i, i+1)
		}
	}
}

// Listeners is all that the broker listens on, by port.
func (b *Broker) Listeners() []Listener {
	b.node.mu.Lock()
	list := slices.Clone(b.node.listeners)
	b.node.mu.Unlock()
	b.mu.Lock()
	for _, l := range b.listeners {
		list = append(list, l)
	}
	b.mu.Unlock()
	slices.SortFunc(list, func(a, b Listener) int { return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.IP, b.IP)) })
	return list
}

func listener(protocol string, addr net.Addr) Listener {
	l := Listener{Protocol: protocol}
	if a, ok := addr.(*net.TCPAddr); ok {
		l.IP, l.Port = a.IP.String(), a.Port
	}
	return l
}

package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"nubo/broker/message"
	"nubo/broker/queue"
	"nubo/broker/store"
)

// componentShovel is the component of the parameters that are shovels.
const componentShovel = "shovel"

// Shovel is a dynamic shovel. The broker runs those that move what is in a
// queue to another of the same virtual host, and end. That is what RabbitMQ's
// page makes of "move messages". Such a one is a parameter until it is done, so
// that a broker that was killed goes on with it. Any other is taken, as RabbitMQ
// takes it, and stands still.
type Shovel struct {
	VHost, Name, From, To string
	Running               bool
	// Reason is why it stands still, if it does.
	Reason string
	Since  time.Time
}

// shovels are those the broker runs, and those that stand still.
type shovels struct {
	mu   sync.Mutex
	list map[parameterKey]*shovel // guarded by mu
}

type shovel struct {
	Shovel               // guarded by shovels.mu
	stop   chan struct{} // closed, under shovels.mu, when it is to end
}

// errStopped ends a shovel that is no more wanted.
var errStopped = errors.New("the shovel was stopped")

// ErrNotRun is why a shovel of another kind stands still.
var ErrNotRun = errors.New("this broker's shovels move what is in a queue to another queue of their virtual host (src-delete-after: queue-length), and nothing else is run")

// movement reads a shovel's definition: from a queue to a queue here, until
// the queue is moved. Of anything else the error says what of it is not run.
func movement(vhost string, value json.RawMessage) (from, to string, err error) {
	var keys map[string]json.RawMessage
	var v struct {
		SrcQueue  string `json:"src-queue"`
		DestQueue string `json:"dest-queue"`
	}
	if json.Unmarshal(value, &keys) != nil || json.Unmarshal(value, &v) != nil {
		return "", "", fmt.Errorf("its value is no definition: %w", ErrNotRun)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if runs := shovelKeys[key]; runs == nil || !runs(vhost, keys[key]) { // the value may hold a password
			return "", "", fmt.Errorf("its %s is not run: %w", key, ErrNotRun)
		}
	}
	for _, key := range []string{"src-uri", "src-queue", "dest-uri", "dest-queue"} {
		if keys[key] == nil {
			return "", "", fmt.Errorf("it has no %s: %w", key, ErrNotRun)
		}
	}
	if keys["src-delete-after"] == nil && keys["delete-after"] == nil {
		return "", "", fmt.Errorf("it has no src-delete-after: %w", ErrNotRun)
	}
	return v.SrcQueue, v.DestQueue, nil
}

// shovelKeys tells of each key of a shovel which values are done as they say. How
// much is in hand at once, when it is tried again and what is confirmed to
// whom change nothing of what arrives, or make it less safe than it is.
var shovelKeys = map[string]func(vhost string, value json.RawMessage) bool{
	"src-uri": uriHere, "dest-uri": uriHere, "src-queue": isName, "dest-queue": isName,
	"src-protocol": is("amqp091"), "dest-protocol": is("amqp091"),
	"src-delete-after": is("queue-length"), "delete-after": is("queue-length"),
	"add-forward-headers": isFalse, "dest-add-forward-headers": isFalse, "dest-add-timestamp-header": isFalse,
	"ack-mode": isAnything, "prefetch-count": isAnything, "src-prefetch-count": isAnything, "reconnect-delay": isAnything,
}

func isAnything(string, json.RawMessage) bool { return true }

func isFalse(_ string, value json.RawMessage) bool { return string(value) == "false" }

func is(word string) func(string, json.RawMessage) bool {
	return func(_ string, value json.RawMessage) bool {
		var s string
		return json.Unmarshal(value, &s) == nil && s == word
	}
}

func isName(_ string, value json.RawMessage) bool {
	var s string
	return json.Unmarshal(value, &s) == nil && s != ""
}

// oneOrMore is a URI or a list of them.
type oneOrMore []string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// uriHere tells whether the only URI is this broker's virtual host: amqp:///NAME.
func uriHere(vhost string, value json.RawMessage) bool {
	var o oneOrMore
	if json.Unmarshal(value, &o) != nil || len(o) != 1 {
		return false
	}
	u, err := url.Parse(o[0])
	if err != nil || u.Scheme != "amqp" || u.Host != "" || u.User != nil {
		return false
	}
	name := defaultVHost
	if path := u.EscapedPath(); path != "" {
		if name, err = url.PathUnescape(path[1:]); err != nil {
			return false
		}
	}
	return name == vhost
}

// Shovel gives a shovel that runs or stands still.
func (b *Broker) Shovel(vhost, name string) (Shovel, bool) {
	b.shovels.mu.Lock()
	defer b.shovels.mu.Unlock()
	s := b.shovels.list[parameterKey{vhost, componentShovel, name}]
	if s == nil {
		return Shovel{}, false
	}
	return s.Shovel, true
}

// startShovel runs a shovel, from its beginning if it ran before, and says if
// it is one that is not run. It does nothing for parameters that are no shovels.
func (b *Broker) startShovel(k parameterKey, value json.RawMessage) error {
	b.stopShovel(k)
	if k.component != componentShovel {
		return nil
	}
	from, to, err := movement(k.vhost, value)
	s := &shovel{Shovel: Shovel{VHost: k.vhost, Name: k.name, From: from, To: to, Running: err == nil, Since: time.Now()}, stop: make(chan struct{})}
	if err != nil {
		s.Reason = err.Error()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.shovels.mu.Lock()
	if b.shovels.list == nil {
		b.shovels.list = make(map[parameterKey]*shovel)
	}
	b.shovels.list[k] = s
	b.shovels.mu.Unlock()
	if err != nil {
		return err
	}
	b.served.Add(1)
	go func() {
		defer b.served.Done()
		b.run(k, s, from, to)
	}()
	return nil
}

// startShovels goes on with the shovels of the time before.
func (b *Broker) startShovels() {
	for _, p := range b.Parameters() {
		_ = b.startShovel(parameterKey{p.VHost, p.Component, p.Name}, p.Value) // its status tells
	}
}

// RestartShovel runs a shovel anew, and tells whether there is one.
func (b *Broker) RestartShovel(vhost, name string) (bool, error) {
	k := parameterKey{vhost, componentShovel, name}
	b.params.mu.Lock()
	value, ok := b.params.list[k]
	b.params.mu.Unlock()
	if !ok {
		return false, nil
	}
	return true, b.startShovel(k, value)
}

// stopShovel ends a shovel if it runs, and forgets it.
func (b *Broker) stopShovel(k parameterKey) {
	b.shovels.mu.Lock()
	defer b.shovels.mu.Unlock()
	if s := b.shovels.list[k]; s != nil {
		close(s.stop)
		delete(b.shovels.list, k)
	}
}

func (b *Broker) run(k parameterKey, s *shovel, from, to string) {
	err := b.move(k.vhost, from, to, s.stop)
	switch {
	case errors.Is(err, errStopped):
	case err != nil:
		b.env.Log.Warn("a shovel stands still", "vhost", k.vhost, "shovel", k.name, "error", err)
		b.shovels.mu.Lock()
		s.Running, s.Reason, s.Since = false, err.Error(), time.Now()
		b.shovels.mu.Unlock()
	default:
		b.shovels.mu.Lock()
		mine := b.shovels.list[k] == s // and not one that was set in its place meanwhile
		b.shovels.mu.Unlock()
		if !mine {
			return
		}
		if _, err := b.ClearParameter(k.component, k.vhost, k.name); err != nil {
			b.env.Log.Warn("a shovel is done and stays", "vhost", k.vhost, "shovel", k.name, "error", err)
		}
	}
}

// moveAtOnce is how many messages a shovel has in hand.
const moveAtOnce = 1000

// move moves as many messages as a queue has when it begins, each at least
// once: what another queue does not have for good stays.
func (b *Broker) move(vhost, from, to string, stop <-chan struct{}) error {
	v, err := b.VHost(vhost)
	if err != nil {
		return err
	}
	source, bad := v.Queue(from, nil)
	if bad != nil {
		return bad
	}
	dest, bad := v.Queue(to, nil)
	if bad != nil {
		return bad
	}
	if source.Initial.Type == queue.Stream {
		return fmt.Errorf("queue '%s' is a stream: what is in it cannot be taken out", from)
	}
	for left, _ := source.Len(); left > 0; {
		select {
		case <-stop:
			return errStopped
		case <-b.stop:
			return errStopped
		default:
		}
		n, err := moveSome(source, dest, min(left, moveAtOnce))
		if err != nil || n == 0 {
			return err
		}
		left -= n
	}
	return nil
}

// confirmed says of a message, by its tag, whether a queue has it for good.
type confirmed struct {
	tag uint64
	err error
}

type confirms chan confirmed

// Stored implements store.Waiter.
func (c confirms) Stored(tags []uint64, err error) {
	for _, tag := range tags {
		c <- confirmed{tag, err}
	}
}

var _ store.Waiter = confirms(nil)

// moveSome moves up to n messages and says how many it was.
func moveSome(from, to *queue.Queue, n int) (int, error) {
	var taken []queue.Entry
	for range n {
		e, _, ok := from.Get(false)
		if !ok {
			break
		}
		taken = append(taken, e)
	}
	w, has, pending := make(confirms, len(taken)), make([]bool, len(taken)), 0
	var err error
publishing:
	for i := range taken {
		m := taken[i].Msg
		again := &message.Message{
			RoutingKey: to.Name, Props: m.Props, Body: m.Body, Persistent: m.Persistent, Priority: m.Priority, TTL: m.TTL, HasTTL: m.HasTTL,
		}
		switch to.Publish(again, w, uint64(i)) {
		case queue.Accepted:
			has[i] = true
		case queue.Pending:
			pending++
		case queue.Rejected:
			err = fmt.Errorf("queue '%s' is full", to.Name)
			break publishing
		case queue.Closed:
			err = fmt.Errorf("queue '%s' is gone", to.Name)
			break publishing
		}
	}
	for range pending {
		c := <-w
		if has[c.tag] = c.err == nil; c.err != nil {
			err = fmt.Errorf("queue '%s' cannot store: %w", to.Name, c.err)
		}
	}
	var done, back []queue.Entry
	for i, e := range taken {
		if has[i] {
			done = append(done, e)
		} else {
			back = append(back, e)
		}
	}
	from.Ack(done)
	from.Requeue(back)
	return len(done), err
}

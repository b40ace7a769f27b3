package vhost

import (
	"fmt"
	"maps"
	"strings"

	"nubo/amqp"
	"nubo/broker/queue"
	"nubo/broker/store"
)

// QueueSpec is what a queue.declare says.
type QueueSpec struct {
	Name string
	queue.Flags
	Args amqp.Table
}

// equivalentArgs are the arguments a redeclaration must repeat.
var equivalentArgs = []string{
	"x-expires", "x-message-ttl", "x-max-age", "x-max-length", "x-max-length-bytes", "x-max-in-memory-length",
	"x-max-in-memory-bytes", "x-max-priority", "x-overflow", "x-queue-mode", "x-queue-version", "x-single-active-consumer",
	"x-queue-type", "x-quorum-initial-group-size", "x-dead-letter-exchange", "x-dead-letter-routing-key",
}

// DeclareQueue creates the queue, or checks the one there is against the
// spec, for the connection owner. An empty name asks for a random one.
func (v *VHost) DeclareQueue(s QueueSpec, owner any) (*queue.Queue, *amqp.Error) {
	q, created, err := v.declareQueue(s, owner)
	if err == nil {
		v.Churn.Declared.Add(1)
	}
	if created {
		v.Churn.Created.Add(1)
	}
	if err != nil || !created || !lasting(q) {
		return q, err
	}
	return q, v.persisted()
}

func (v *VHost) declareQueue(s QueueSpec, owner any) (_ *queue.Queue, created bool, _ *amqp.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.Name == "" {
		s.Name = RandomName("amq.gen-")
	} else if q := v.live(s.Name); q != nil {
		if q.Initial.Type == v.defaultType {
			v.addDefaultType(&s)
		}
		return q, false, v.checkQueue(q, s, owner)
	} else if strings.HasPrefix(s.Name, "amq.") {
		return nil, false, amqp.Errorf(amqp.AccessRefused, "queue name '%s' contains reserved prefix 'amq.*'", s.Name)
	}
	v.addDefaultType(&s)
	initial, bad := queue.Parse(s.Flags, s.Args)
	if bad != nil {
		return nil, false, amqp.Errorf(amqp.PreconditionFailed, "%s", bad.Text(s.Name, v.Name))
	}
	if n := v.limit(MaxQueues); n >= 0 && int64(len(v.queues)) >= n {
		return nil, false, amqp.Errorf(amqp.PreconditionFailed, "cannot declare queue '%s': queue limit in vhost '%s' (%d) is reached", s.Name, v.Name, n)
	}
	if v.closed {
		return nil, false, v.gone()
	}
	q := v.addQueue(s, initial, v.store.NewQueue(), owner)
	v.defineQueue(q)
	return q, true, nil
}

// addDefaultType gives a declaration that names no type the default one, if a
// queue of that type can be what it says. mu is held.
func (v *VHost) addDefaultType(s *QueueSpec) {
	if _, said := s.Args["x-queue-type"]; said || v.defaultType == "" || v.defaultType == queue.Classic ||
		!s.Durable || s.Exclusive || s.AutoDelete {
		return
	}
	args := amqp.Table{"x-queue-type": string(v.defaultType)}
	maps.Copy(args, s.Args)
	s.Args = args
}

// SetDefaultQueueType sets what queues are that do not say; classic if empty.
func (v *VHost) SetDefaultQueueType(t queue.Type) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.defaultType = t
}

// gone is the error for a virtual host that was deleted.
func (v *VHost) gone() *amqp.Error {
	return amqp.Errorf(amqp.NotFound, "no vhost '%s'", v.Name)
}

// addQueue makes a queue. mu is held.
func (v *VHost) addQueue(s QueueSpec, initial queue.Settings, id uint64, owner any) *queue.Queue {
	cfg := queue.Config{
		Name: s.Name, VHost: v.Name, Flags: s.Flags, Args: s.Args, Initial: initial,
		Store: v.store, StoreID: id, Memory: v.Memory,
		DeadLetter: v.deadLetter, Failed: v.Failed, Expired: v.Forget,
	}
	if s.Exclusive {
		cfg.Owner = owner
	}
	q := queue.New(cfg)
	q.Apply(v.settings(s.Name, initial))
	v.queues[s.Name] = q
	if s.Exclusive {
		if v.owned[owner] == nil {
			v.owned[owner] = make(map[*queue.Queue]bool)
		}
		v.owned[owner][q] = true
	}
	v.changed()
	return q
}

// live returns the queue of the name unless it closed itself and has not been
// removed yet, which is done then. mu is held for writing.
func (v *VHost) live(name string) *queue.Queue {
	q := v.queues[name]
	if q != nil && q.Closed() {
		v.forget(q)
		return nil
	}
	return q
}

// checkQueue compares a declaration with the queue there is. mu is held.
func (v *VHost) checkQueue(q *queue.Queue, s QueueSpec, owner any) *amqp.Error {
	q.Touch()
	if q.Exclusive != s.Exclusive || q.Exclusive && q.Owner != owner {
		return v.locked(q)
	}
	if q.Durable != s.Durable {
		return v.mismatch("durable", "queue", s.Name, quoted(s.Durable), quoted(q.Durable))
	}
	if q.AutoDelete != s.AutoDelete {
		return v.mismatch("auto_delete", "queue", s.Name, quoted(s.AutoDelete), quoted(q.AutoDelete))
	}
	return v.checkArgs("queue", s.Name, s.Args, q.Args, equivalentArgs)
}

func quoted(v any) string { return fmt.Sprintf("'%v'", v) }

// checkArgs compares the named arguments of a declaration with the current ones.
func (v *VHost) checkArgs(kind, name string, received, current amqp.Table, names []string) *amqp.Error {
	for _, n := range names {
		r, hasR := received[n]
		c, hasC := current[n]
		if hasR == hasC && (!hasR || sameArg(r, c)) {
			continue
		}
		if n == "x-queue-type" && (!hasR || r == "classic") && (!hasC || c == "classic") {
			continue
		}
		if n == "x-queue-type" {
			return v.mismatch(n, kind, name, argText(r, hasR), argText(c, hasC))
		}
		if hasR && hasC {
			return v.mismatch(n, kind, name, quoted(r), quoted(c))
		}
		return v.mismatch(n, kind, name, argText(r, hasR), argText(c, hasC))
	}
	return nil
}

// sameArg compares argument values; integers of any width are equal.
func sameArg(a, b any) bool {
	x, okX := amqp.Integer(a)
	y, okY := amqp.Integer(b)
	if okX || okY {
		return okX && okY && x == y
	}
	return string(amqp.Table{"": a}.Append(nil)) == string(amqp.Table{"": b}.Append(nil))
}

func argText(v any, has bool) string {
	if !has {
		return "none"
	}
	return fmt.Sprintf("the value '%v' of type '%s'", v, amqp.TypeName(v))
}

// locked is the error for an exclusive queue of another connection.
func (v *VHost) locked(q *queue.Queue) *amqp.Error {
	return amqp.Errorf(amqp.ResourceLocked, "cannot obtain exclusive access to locked queue '%s' in vhost '%s'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.",
		q.Name, v.Name)
}

// Queue returns the queue of the name for use by the connection owner.
func (v *VHost) Queue(name string, owner any) (*queue.Queue, *amqp.Error) {
	v.mu.RLock()
	q := v.queues[name]
	v.mu.RUnlock()
	switch {
	case q == nil || q.Closed():
		return nil, v.NoQueue(name)
	case q.Exclusive && q.Owner != owner:
		return nil, v.locked(q)
	}
	return q, nil
}

// DeleteQueue deletes the queue and returns how many messages were ready. One
// that is absent is deleted already.
func (v *VHost) DeleteQueue(name string, cond queue.Condition, owner any) (int, *amqp.Error) {
	q, err := v.Queue(name, owner)
	if err != nil {
		if err.Code == amqp.NotFound {
			return 0, nil
		}
		return 0, err
	}
	n, verdict := q.Close(cond)
	switch verdict {
	case queue.InUse:
		return 0, amqp.Errorf(amqp.PreconditionFailed, "queue '%s' in vhost '%s' in use", name, v.Name)
	case queue.NotEmpty:
		return 0, amqp.Errorf(amqp.PreconditionFailed, "queue '%s' in vhost '%s' not empty", name, v.Name)
	}
	v.Forget(q)
	if lasting(q) {
		return n, v.persisted()
	}
	return n, nil
}

// Forget removes a queue that closed itself.
func (v *VHost) Forget(q *queue.Queue) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forget(q)
}

// forget removes a closed queue and its bindings. mu is held.
func (v *VHost) forget(q *queue.Queue) {
	if v.queues[q.Name] != q {
		return
	}
	delete(v.queues, q.Name)
	v.Churn.Deleted.Add(1)
	if lasting(q) {
		v.store.Undefine(store.Key(keyQueue, v.Name, q.Name))
	}
	if q.Exclusive {
		delete(v.owned[q.Owner], q)
		if len(v.owned[q.Owner]) == 0 {
			delete(v.owned, q.Owner)
		}
	}
	v.unbindAll(dest{q: q})
	v.changed()
}

// Release deletes the exclusive queues of a connection that ended.
func (v *VHost) Release(owner any) {
	v.mu.RLock()
	var list []*queue.Queue
	for q := range v.owned[owner] {
		list = append(list, q)
	}
	v.mu.RUnlock()
	for _, q := range list {
		q.Close(queue.Condition{})
		v.Forget(q)
	}
}

package vhost

import (
	"slices"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/queue"
)

// bindingID is what makes a binding of one exchange unique.
type bindingID struct {
	dest dest
	key  string
	args string // encoded
}

type binding struct {
	source *Exchange
	dest   dest
	key    string
	args   amqp.Table
}

func (b *binding) id() bindingID {
	id := bindingID{dest: b.dest, key: b.key}
	if len(b.args) > 0 {
		id.args = string(b.args.Append(nil))
	}
	return id
}

// BindQueue binds a queue to an exchange; to do so twice is one binding.
func (v *VHost) BindQueue(q *queue.Queue, exchange, key string, args amqp.Table) *amqp.Error {
	return v.rebind(func() (bool, *amqp.Error) {
		if v.queues[q.Name] != q {
			return false, v.NoQueue(q.Name)
		}
		return v.bind(dest{q: q}, exchange, key, args)
	})
}

// rebind changes bindings with f, which tells whether that has to be durable,
// and waits until it is.
func (v *VHost) rebind(f func() (bool, *amqp.Error)) *amqp.Error {
	v.mu.Lock()
	durable, err := f()
	v.mu.Unlock()
	if err != nil || !durable {
		return err
	}
	return v.persisted()
}

// UnbindQueue removes a binding; one that is absent is removed already.
func (v *VHost) UnbindQueue(q *queue.Queue, exchange, key string, args amqp.Table) *amqp.Error {
	return v.rebind(func() (bool, *amqp.Error) { return v.unbind(dest{q: q}, exchange, key, args) })
}

// BindExchange makes messages flow from source on to destination.
func (v *VHost) BindExchange(destination, source, key string, args amqp.Table) *amqp.Error {
	return v.rebind(func() (bool, *amqp.Error) {
		x := v.exchanges[destination]
		if x == nil {
			return false, v.NoExchange(destination)
		}
		return v.bind(dest{x: x}, source, key, args)
	})
}

// UnbindExchange undoes BindExchange.
func (v *VHost) UnbindExchange(destination, source, key string, args amqp.Table) *amqp.Error {
	return v.rebind(func() (bool, *amqp.Error) {
		x := v.exchanges[destination]
		if x == nil {
			return false, v.NoExchange(destination)
		}
		return v.unbind(dest{x: x}, source, key, args)
	})
}

// bind adds a binding. mu is held for writing.
func (v *VHost) bind(d dest, source, key string, args amqp.Table) (durable bool, _ *amqp.Error) {
	x := v.exchanges[source]
	if x == nil {
		return false, v.NoExchange(source)
	}
	if x.Kind == match.Headers {
		if err := checkXMatch(args); err != nil {
			return false, err
		}
	}
	b := &binding{source: x, dest: d, key: key, args: args}
	id := b.id()
	if x.bindings[id] != nil {
		return false, nil
	}
	x.bindings[id] = b
	v.inbound[d] = append(v.inbound[d], b)
	x.matcher.Store(nil)
	v.changed()
	v.defineBinding(b)
	return b.durable(), nil
}

// checkXMatch checks a headers binding's x-match.
func checkXMatch(args amqp.Table) *amqp.Error {
	arg, ok := args["x-match"]
	if !ok {
		return nil
	}
	mode, isString := arg.(string)
	if !isString {
		return amqp.Errorf(amqp.PreconditionFailed, "Invalid x-match field type %s (value %v); expected longstr", amqp.TypeName(arg), arg)
	}
	switch mode {
	case "all", "any", "all-with-x", "any-with-x":
		return nil
	}
	return amqp.Errorf(amqp.PreconditionFailed, "Invalid x-match field value <<\"%s\">>; expected all, any, all-with-x, or any-with-x", mode)
}

// unbind removes a binding, and the source if it was an auto-delete
// exchange's last. mu is held for writing.
func (v *VHost) unbind(d dest, source, key string, args amqp.Table) (durable bool, _ *amqp.Error) {
	x := v.exchanges[source]
	if x == nil {
		return false, v.NoExchange(source)
	}
	b := x.bindings[(&binding{dest: d, key: key, args: args}).id()]
	if b == nil {
		return false, nil
	}
	v.unindex(b)
	v.defineBinding(b)
	v.detach(b)
	return b.durable(), nil
}

// unindex takes a binding out of its destination's list. mu is held.
func (v *VHost) unindex(b *binding) {
	rest := slices.DeleteFunc(v.inbound[b.dest], func(o *binding) bool { return o == b })
	if len(rest) == 0 {
		delete(v.inbound, b.dest)
	} else {
		v.inbound[b.dest] = rest
	}
}

// detach takes a binding from its source. mu is held.
func (v *VHost) detach(b *binding) {
	x := b.source
	delete(x.bindings, b.id())
	x.matcher.Store(nil)
	v.changed()
	if x.AutoDelete && len(x.bindings) == 0 {
		v.removeExchange(x)
	}
}

// unbindAll removes all bindings to d. mu is held.
func (v *VHost) unbindAll(d dest) {
	list := v.inbound[d]
	delete(v.inbound, d)
	for _, b := range list {
		if b.durable() {
			v.store.Undefine(v.bindingKey(b))
		}
		v.detach(b)
	}
}

package vhost

import (
	"fmt"

	"nubo/amqp"
	"nubo/broker/queue"
	"nubo/broker/store"
)

// The kinds of definition a virtual host keeps; the name of the vhost is the
// next part of the key. What a definition says is an encoded field table, which
// keeps the types arguments came with.
const (
	keyExchange       = "exchange"        // name
	keyQueue          = "queue"           // name
	keyBinding        = "binding"         // source, "q" or "e", destination, key, encoded arguments
	keyPolicy         = "policy"          // name
	keyOperatorPolicy = "operator_policy" // name
	keyLimit          = "vhost_limit"     // name
)

func (v *VHost) defineExchange(x *Exchange) {
	if x.Durable {
		v.store.Define(store.Key(keyExchange, v.Name, x.Name), amqp.Table{
			"type": x.Kind, "auto_delete": x.AutoDelete, "internal": x.Internal, "arguments": x.Args,
		}.Append(nil))
	}
}

// lasting tells whether a queue outlives the broker.
func lasting(q *queue.Queue) bool { return q.Durable && !q.Exclusive }

func (v *VHost) defineQueue(q *queue.Queue) {
	if lasting(q) {
		v.store.Define(store.Key(keyQueue, v.Name, q.Name), amqp.Table{
			"id": int64(q.StoreID), "auto_delete": q.AutoDelete, "arguments": q.Args,
		}.Append(nil))
	}
}

// durable tells whether a binding outlives the broker.
func (b *binding) durable() bool {
	if b.dest.x != nil {
		return b.source.Durable && b.dest.x.Durable
	}
	return b.source.Durable && lasting(b.dest.q)
}

func (v *VHost) bindingKey(b *binding) string {
	kind, name := "q", ""
	if b.dest.x != nil {
		kind, name = "e", b.dest.x.Name
	} else {
		name = b.dest.q.Name
	}
	return store.Key(keyBinding, v.Name, b.source.Name, kind, name, b.key)
}

// defineBinding records all bindings that differ by their arguments alone:
// arguments may hold any octet, so they are no part of the key.
func (v *VHost) defineBinding(b *binding) {
	if !b.durable() {
		return
	}
	list := []any{}
	for _, o := range v.inbound[b.dest] {
		if o.source == b.source && o.key == b.key {
			args := o.args
			if args == nil {
				args = amqp.Table{}
			}
			list = append(list, args)
		}
	}
	if len(list) == 0 {
		v.store.Undefine(v.bindingKey(b))
		return
	}
	v.store.Define(v.bindingKey(b), amqp.Table{"arguments": list}.Append(nil))
}

// Restore takes over the definitions of the virtual host from the time before:
// keys without kind and vhost, by kind. It is called before anyone uses it.
func (v *VHost) Restore(defs map[string][]Definition) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, d := range defs[keyLimit] {
		n, _ := amqp.Integer(d.Value["value"])
		v.limits[d.Key[0]] = n
	}
	for _, d := range defs[keyPolicy] {
		v.policies.users.Put(decodePolicy(d.Key[0], d.Value))
	}
	for _, d := range defs[keyOperatorPolicy] {
		v.policies.operators.Put(decodePolicy(d.Key[0], d.Value))
	}
	for _, d := range defs[keyExchange] {
		s := ExchangeSpec{Name: d.Key[0], Durable: true}
		s.Kind, _ = d.Value["type"].(string)
		s.AutoDelete, _ = d.Value["auto_delete"].(bool)
		s.Internal, _ = d.Value["internal"].(bool)
		s.Args, _ = d.Value["arguments"].(amqp.Table)
		v.exchanges[s.Name] = newExchange(s)
	}
	for _, x := range v.exchanges {
		v.setPolicy(x)
	}
	for _, d := range defs[keyQueue] {
		if err := v.restoreQueue(d); err != nil {
			return err
		}
	}
	for _, d := range defs[keyBinding] {
		v.restoreBindings(d)
	}
	return nil
}

// Recover has the queues take over the messages from the time before.
func (v *VHost) Recover() {
	v.mu.RLock()
	var list []*queue.Queue
	for _, q := range v.queues {
		list = append(list, q)
	}
	v.mu.RUnlock()
	for _, q := range list {
		q.Recover()
	}
	for _, q := range list { // without the lock: they may dead-letter
		q.Begin()
	}
}

// Definition is one definition: what is left of its key, and its value.
type Definition struct {
	Key   []string
	Value amqp.Table
}

func (v *VHost) restoreQueue(d Definition) error {
	name := d.Key[0]
	s := QueueSpec{Name: name, Flags: queue.Flags{Durable: true}}
	s.AutoDelete, _ = d.Value["auto_delete"].(bool)
	s.Args, _ = d.Value["arguments"].(amqp.Table)
	initial, bad := queue.Parse(s.Flags, s.Args)
	if bad != nil {
		return fmt.Errorf("restore queue: %s", bad.Text(name, v.Name))
	}
	id, _ := amqp.Integer(d.Value["id"])
	v.addQueue(s, initial, uint64(id), nil)
	return nil
}

// restoreBindings adds bindings whose ends are there; a crash between two
// deletions may have left one without.
func (v *VHost) restoreBindings(d Definition) {
	if len(d.Key) != 4 {
		return
	}
	to := dest{}
	if d.Key[1] == "e" {
		to.x = v.exchanges[d.Key[2]]
	} else {
		to.q = v.queues[d.Key[2]]
	}
	source := v.exchanges[d.Key[0]]
	if source == nil || to.x == nil && to.q == nil {
		return
	}
	list, _ := d.Value["arguments"].([]any)
	for _, a := range list {
		args, _ := a.(amqp.Table)
		b := &binding{source: source, dest: to, key: d.Key[3], args: args}
		source.bindings[b.id()] = b
		v.inbound[to] = append(v.inbound[to], b)
	}
}

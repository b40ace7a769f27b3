package broker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"nubo/amqp"
	"nubo/broker/conn"
	"nubo/broker/queue"
	"nubo/broker/store"
	"nubo/broker/vhost"
)

// The errors about virtual hosts.
var (
	ErrVHostExists  = errors.New("vhost already exists")
	ErrUnknownVHost = errors.New("no such vhost")
	ErrProtected    = errors.New("vhost is protected from deletion")
)

// VHostInfo describes a virtual host.
type VHostInfo struct {
	Name, Description string
	Tags              []string
	// DefaultQueueType is what queues are that do not say; classic if empty.
	DefaultQueueType string
	// Tracing says that messages are to be copied to amq.rabbitmq.trace.
	Tracing bool
	// Protected says that the virtual host must not be deleted.
	Protected bool
}

type host struct {
	*vhost.VHost
	info VHostInfo
}

const keyVHost = "vhost" // name

// AddVHost adds a virtual host.
func (b *Broker) AddVHost(i VHostInfo) error {
	b.mu.Lock()
	if b.vhosts[i.Name] != nil {
		b.mu.Unlock()
		return fmt.Errorf("add vhost %q: %w", i.Name, ErrVHostExists)
	}
	b.vhosts[i.Name] = b.newHost(i)
	b.store.Define(store.Key(keyVHost, i.Name), i.encode())
	b.mu.Unlock()
	return b.store.Sync()
}

// UpdateVHost changes a virtual host's description and tags.
func (b *Broker) UpdateVHost(i VHostInfo) error {
	b.mu.Lock()
	h := b.vhosts[i.Name]
	if h == nil {
		b.mu.Unlock()
		return fmt.Errorf("update vhost %q: %w", i.Name, ErrUnknownVHost)
	}
	h.info = i
	h.SetDefaultQueueType(queue.Type(i.DefaultQueueType))
	h.SetTracing(i.Tracing)
	b.store.Define(store.Key(keyVHost, i.Name), i.encode())
	b.mu.Unlock()
	return b.store.Sync()
}

// DeleteVHost deletes a virtual host with all that is in it, and closes the
// connections to it.
func (b *Broker) DeleteVHost(name string) error {
	b.mu.Lock()
	h := b.vhosts[name]
	if h != nil && h.info.Protected {
		b.mu.Unlock()
		return fmt.Errorf("delete vhost %q: %w", name, ErrProtected)
	}
	delete(b.vhosts, name)
	if h != nil {
		b.store.Undefine(store.Key(keyVHost, name))
	}
	b.mu.Unlock()
	if h == nil {
		return fmt.Errorf("delete vhost %q: %w", name, ErrUnknownVHost)
	}
	b.closeWhere(func(i conn.Info) bool { return i.VHost == name }, fmt.Sprintf("vhost '%s' is deleted", name))
	b.forgetParameters(name)
	return errors.Join(h.Delete(), b.users.Forget(name))
}

// VHosts describes the virtual hosts, by name.
func (b *Broker) VHosts() []VHostInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]VHostInfo, 0, len(b.vhosts))
	for _, h := range b.vhosts {
		list = append(list, h.info)
	}
	slices.SortFunc(list, func(a, b VHostInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// VHost is the virtual host of a name, for its policies and limits.
func (b *Broker) VHost(name string) (*vhost.VHost, error) {
	if v := b.vhost(name); v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("vhost %q: %w", name, ErrUnknownVHost)
}

// vhost is the virtual host of a name, or nil.
func (b *Broker) vhost(name string) *vhost.VHost {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.vhosts[name]; h != nil {
		return h.VHost
	}
	return nil
}

// hosts lists the virtual hosts, by name.
func (b *Broker) hosts() []*vhost.VHost {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*vhost.VHost, 0, len(b.vhosts))
	for _, h := range b.vhosts {
		list = append(list, h.VHost)
	}
	slices.SortFunc(list, func(a, b *vhost.VHost) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// invalidate makes all routes be looked up, and permissions be checked, again.
func (b *Broker) invalidate() {
	for _, v := range b.hosts() {
		v.Invalidate()
	}
}

func (b *Broker) newHost(i VHostInfo) *host {
	v := vhost.New(i.Name, vhost.Config{
		Store: b.store, Memory: b.env.Alarms, Churn: &b.churn, Node: b.node.name,
		Failed: func(q *queue.Queue, err error) {
			b.env.Log.Error("messages cannot be read back; the queue stands still", "vhost", q.VHost, "queue", q.Name, "error", err)
		},
	})
	v.SetDefaultQueueType(queue.Type(i.DefaultQueueType))
	v.SetTracing(i.Tracing)
	return &host{v, i}
}

func (i VHostInfo) encode() []byte {
	tags := []any{}
	for _, t := range i.Tags {
		tags = append(tags, t)
	}
	return amqp.Table{
		"description": i.Description, "tags": tags, "default_queue_type": i.DefaultQueueType, "tracing": i.Tracing,
		"protected": i.Protected,
	}.Append(nil)
}

// restore takes over the definitions and messages from the time before; the
// first time it makes the default virtual host and user instead.
func (b *Broker) restore(cfg Config) error {
	b.node.start()
	defs := b.store.Definitions()
	if len(defs) == 0 {
		if err := b.AddVHost(VHostInfo{Name: defaultVHost, Description: "Default virtual host"}); err != nil {
			return err
		}
		if err := b.AddUser(cfg.DefaultUser, cfg.DefaultPass, "administrator"); err != nil {
			return err
		}
		return b.identify()
	}
	keys := make([]string, 0, len(defs))
	for k := range defs {
		keys = append(keys, k)
	}
	// vhosts and users go before what belongs to them.
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	inside := make(map[string]map[string][]vhost.Definition)
	for _, key := range keys {
		k := store.Split(key)
		value, _, err := amqp.ParseTable(defs[key])
		if err != nil || len(k) < 2 {
			return fmt.Errorf("restore definition %q: %w", key, errDefinition)
		}
		if k[0] == keyVHost {
			i := VHostInfo{Name: k[1]}
			i.Description, _ = value["description"].(string)
			i.DefaultQueueType, _ = value["default_queue_type"].(string)
			i.Tracing, _ = value["tracing"].(bool)
			i.Protected, _ = value["protected"].(bool)
			tags, _ := value["tags"].([]any)
			for _, t := range tags {
				s, _ := t.(string)
				i.Tags = append(i.Tags, s)
			}
			b.vhosts[i.Name] = b.newHost(i)
			continue
		}
		if b.params.restore(k, value) {
			continue
		}
		if users, err := b.users.Restore(k, value); users || err != nil {
			if err != nil {
				return fmt.Errorf("restore definition %q: %w", key, err)
			}
			continue
		}
		if inside[k[1]] == nil {
			inside[k[1]] = make(map[string][]vhost.Definition)
		}
		inside[k[1]][k[0]] = append(inside[k[1]][k[0]], vhost.Definition{Key: k[2:], Value: value})
	}
	for _, v := range b.hosts() {
		if err := v.Restore(inside[v.Name]); err != nil {
			return err
		}
	}
	for _, v := range b.hosts() {
		v.Recover()
	}
	b.store.Started()
	return b.identify()
}

var errDefinition = errors.New("the definition is malformed")

// rank orders keys for restoring.
func rank(key string) int {
	switch store.Split(key)[0] {
	case keyVHost:
		return 0
	case "user":
		return 1
	}
	return 2
}

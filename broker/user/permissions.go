package user

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nubo/amqp"
	"nubo/broker/pattern"
	"nubo/broker/store"
)

// Access is one of the three things a permission is about.
type Access int

// The kinds of access.
const (
	Configure Access = iota
	Write
	Read
)

// Permissions are what a user may do in one virtual host: a regular expression
// for the names of queues and exchanges, by kind of access.
type Permissions struct {
	Patterns [3]string
	re       [3]*pattern.Pattern
}

// compile compiles a pattern. As in RabbitMQ an empty one matches only the
// empty name.
func compile(s string) (*pattern.Pattern, error) {
	if s == "" {
		s = "^$"
	}
	re, err := pattern.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("permission %q: %w", s, err)
	}
	return re, nil
}

// ParsePermissions compiles the three patterns.
func ParsePermissions(configure, write, read string) (Permissions, error) {
	p := Permissions{Patterns: [3]string{configure, write, read}}
	for i, s := range p.Patterns {
		var err error
		if p.re[i], err = compile(s); err != nil {
			return p, err
		}
	}
	return p, nil
}

// Allow tells whether the permissions allow access to a resource.
func (p *Permissions) Allow(a Access, name string) bool {
	return p.re[a] != nil && p.re[a].MatchString(name)
}

// TopicPermissions are what routing keys a user may publish with to, and bind
// with to, a topic exchange. {username} and {vhost} in them are replaced.
type TopicPermissions struct {
	Write, Read string
	re          [2]*pattern.Pattern // of what was replaced
}

// Grant is one set of permissions.
type Grant struct {
	User, VHost            string
	Configure, Write, Read string
}

// TopicGrant is one set of topic permissions.
type TopicGrant struct{ User, VHost, Exchange, Write, Read string }

// The kinds of definition a Registry keeps, with what follows in the key.
const (
	keyUser             = "user"             // name
	keyPermissions      = "permission"       // user, vhost
	keyTopicPermissions = "topic_permission" // user, vhost, exchange
)

func (r *Registry) define(u *entry) {
	tags, limits := []any{}, amqp.Table{}
	for _, t := range u.info.Tags {
		tags = append(tags, t)
	}
	for k, v := range u.info.Limits {
		limits[k] = v
	}
	r.defs.Define(store.Key(keyUser, u.info.Name), amqp.Table{
		"password_hash": u.info.PasswordHash, "tags": tags, "limits": limits,
	}.Append(nil))
}

// SetPermissions sets what a user may do in a virtual host.
func (r *Registry) SetPermissions(name, vhost string, p Permissions) error {
	defer r.onMod()
	return r.change("set permissions of", name, func(u *entry) {
		u.perms[vhost] = p
		r.defs.Define(store.Key(keyPermissions, name, vhost), amqp.Table{
			"configure": p.Patterns[Configure], "write": p.Patterns[Write], "read": p.Patterns[Read],
		}.Append(nil))
	})
}

// ClearPermissions takes a user's permissions in a virtual host away.
func (r *Registry) ClearPermissions(name, vhost string) error {
	defer r.onMod()
	return r.change("clear permissions of", name, func(u *entry) {
		delete(u.perms, vhost)
		r.defs.Undefine(store.Key(keyPermissions, name, vhost))
	})
}

// Permissions returns what a user may do in a virtual host; ok is false if it
// may not even enter.
func (r *Registry) Permissions(name, vhost string) (p Permissions, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if u := r.users[name]; u != nil {
		p, ok = u.perms[vhost]
	}
	return p, ok
}

// SetTopicPermissions sets what routing keys a user may use at an exchange.
func (r *Registry) SetTopicPermissions(g TopicGrant) error {
	p := TopicPermissions{Write: g.Write, Read: g.Read}
	for i, s := range []string{g.Write, g.Read} {
		expand := strings.NewReplacer("{username}", regexp.QuoteMeta(g.User), "{vhost}", regexp.QuoteMeta(g.VHost))
		var err error
		if p.re[i], err = compile(expand.Replace(s)); err != nil {
			return err
		}
	}
	defer r.onMod()
	return r.change("set topic permissions of", g.User, func(u *entry) {
		if u.topics[g.VHost] == nil {
			u.topics[g.VHost] = make(map[string]TopicPermissions)
		}
		u.topics[g.VHost][g.Exchange] = p
		r.defs.Define(store.Key(keyTopicPermissions, g.User, g.VHost, g.Exchange), amqp.Table{"write": g.Write, "read": g.Read}.Append(nil))
	})
}

// ClearTopicPermissions takes topic permissions away; an empty exchange means
// those of all.
func (r *Registry) ClearTopicPermissions(name, vhost, exchange string) error {
	defer r.onMod()
	return r.change("clear topic permissions of", name, func(u *entry) {
		for x := range u.topics[vhost] {
			if exchange == "" || x == exchange {
				delete(u.topics[vhost], x)
				r.defs.Undefine(store.Key(keyTopicPermissions, name, vhost, x))
			}
		}
	})
}

// AllowTopic tells whether a user may use a routing key at a topic exchange.
// Without topic permissions there it may use any.
func (r *Registry) AllowTopic(a Access, name, vhost, exchange, key string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	u := r.users[name]
	if u == nil {
		return false
	}
	p, ok := u.topics[vhost][exchange]
	return !ok || p.re[a-Write].MatchString(key)
}

// Forget takes all permissions in a virtual host that is gone away.
func (r *Registry) Forget(vhost string) error {
	defer r.onMod()
	r.mu.Lock()
	for name, u := range r.users {
		if _, ok := u.perms[vhost]; ok {
			delete(u.perms, vhost)
			r.defs.Undefine(store.Key(keyPermissions, name, vhost))
		}
		for x := range u.topics[vhost] {
			r.defs.Undefine(store.Key(keyTopicPermissions, name, vhost, x))
		}
		delete(u.topics, vhost)
	}
	r.mu.Unlock()
	return r.defs.Sync()
}

// Grants lists all permissions, by virtual host and user.
func (r *Registry) Grants() []Grant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []Grant
	for name, u := range r.users {
		for vhost, p := range u.perms {
			list = append(list, Grant{name, vhost, p.Patterns[Configure], p.Patterns[Write], p.Patterns[Read]})
		}
	}
	slices.SortFunc(list, func(a, b Grant) int { return cmp.Or(cmp.Compare(a.VHost, b.VHost), cmp.Compare(a.User, b.User)) })
	return list
}

// TopicGrants lists all topic permissions, by virtual host, user and exchange.
func (r *Registry) TopicGrants() []TopicGrant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []TopicGrant
	for name, u := range r.users {
		for vhost, byExchange := range u.topics {
			for x, p := range byExchange {
				list = append(list, TopicGrant{name, vhost, x, p.Write, p.Read})
			}
		}
	}
	slices.SortFunc(list, func(a, b TopicGrant) int {
		return cmp.Or(cmp.Compare(a.VHost, b.VHost), cmp.Compare(a.User, b.User), cmp.Compare(a.Exchange, b.Exchange))
	})
	return list
}

// Restore takes over one definition from the time before, before anyone uses
// the registry, and tells whether it was a user's. Users come before their
// permissions.
func (r *Registry) Restore(key []string, value amqp.Table) (bool, error) {
	defs := r.defs
	r.defs = store.Memory{} // they are recorded already
	defer func() { r.defs = defs }()
	str := func(name string) string { s, _ := value[name].(string); return s }
	switch {
	case key[0] == keyUser && len(key) == 2:
		i := Info{Name: key[1], PasswordHash: str("password_hash")}
		tags, _ := value["tags"].([]any)
		for _, t := range tags {
			s, _ := t.(string)
			i.Tags = append(i.Tags, s)
		}
		limits, _ := value["limits"].(amqp.Table)
		for k, v := range limits {
			if n, ok := amqp.Integer(v); ok {
				i.setLimit(k, n)
			}
		}
		return true, r.add(i)
	case key[0] == keyPermissions && len(key) == 3:
		p, err := ParsePermissions(str("configure"), str("write"), str("read"))
		if err != nil {
			return true, err
		}
		return true, r.SetPermissions(key[1], key[2], p)
	case key[0] == keyTopicPermissions && len(key) == 4:
		return true, r.SetTopicPermissions(TopicGrant{key[1], key[2], key[3], str("write"), str("read")})
	}
	return false, nil
}

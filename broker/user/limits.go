package user

import (
	"fmt"

	"nubo/amqp"
)

func (i *Info) setLimit(name string, n int64) {
	limits := make(map[string]int64, len(i.Limits)+1)
	for k, v := range i.Limits {
		limits[k] = v
	}
	limits[name] = n
	i.Limits = limits
}

// SetLimit sets one of a user's limits.
func (r *Registry) SetLimit(name, limit string, n int64) error {
	if limit != MaxConnections && limit != MaxChannels {
		return fmt.Errorf("%w: %s", ErrLimit, limit)
	}
	return r.edit("set limits of", name, func(u *entry) { u.info.setLimit(limit, n) })
}

// ClearLimit removes one of a user's limits.
func (r *Registry) ClearLimit(name, limit string) error {
	return r.edit("clear limits of", name, func(u *entry) { delete(u.info.Limits, limit) })
}

// Connect counts a connection of a user in, unless that is one too many.
func (r *Registry) Connect(name string) *amqp.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.usage(name)
	if n, ok := r.limit(name, MaxConnections); ok && u.connections >= n {
		return amqp.Errorf(amqp.NotAllowed, "connection refused for user '%s': user connection limit (%d) is reached", name, n)
	}
	u.connections++
	return nil
}

// OpenChannel counts a channel of a user in, unless that is one too many.
func (r *Registry) OpenChannel(name string) *amqp.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.usage(name)
	if n, ok := r.limit(name, MaxChannels); ok && u.channels >= n {
		return amqp.Errorf(amqp.NotAllowed, "number of channels opened for user '%s' has reached the maximum allowed user limit of (%d)", name, n)
	}
	u.channels++
	return nil
}

// Disconnect counts a connection out.
func (r *Registry) Disconnect(name string) { r.leave(name, func(u *usage) { u.connections-- }) }

// CloseChannel counts a channel out.
func (r *Registry) CloseChannel(name string) { r.leave(name, func(u *usage) { u.channels-- }) }

func (r *Registry) leave(name string, f func(*usage)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.usage(name)
	if f(u); *u == (usage{}) {
		delete(r.open, name)
	}
}

// usage is what a user has open. mu is held.
func (r *Registry) usage(name string) *usage {
	u := r.open[name]
	if u == nil {
		u = &usage{}
		r.open[name] = u
	}
	return u
}

// limit is one of a user's limits, if it is set. mu is held.
func (r *Registry) limit(name, limit string) (int64, bool) {
	u := r.users[name]
	if u == nil {
		return 0, false
	}
	n, ok := u.info.Limits[limit]
	return n, ok && n >= 0
}

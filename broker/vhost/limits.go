package vhost

import (
	"errors"
	"maps"

	"nubo/amqp"
	"nubo/broker/store"
)

// The limits of a virtual host. A negative one is none.
const (
	MaxConnections = "max-connections"
	MaxQueues      = "max-queues"
)

// ErrLimit is returned for a limit that does not exist.
var ErrLimit = errors.New("Unrecognised limit")

// SetLimit sets a limit.
func (v *VHost) SetLimit(name string, n int64) error {
	if name != MaxConnections && name != MaxQueues {
		return ErrLimit
	}
	v.mu.Lock()
	v.limits[name] = n
	v.store.Define(store.Key(keyLimit, v.Name, name), amqp.Table{"value": n}.Append(nil))
	v.mu.Unlock()
	return v.store.Sync()
}

// ClearLimit removes a limit.
func (v *VHost) ClearLimit(name string) error {
	v.mu.Lock()
	delete(v.limits, name)
	v.store.Undefine(store.Key(keyLimit, v.Name, name))
	v.mu.Unlock()
	return v.store.Sync()
}

// Limits are the limits that are set.
func (v *VHost) Limits() map[string]int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return maps.Clone(v.limits)
}

// limit is one of them, or -1. mu is held.
func (v *VHost) limit(name string) int64 {
	if n, ok := v.limits[name]; ok {
		return n
	}
	return -1
}

// Enter counts a connection in; it is refused, with the limit, if that is reached.
func (v *VHost) Enter() (limit int64, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n := v.limit(MaxConnections); n >= 0 && v.entered >= n {
		return n, false
	}
	v.entered++
	return 0, true
}

// Leave counts a connection out.
func (v *VHost) Leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.entered--
}

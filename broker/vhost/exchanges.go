package vhost

import (
	"fmt"
	"strings"
	"sync/atomic"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/policy"
	"nubo/broker/store"
)

// ExchangeSpec is what an exchange.declare says.
type ExchangeSpec struct {
	Name, Kind                    string
	Durable, AutoDelete, Internal bool
	Args                          amqp.Table
}

// Exchange is an exchange.
type Exchange struct {
	ExchangeSpec
	alternate string         // guarded by the vhost's lock
	policy    *policy.Policy // guarded by the vhost's lock; nil if none is about it

	// In and Out count messages published to it and routed on to queues.
	In, Out atomic.Uint64

	// bindings are those it is the source of; the vhost's lock guards them.
	bindings map[bindingID]*binding
	// matcher is built from the bindings when first needed after a change;
	// nil means stale. It is cleared with the vhost's lock held for writing
	// and set with it held for reading, so it is never older than bindings.
	matcher atomic.Pointer[matcher]
}

type matcher struct{ match.Matcher[dest] }

func newExchange(s ExchangeSpec) *Exchange {
	return &Exchange{ExchangeSpec: s, bindings: make(map[bindingID]*binding)}
}

// DeclareExchange creates the exchange, or checks the one there is against spec.
func (v *VHost) DeclareExchange(s ExchangeSpec) *amqp.Error {
	if !match.Known(s.Kind) {
		return amqp.Errorf(amqp.CommandInvalid, "unknown exchange type '%s'", s.Kind)
	}
	created, err := v.declareExchange(s)
	if err != nil || !created || !s.Durable {
		return err
	}
	return v.persisted()
}

func (v *VHost) declareExchange(s ExchangeSpec) (created bool, _ *amqp.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	x := v.exchanges[s.Name]
	if x == nil {
		if strings.HasPrefix(s.Name, "amq.") {
			return false, amqp.Errorf(amqp.AccessRefused, "exchange name '%s' contains reserved prefix 'amq.*'", s.Name)
		}
		if err := v.checkAlternate(s); err != nil {
			return false, err
		}
		if v.closed {
			return false, v.gone()
		}
		x = newExchange(s)
		v.setPolicy(x)
		v.exchanges[s.Name] = x
		v.defineExchange(x)
		v.changed()
		return true, nil
	}
	for _, f := range []struct {
		arg               string
		received, current any
	}{
		{"type", s.Kind, x.Kind}, {"durable", s.Durable, x.Durable},
		{"auto_delete", s.AutoDelete, x.AutoDelete}, {"internal", s.Internal, x.Internal},
	} {
		if f.received != f.current {
			return false, v.mismatch(f.arg, "exchange", s.Name, fmt.Sprintf("'%v'", f.received), fmt.Sprintf("'%v'", f.current))
		}
	}
	return false, v.checkArgs("exchange", s.Name, s.Args, x.Args, []string{"alternate-exchange"})
}

// checkAlternate checks the type of the alternate exchange's name.
func (v *VHost) checkAlternate(s ExchangeSpec) *amqp.Error {
	arg, ok := s.Args["alternate-exchange"]
	if _, isString := arg.(string); ok && !isString {
		return amqp.Errorf(amqp.PreconditionFailed, "invalid type '%s' for arg 'alternate-exchange' in exchange '%s' in vhost '%s'",
			amqp.TypeName(arg), s.Name, v.Name)
	}
	return nil
}

// Exchange returns the exchange of the name, or the error that it is absent.
func (v *VHost) Exchange(name string) (*Exchange, *amqp.Error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if x := v.exchanges[name]; x != nil {
		return x, nil
	}
	return nil, v.NoExchange(name)
}

// DeleteExchange deletes the exchange; one that is absent is deleted already.
func (v *VHost) DeleteExchange(name string, ifUnused bool) *amqp.Error {
	durable, err := v.deleteExchange(name, ifUnused)
	if err != nil || !durable {
		return err
	}
	return v.persisted()
}

func (v *VHost) deleteExchange(name string, ifUnused bool) (durable bool, _ *amqp.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	x := v.exchanges[name]
	if x == nil {
		return false, nil
	}
	if strings.HasPrefix(name, "amq.") {
		return false, amqp.Errorf(amqp.AccessRefused, "deletion of system exchange '%s' in vhost '%s' not allowed", name, v.Name)
	}
	if ifUnused && len(x.bindings) > 0 {
		return false, amqp.Errorf(amqp.PreconditionFailed, "exchange '%s' in vhost '%s' in use", name, v.Name)
	}
	v.removeExchange(x)
	return x.Durable, nil
}

// removeExchange removes x and all bindings from and to it. mu is held.
func (v *VHost) removeExchange(x *Exchange) {
	if v.exchanges[x.Name] != x {
		return // went with the last of its own bindings
	}
	delete(v.exchanges, x.Name)
	for _, b := range x.bindings {
		v.unindex(b)
		if b.durable() {
			v.store.Undefine(v.bindingKey(b))
		}
	}
	if x.Durable {
		v.store.Undefine(store.Key(keyExchange, v.Name, x.Name))
	}
	x.bindings = nil
	v.unbindAll(dest{x: x})
	v.changed()
}

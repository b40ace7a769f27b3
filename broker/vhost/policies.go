package vhost

import (
	"nubo/amqp"
	"nubo/broker/policy"
	"nubo/broker/queue"
	"nubo/broker/store"
)

// policies are the two sets of a virtual host. Its lock guards them.
type policies struct{ users, operators policy.Set }

func (p *policies) set(operator bool) *policy.Set {
	if operator {
		return &p.operators
	}
	return &p.users
}

func policyKind(operator bool) string {
	if operator {
		return keyOperatorPolicy
	}
	return keyPolicy
}

// SetPolicy adds or replaces a policy, or an operator policy, and applies it.
func (v *VHost) SetPolicy(p policy.Policy, operator bool) error {
	if err := p.Check(operator); err != nil {
		return err
	}
	v.applying.Lock()
	defer v.applying.Unlock()
	v.mu.Lock()
	v.policies.set(operator).Put(p)
	v.store.Define(store.Key(policyKind(operator), v.Name, p.Name), encodePolicy(p))
	v.mu.Unlock()
	v.applyPolicies()
	return v.store.Sync()
}

// DeletePolicy removes a policy and tells whether it was there.
func (v *VHost) DeletePolicy(name string, operator bool) (bool, error) {
	v.applying.Lock()
	defer v.applying.Unlock()
	v.mu.Lock()
	found := v.policies.set(operator).Delete(name)
	if found {
		v.store.Undefine(store.Key(policyKind(operator), v.Name, name))
	}
	v.mu.Unlock()
	if !found {
		return false, nil
	}
	v.applyPolicies()
	return true, v.store.Sync()
}

// Policies lists the policies, or the operator policies.
func (v *VHost) Policies(operator bool) []policy.Policy {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.policies.set(operator).List()
}

// applyPolicies gives every queue and exchange what now holds for it. The
// queues are told without the lock: one that has to drop messages may
// dead-letter them. applying is held, so that no older state is given last.
func (v *VHost) applyPolicies() {
	v.mu.Lock()
	changes := make(map[*queue.Queue]queue.Settings, len(v.queues))
	for _, q := range v.queues {
		changes[q] = v.settings(q.Name, q.Initial)
	}
	for _, x := range v.exchanges {
		v.setPolicy(x)
	}
	v.changed()
	v.mu.Unlock()
	for q, s := range changes {
		q.Apply(s)
	}
}

// settings is what holds for a queue that was declared with initial. mu is held.
func (v *VHost) settings(name string, initial queue.Settings) queue.Settings {
	p, op := v.policiesOf(name, queueKind(initial.Type))
	if p == nil && op == nil {
		return initial
	}
	s := initial.With(policy.Merge(p, op))
	s.Policy, s.OperatorPolicy, s.Definition = policyName(p), policyName(op), policy.Merge(p, op)
	return s
}

func policyName(p *policy.Policy) string {
	if p == nil {
		return ""
	}
	return p.Name
}

func (v *VHost) policiesOf(name string, k policy.Kind) (p, operator *policy.Policy) {
	return v.policies.users.Match(name, k), v.policies.operators.Match(name, k)
}

func queueKind(t queue.Type) policy.Kind {
	switch t {
	case queue.Quorum:
		return policy.QuorumQueue
	case queue.Stream:
		return policy.Stream
	}
	return policy.ClassicQueue
}

// setPolicy finds an exchange's policy, and its alternate exchange: its
// argument, or else what the policy says. mu is held.
func (v *VHost) setPolicy(x *Exchange) {
	x.alternate, x.policy = "", nil
	if x.Name != "" {
		x.policy = v.policies.users.Match(x.Name, policy.Exchange)
	}
	if alt, ok := x.Args["alternate-exchange"].(string); ok {
		x.alternate = alt
	} else if x.policy != nil {
		x.alternate, _ = x.policy.Definition["alternate-exchange"].(string)
	}
}

func encodePolicy(p policy.Policy) []byte {
	return amqp.Table{
		"pattern": p.Pattern, "apply-to": p.ApplyTo, "priority": int64(p.Priority), "definition": p.Definition,
	}.Append(nil)
}

func decodePolicy(name string, t amqp.Table) policy.Policy {
	p := policy.Policy{Name: name}
	p.Pattern, _ = t["pattern"].(string)
	p.ApplyTo, _ = t["apply-to"].(string)
	n, _ := amqp.Integer(t["priority"])
	p.Priority = int(n)
	p.Definition, _ = t["definition"].(amqp.Table)
	return p
}

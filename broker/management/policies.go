package management

import (
	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/policy"
	"nubo/broker/vhost"
)

// kindOfPolicy says whether a path is about policies or operator policies.
type kindOfPolicy bool

const (
	policies         kindOfPolicy = false
	operatorPolicies kindOfPolicy = true
)

func policyObject(v string, p *policy.Policy) object {
	return object{
		"vhost": v, "name": p.Name, "pattern": p.Pattern, "apply-to": p.ApplyTo, "definition": table(p.Definition), "priority": p.Priority,
	}
}

func (k kindOfPolicy) list(c *call) error {
	hosts, err := c.hosts()
	if err != nil {
		return err
	}
	var list []object
	for _, v := range hosts {
		for _, p := range v.Policies(bool(k)) {
			list = append(list, policyObject(v.Name, &p))
		}
	}
	return c.list(list)
}

// find is the policy of the path.
func (k kindOfPolicy) find(c *call) (*vhost.VHost, *policy.Policy, error) {
	v, err := c.vhost()
	if err != nil {
		return nil, nil, err
	}
	for _, p := range v.Policies(bool(k)) {
		if p.Name == c.args["name"] {
			return v, &p, nil
		}
	}
	return v, nil, errNotFound
}

func (k kindOfPolicy) get(c *call) error {
	v, p, err := k.find(c)
	if err != nil {
		return err
	}
	return c.one(policyObject(v.Name, p))
}

func (k kindOfPolicy) put(c *call) error {
	var in struct {
		Pattern    *string
		Definition *broker.Args
		Priority   *jsonText
		ApplyTo    string `json:"apply-to"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	v, old, err := k.find(c)
	switch {
	case v == nil:
		return err
	case in.Pattern == nil:
		return missing("pattern")
	case in.Definition == nil:
		return missing("definition")
	}
	p := policy.Policy{Name: c.args["name"], Pattern: *in.Pattern, ApplyTo: in.ApplyTo, Definition: amqp.Table(*in.Definition)}
	if in.Priority != nil {
		n, ok := in.Priority.integer()
		if !ok {
			return badRequest("Validation failed\n\npriority should be a number, actually was " + in.Priority.term() + "\n")
		}
		p.Priority = int(n)
	}
	if err := v.SetPolicy(p, bool(k)); err != nil {
		return err
	}
	return c.done(old == nil)
}

func (k kindOfPolicy) delete(c *call) error {
	v, p, err := k.find(c)
	if err != nil {
		return err
	}
	if _, err := v.DeletePolicy(p.Name, bool(k)); err != nil {
		return err
	}
	return c.done(false)
}

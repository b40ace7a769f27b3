package management

import (
	"encoding/json"
	"time"

	"nubo/broker"
	"nubo/broker/vhost"
)

// notRun is why links stand still: they are kept, for those who manage them,
// and exported with the definitions, but not run.
const notRun = "not run by this broker"

// shovels are those the path is about.
func (c *call) shovels() ([]broker.ParameterDef, error) {
	c.args["component"] = "shovel"
	return c.parameters()
}

func (c *call) shovelObject(s broker.Shovel) object {
	o := object{
		"node": c.b.NodeName(), "timestamp": s.Since.UTC().Format(time.DateTime), "name": s.Name, "vhost": s.VHost, "type": "dynamic",
		"state": "running", "src_protocol": "amqp091", "src_queue": s.From, "dest_protocol": "amqp091", "dest_queue": s.To,
	}
	if !s.Running {
		o["state"], o["reason"] = "terminated", s.Reason
	}
	return o
}

func listShovels(c *call) error {
	list, err := c.shovels()
	if err != nil {
		return err
	}
	var out []object
	for _, p := range list {
		if s, ok := c.b.Shovel(p.VHost, p.Name); ok { // else it is done by now
			out = append(out, c.shovelObject(s))
		}
	}
	return c.list(out)
}

// shovel is the one of the path.
func (c *call) shovel() (*broker.ParameterDef, error) {
	list, err := c.shovels()
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Name == c.args["name"] {
			return &list[i], nil
		}
	}
	return nil, errNotFound
}

func getShovel(c *call) error {
	p, err := c.shovel()
	if err != nil {
		return err
	}
	s, ok := c.b.Shovel(p.VHost, p.Name)
	if !ok {
		return errNotFound
	}
	return c.one(c.shovelObject(s))
}

func deleteShovel(c *call) error {
	p, err := c.shovel()
	if err != nil {
		return err
	}
	if err := c.b.DropParameter(*p); err != nil {
		return err
	}
	return c.done(false)
}

func restartShovel(c *call) error {
	p, err := c.shovel()
	if err != nil {
		return err
	}
	switch found, err := c.b.RestartShovel(p.VHost, p.Name); {
	case err != nil:
		return err
	case !found:
		return errNotFound
	}
	return c.done(false)
}

// listLinks lists what federation would link: every exchange and queue that a
// policy gives upstreams. All of them are down.
func listLinks(c *call) error {
	hosts, err := c.hosts()
	if err != nil {
		return err
	}
	list := []object{}
	for _, v := range hosts {
		upstreams := make(map[string]string) // their addresses
		for _, p := range c.b.Parameters() {
			if p.Component == "federation-upstream" && p.VHost == v.Name {
				upstreams[p.Name] = address(p.Value)
			}
		}
		if len(upstreams) > 0 {
			list = append(list, c.links(v, upstreams)...)
		}
	}
	return c.list(list)
}

// address is an upstream's address, or the first of them.
func address(value json.RawMessage) string {
	var one struct{ URI string }
	if json.Unmarshal(value, &one) == nil {
		return one.URI
	}
	var many struct{ URI []string }
	if json.Unmarshal(value, &many) == nil && len(many.URI) > 0 {
		return many.URI[0]
	}
	return ""
}

// links are those of one virtual host.
func (c *call) links(v *vhost.VHost, upstreams map[string]string) []object {
	policies := make(map[string][]string) // the upstreams a policy names
	for _, p := range v.Policies(false) {
		if name, ok := p.Definition["federation-upstream"].(string); ok {
			policies[p.Name] = []string{name}
		} else if _, ok := p.Definition["federation-upstream-set"]; ok {
			for name := range upstreams {
				policies[p.Name] = append(policies[p.Name], name)
			}
		}
	}
	var list []object
	add := func(kind, name, policy string) {
		for _, upstream := range policies[policy] {
			uri, ok := upstreams[upstream]
			if !ok {
				continue
			}
			list = append(list, object{
				"node": c.b.NodeName(), "vhost": v.Name, "upstream": upstream, "type": kind, kind: name, "upstream_" + kind: name,
				"uri": uri, "status": "shutdown", "error": notRun, "timestamp": c.b.Started().UTC().Format(time.DateTime),
			})
		}
	}
	for _, x := range v.Exchanges() {
		add("exchange", x.Name, x.Policy)
	}
	for _, q := range v.Queues() {
		add("queue", q.Name, q.Settings.Policy)
	}
	return list
}

package management

import (
	"errors"
	"slices"

	"nubo/broker"
	"nubo/broker/vhost"
)

// vhost is the virtual host of the path.
func (c *call) vhost() (*vhost.VHost, error) { return c.b.VHost(c.args["vhost"]) }

func (c *call) vhostObject(i broker.VHostInfo) object {
	tags := append([]string{}, i.Tags...)
	return object{
		"name": i.Name, "description": i.Description, "tags": tags, "default_queue_type": orUndefined(i.DefaultQueueType),
		"metadata": object{"description": i.Description, "tags": tags}, "tracing": i.Tracing, "protected_from_deletion": i.Protected,
		"cluster_state": object{c.b.NodeName(): "running"},
	}
}

// orUndefined is Erlang's word for what was not set.
func orUndefined(s string) string {
	if s == "" {
		return "undefined"
	}
	return s
}

func (c *call) vhostInfo(name string) (broker.VHostInfo, error) {
	for _, i := range c.b.VHosts() {
		if i.Name == name {
			return i, nil
		}
	}
	return broker.VHostInfo{}, errNotFound
}

func listVHosts(c *call) error {
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	s := c.b.Snapshot()
	var list []object
	for _, i := range c.b.VHosts() {
		if c.sees(i.Name) {
			o := c.vhostObject(i)
			c.vhostFigures(o, i.Name, &s, r)
			list = append(list, o)
		}
	}
	return c.pages(list)
}

func getVHost(c *call) error {
	i, err := c.vhostInfo(c.args["vhost"])
	if err != nil {
		return err
	}
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	s, o := c.b.Snapshot(), c.vhostObject(i)
	c.vhostFigures(o, i.Name, &s, r)
	return c.one(o)
}

func putVHost(c *call) error {
	var in struct {
		Description      *string
		Tags             *broker.Tags
		DefaultQueueType *string `json:"default_queue_type"`
		Tracing          *bool
	}
	if err := c.body(&in); err != nil {
		return err
	}
	name := c.args["vhost"]
	if name == "" {
		return badRequest("the name of a virtual host is empty")
	}
	if t := in.DefaultQueueType; t != nil && !slices.Contains([]string{"", "classic", "quorum", "stream", "undefined"}, *t) {
		return badRequest("Unsupported default queue type '" + *t + "'")
	}
	i, err := c.vhostInfo(name)
	created := err != nil
	i.Name = name
	if in.Description != nil {
		i.Description = *in.Description
	}
	if in.Tags != nil {
		i.Tags = *in.Tags
	}
	if in.DefaultQueueType != nil {
		if i.DefaultQueueType = *in.DefaultQueueType; i.DefaultQueueType == "undefined" {
			i.DefaultQueueType = ""
		}
	}
	if in.Tracing != nil {
		i.Tracing = *in.Tracing
	}
	if !created {
		err = c.b.UpdateVHost(i)
	} else if err = c.b.AddVHost(i); err == nil && !c.server.opts.Trusted {
		err = c.b.SetPermissions(c.user.Name, name, ".*", ".*", ".*")
	}
	if err != nil && !errors.Is(err, broker.ErrVHostExists) {
		return err
	}
	return c.done(created)
}

func deleteVHost(c *call) error {
	if err := c.b.DeleteVHost(c.args["vhost"]); err != nil {
		return err
	}
	return c.done(false)
}

// startVHost has nothing to do: a virtual host runs.
func startVHost(c *call) error {
	if _, err := c.vhost(); err != nil {
		return badRequest("Request to node " + c.args["node"] + " failed with {no_such_vhost,<<\"" + c.args["vhost"] + "\">>}")
	}
	if c.args["node"] != c.b.NodeName() {
		return badRequest("Request to node " + c.args["node"] + " failed with nodedown")
	}
	return c.done(false)
}

func protectVHost(c *call) error { return c.protect(true) }
func exposeVHost(c *call) error  { return c.protect(false) }

// protect says whether a virtual host may be deleted.
func (c *call) protect(on bool) error {
	i, err := c.vhostInfo(c.args["vhost"])
	if err != nil {
		return err
	}
	i.Protected = on
	if err := c.b.UpdateVHost(i); err != nil {
		return err
	}
	return c.done(false)
}

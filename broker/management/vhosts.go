package management

import (
	"errors"
	"slices"
	"strings"

	"nubo/broker"
	"nubo/broker/vhost"
)

// vhost is the virtual host of the path.
func (c *call) vhost() (*vhost.VHost, error) { return c.b.VHost(c.args["vhost"]) }

func (c *call) vhostObject(i broker.VHostInfo) object {
	tags := slices.Concat([]string{}, i.Tags)
	return object{
		"name": i.Name, "description": i.Description, "tags": tags, "default_queue_type": orUndefined(i.DefaultQueueType),
		"metadata": object{"description": i.Description, "tags": tags}, "tracing": i.Tracing,
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
	var list []object
	for _, i := range c.b.VHosts() {
		if c.sees(i.Name) {
			list = append(list, c.vhostObject(i))
		}
	}
	return c.list(list)
}

func getVHost(c *call) error {
	i, err := c.vhostInfo(c.args["vhost"])
	if err != nil {
		return err
	}
	return c.ok(c.vhostObject(i))
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
	if name == "" || strings.ContainsRune(name, 0) {
		return badRequest("the name of a virtual host is empty, or holds a null character")
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
		i.DefaultQueueType = *in.DefaultQueueType
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

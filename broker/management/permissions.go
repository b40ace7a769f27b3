package management

import (
	"errors"
	"net/http"
	"strings"

	"nubo/broker"
	"nubo/broker/pattern"
	"nubo/broker/user"
)

// grants answers with the permissions f picks.
func (c *call) grants(f func(user.Grant) bool) error {
	var list []object
	for _, g := range c.b.UserRegistry().Grants() {
		if f(g) {
			list = append(list, asObject(broker.PermissionDef(g)))
		}
	}
	return c.list(list)
}

// topicGrants answers with the topic permissions f picks.
func (c *call) topicGrants(f func(user.TopicGrant) bool) error { return c.list(c.topics(f)) }

func (c *call) topics(f func(user.TopicGrant) bool) []object {
	var list []object
	for _, g := range c.b.UserRegistry().TopicGrants() {
		if f(g) {
			list = append(list, asObject(broker.TopicPermissionDef(g)))
		}
	}
	return list
}

func listPermissions(c *call) error { return c.grants(func(user.Grant) bool { return true }) }

func listTopicPermissions(c *call) error {
	return c.topicGrants(func(user.TopicGrant) bool { return true })
}

func vhostPermissions(c *call) error {
	v, err := c.vhost()
	if err != nil {
		return err
	}
	return c.grants(func(g user.Grant) bool { return g.VHost == v.Name })
}

func vhostTopicPermissions(c *call) error {
	v, err := c.vhost()
	if err != nil {
		return err
	}
	return c.topicGrants(func(g user.TopicGrant) bool { return g.VHost == v.Name })
}

func userPermissions(c *call) error {
	u, ok := c.userNamed(c.args["user"])
	if !ok {
		return errNotFound
	}
	return c.grants(func(g user.Grant) bool { return g.User == u.Name })
}

func userTopicPermissions(c *call) error {
	u, ok := c.userNamed(c.args["user"])
	if !ok {
		return errNotFound
	}
	return c.topicGrants(func(g user.TopicGrant) bool { return g.User == u.Name })
}

func (c *call) permission() (user.Permissions, error) {
	p, ok := c.b.UserRegistry().Permissions(c.args["user"], c.args["vhost"])
	if !ok {
		return p, errNotFound
	}
	return p, nil
}

func getPermission(c *call) error {
	p, err := c.permission()
	if err != nil {
		return err
	}
	return c.ok(broker.PermissionDef{
		User: c.args["user"], VHost: c.args["vhost"],
		Configure: p.Patterns[user.Configure], Write: p.Patterns[user.Write], Read: p.Patterns[user.Read],
	})
}

// parsePattern checks one of the patterns of a body.
func parsePattern(name string, s *string) (string, error) {
	if s == nil {
		return "", missing(name)
	}
	if _, err := pattern.Compile(*s); err != nil {
		return "", badRequest([]string{"invalid_regexp", *s, err.Error()})
	}
	return *s, nil
}

// unknown is the error for permissions of nobody, or nowhere.
func unknown(err error) error {
	if errors.Is(err, user.ErrUnknown) || errors.Is(err, broker.ErrUnknownVHost) {
		return badRequest("vhost_or_user_not_found")
	}
	return err
}

func putPermission(c *call) error {
	var in struct{ Configure, Write, Read *string }
	if err := c.body(&in); err != nil {
		return err
	}
	_, absent := c.permission()
	var p [3]string
	for i, s := range []*string{in.Configure, in.Write, in.Read} {
		var err error
		if p[i], err = parsePattern([]string{"configure", "write", "read"}[i], s); err != nil {
			return err
		}
	}
	if err := c.b.SetPermissions(c.args["user"], c.args["vhost"], p[0], p[1], p[2]); err != nil {
		return unknown(err)
	}
	return c.done(absent != nil)
}

func deletePermission(c *call) error {
	if _, err := c.permission(); err != nil {
		return err
	}
	if err := c.b.UserRegistry().ClearPermissions(c.args["user"], c.args["vhost"]); err != nil {
		return err
	}
	return c.done(false)
}

// ofPath tells whether a topic permission is among those of the path.
func (c *call) ofPath(g user.TopicGrant) bool {
	x, ok := c.args["exchange"]
	return g.User == c.args["user"] && g.VHost == c.args["vhost"] && (!ok || g.Exchange == x)
}

func getTopicPermission(c *call) error {
	list := c.topics(c.ofPath)
	if list == nil {
		return errNotFound
	}
	return c.list(list)
}

func putTopicPermission(c *call) error {
	var in struct{ Exchange, Write, Read *string }
	if err := c.body(&in); err != nil {
		return err
	}
	if in.Exchange == nil {
		return missing("exchange")
	}
	if len(*in.Exchange) > maxShort || strings.ContainsRune(*in.Exchange, 0) {
		return badRequest("the name of the exchange is malformed")
	}
	write, err := parsePattern("write", in.Write)
	if err != nil {
		return err
	}
	read, err := parsePattern("read", in.Read)
	if err != nil {
		return err
	}
	if _, err := c.vhost(); err != nil {
		return unknown(err)
	}
	created := c.topics(c.ofPath) == nil
	err = c.b.UserRegistry().SetTopicPermissions(user.TopicGrant{
		User: c.args["user"], VHost: c.args["vhost"], Exchange: *in.Exchange, Write: write, Read: read,
	})
	if err != nil {
		return unknown(err)
	}
	return c.done(created)
}

func deleteTopicPermission(c *call) error {
	if c.topics(c.ofPath) == nil {
		return errNotFound
	}
	if err := c.b.UserRegistry().ClearTopicPermissions(c.args["user"], c.args["vhost"], c.args["exchange"]); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nubo/broker"
	"nubo/broker/user"
)

func permissionCommands() []command {
	const section = "Access Control"
	return []command{
		{
			name: "set_permissions", section: section, usage: "[--vhost <vhost>] <username> <conf> <write> <read>", min: 4, max: 4,
			about: "Sets user permissions for a vhost",
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting permissions for user "%s" in vhost "%s" ...`, c.args[0], c.vhost())
			},
			run: setPermissions,
		},
		{
			name: "clear_permissions", section: section, usage: "[--vhost <vhost>] <username>", min: 1, max: 1,
			about: "Revokes user permissions for a vhost",
			banner: func(c *call) string {
				return fmt.Sprintf(`Clearing permissions for user "%s" in vhost "%s" ...`, c.args[0], c.vhost())
			},
			run: func(_ context.Context, c *call) (result, error) {
				err := c.inVHost()
				if err == nil {
					err = c.broker().UserRegistry().ClearPermissions(c.args[0], c.vhost())
				}
				return done(absent(c, err))
			},
		},
		{
			name: "list_permissions", section: section, usage: "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]", in: everywhere,
			about:  "Lists user permissions in a virtual host",
			banner: func(c *call) string { return fmt.Sprintf(`Listing permissions for vhost "%s" ...`, c.vhost()) },
			run:    listPermissions,
		},
		{
			name: "list_user_permissions", section: section, usage: "[--no-table-headers] <username>", min: 1, max: 1, in: everywhere,
			about:  "Lists permissions of a user across all virtual hosts",
			banner: func(c *call) string { return fmt.Sprintf(`Listing permissions for user "%s" ...`, c.args[0]) },
			run:    listUserPermissions,
		},
		{
			name: "set_topic_permissions", section: section, usage: "[--vhost <vhost>] <username> <exchange> <write_pattern> <read_pattern>", min: 4, max: 4,
			about: "Sets user topic permissions for an exchange",
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting topic permissions on "%s" for user "%s" in vhost "%s" ...`, c.args[1], c.args[0], c.vhost())
			},
			run: setTopicPermissions,
		},
		{
			name: "clear_topic_permissions", section: section, usage: "[--vhost <vhost>] <username> [<exchange>]", min: 1, max: 2,
			about: "Clears user topic permissions for a vhost or exchange",
			banner: func(c *call) string {
				on := ""
				if len(c.args) > 1 {
					on = fmt.Sprintf(`on "%s" `, c.args[1])
				}
				return fmt.Sprintf(`Clearing topic permissions %sfor user "%s" in vhost "%s" ...`, on, c.args[0], c.vhost())
			},
			run: func(_ context.Context, c *call) (result, error) {
				exchange := ""
				if len(c.args) > 1 {
					exchange = c.args[1]
				}
				err := c.inVHost()
				if err == nil {
					err = c.broker().UserRegistry().ClearTopicPermissions(c.args[0], c.vhost(), exchange)
				}
				return done(absent(c, err))
			},
		},
		{
			name: "list_topic_permissions", section: section, usage: "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]", in: everywhere,
			about:  "Lists topic permissions in a virtual host",
			banner: func(c *call) string { return fmt.Sprintf(`Listing topic permissions for vhost "%s" ...`, c.vhost()) },
			run:    listTopicPermissions,
		},
		{
			name: "list_user_topic_permissions", section: section, usage: "[--no-table-headers] <username>", min: 1, max: 1, in: everywhere,
			about:  "Lists user topic permissions",
			banner: func(c *call) string { return fmt.Sprintf(`Listing topic permissions for user "%s" ...`, c.args[0]) },
			run:    listUserTopicPermissions,
		},
	}
}

// inVHost checks that the virtual host the command is about is there.
func (c *call) inVHost() error {
	_, err := c.broker().VHost(c.vhost())
	return err
}

// absent says that the user or the virtual host is not there, as the commands
// about permissions do.
func absent(c *call, err error) error {
	switch {
	case errors.Is(err, user.ErrUnknown):
		return failed(exitNoUser, "User %s does not exist", c.args[0])
	case errors.Is(err, broker.ErrUnknownVHost):
		return failed(exitUnavailable, "Virtual host %s does not exist", c.vhost())
	}
	return err
}

// knowsUser checks that a user is there.
func (c *call) knowsUser(name string) error {
	if slices.ContainsFunc(c.broker().Users(), func(u user.Info) bool { return u.Name == name }) {
		return nil
	}
	return user.ErrUnknown
}

func setPermissions(_ context.Context, c *call) (result, error) {
	if err := badPattern(c.args[1:]...); err != nil {
		return result{}, err
	}
	if err := c.knowsUser(c.args[0]); err != nil {
		return done(absent(c, err))
	}
	return done(absent(c, c.broker().SetPermissions(c.args[0], c.vhost(), c.args[1], c.args[2], c.args[3])))
}

// badPattern finds the first that is no regular expression.
func badPattern(patterns ...string) error {
	for _, p := range patterns {
		if _, err := user.ParsePermissions(p, "", ""); err != nil {
			return failed(exitUnavailable, "{:invalid_regexp, '%s', '%s'}", p, errors.Unwrap(err))
		}
	}
	return nil
}

func setTopicPermissions(_ context.Context, c *call) (result, error) {
	if err := badPattern(c.args[2:]...); err != nil {
		return result{}, err
	}
	if err := c.inVHost(); err != nil {
		return done(absent(c, err))
	}
	return done(absent(c, c.broker().UserRegistry().SetTopicPermissions(user.TopicGrant{
		User: c.args[0], VHost: c.vhost(), Exchange: c.args[1], Write: c.args[2], Read: c.args[3],
	})))
}

func listPermissions(_ context.Context, c *call) (result, error) {
	if c.inVHost() != nil {
		return result{}, noVHost(c.vhost())
	}
	r := &rows{columns: []string{"user", "configure", "write", "read"}}
	for _, g := range c.broker().UserRegistry().Grants() {
		if g.VHost == c.vhost() {
			r.add(g.User, g.Configure, g.Write, g.Read)
		}
	}
	return result{rows: r}, nil
}

func listUserPermissions(_ context.Context, c *call) (result, error) {
	if err := c.knowsUser(c.args[0]); err != nil {
		return result{}, noSuchUser(c.args[0], err)
	}
	r := &rows{columns: []string{"vhost", "configure", "write", "read"}}
	for _, g := range c.broker().UserRegistry().Grants() {
		if g.User == c.args[0] {
			r.add(g.VHost, g.Configure, g.Write, g.Read)
		}
	}
	return result{rows: r}, nil
}

func listTopicPermissions(_ context.Context, c *call) (result, error) {
	if c.inVHost() != nil {
		return result{}, noVHost(c.vhost())
	}
	r := &rows{columns: []string{"user", "exchange", "write", "read"}}
	for _, g := range c.broker().UserRegistry().TopicGrants() {
		if g.VHost == c.vhost() {
			r.add(g.User, g.Exchange, g.Write, g.Read)
		}
	}
	return result{rows: r}, nil
}

func listUserTopicPermissions(_ context.Context, c *call) (result, error) {
	if err := c.knowsUser(c.args[0]); err != nil {
		return result{}, noSuchUser(c.args[0], err)
	}
	r := &rows{columns: []string{"vhost", "exchange", "write", "read"}, headless: true}
	for _, g := range c.broker().UserRegistry().TopicGrants() {
		if g.User == c.args[0] {
			r.add(g.VHost, g.Exchange, g.Write, g.Read)
		}
	}
	return result{rows: r}, nil
}

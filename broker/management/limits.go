package management

import (
	"errors"
	"fmt"

	"nubo/broker/user"
	"nubo/broker/vhost"
)

// limitValue is the one value of a body.
func (c *call) limitValue(reject func(json string) error) (int64, error) {
	var in struct{ Value *jsonText }
	if err := c.body(&in); err != nil {
		return 0, err
	}
	if in.Value == nil {
		return 0, missing("value")
	}
	n, ok := in.Value.integer()
	if !ok {
		return 0, reject(in.Value.term())
	}
	return n, nil
}

func listVHostLimits(c *call) error {
	hosts, err := c.hosts()
	if err != nil {
		return err
	}
	list := []object{}
	for _, v := range hosts {
		if limits := v.Limits(); len(limits) > 0 {
			list = append(list, object{"vhost": v.Name, "value": limits})
		}
	}
	return c.list(list)
}

func putVHostLimit(c *call) error {
	v, err := c.vhost()
	if err != nil {
		return err
	}
	name := c.args["name"]
	n, err := c.limitValue(func(term string) error {
		return badRequest(fmt.Sprintf("Validation failed\n\n%s should be a number, actually was %s\n", name, term))
	})
	if err != nil {
		return err
	}
	err = v.SetLimit(name, n)
	if errors.Is(err, vhost.ErrLimit) {
		return badRequest(fmt.Sprintf("Validation failed\n\nUnrecognised terms [{<<%q>>,%d}] in limits\n", name, n))
	}
	if err != nil {
		return err
	}
	return c.done(false)
}

func deleteVHostLimit(c *call) error {
	v, err := c.vhost()
	if err != nil {
		return err
	}
	if err := v.ClearLimit(c.args["name"]); err != nil {
		return err
	}
	return c.done(false)
}

func listUserLimits(c *call) error {
	name, one := c.args["user"]
	if _, ok := c.userNamed(name); one && !ok {
		return errNotFound
	}
	list := []object{}
	for _, u := range c.b.Users() {
		if len(u.Limits) > 0 && (!one || u.Name == name) {
			list = append(list, object{"user": u.Name, "value": u.Limits})
		}
	}
	return c.list(list)
}

func putUserLimit(c *call) error {
	name := c.args["name"]
	n, err := c.limitValue(func(term string) error {
		return badRequest(fmt.Sprintf("%s should be a number, actually was %s", name, term))
	})
	if err != nil {
		return err
	}
	err = c.b.UserRegistry().SetLimit(c.args["user"], name, n)
	switch {
	case errors.Is(err, user.ErrLimit):
		return badRequest(fmt.Sprintf("Unrecognised terms [{<<%q>>,%d}] in user-limits", name, n))
	case errors.Is(err, user.ErrUnknown):
		return badRequest([]string{"no_such_user", c.args["user"]})
	case err != nil:
		return err
	}
	return c.done(false)
}

func deleteUserLimit(c *call) error {
	err := c.b.UserRegistry().ClearLimit(c.args["user"], c.args["name"])
	if err != nil {
		return err
	}
	return c.done(false)
}

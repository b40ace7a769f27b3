package ctl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nubo/broker/user"
	"nubo/broker/vhost"
)

func limitCommands() []command {
	return []command{
		{
			name: "set_vhost_limits", section: "Virtual hosts", usage: "[--vhost <vhost>] <definition>", min: 1, max: 1,
			about: "Sets virtual host limits",
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting vhost limits to "%s" for vhost "%s" ...`, c.args[0], c.vhost())
			},
			run: setVHostLimits,
		},
		{
			name: "clear_vhost_limits", section: "Virtual hosts", usage: "[--vhost <vhost>]",
			about:  "Clears virtual host limits",
			banner: func(c *call) string { return fmt.Sprintf(`Clearing vhost "%s" limits ...`, c.vhost()) },
			run: func(_ context.Context, c *call) (result, error) {
				v, err := c.broker().VHost(c.vhost())
				if err != nil || len(v.Limits()) == 0 {
					return result{}, failed(exitUnavailable, "Parameter does not exist")
				}
				for name := range v.Limits() {
					err = cmp.Or(err, v.ClearLimit(name))
				}
				return done(err)
			},
		},
		{
			name: "list_vhost_limits", section: "Virtual hosts", usage: "[--vhost <vhost>] [--global] [--no-table-headers]", in: everywhere,
			about: "Displays configured virtual host limits", more: map[string]kind{"global": flag},
			banner: func(c *call) string {
				if c.has("global") {
					return "Listing limits for all vhosts ..."
				}
				return fmt.Sprintf(`Listing limits for vhost "%s" ...`, c.vhost())
			},
			run: listVHostLimits,
		},
		{
			name: "set_user_limits", section: "Users", usage: "<username> <definition>", min: 2, max: 2,
			about: "Sets user limits",
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting user limits to "%s" for user "%s" ...`, c.args[1], c.args[0])
			},
			run: setUserLimits,
		},
		{
			name: "clear_user_limits", section: "Users", usage: "<username> <limit_type> | all", min: 2, max: 2,
			about: "Clears user connection/channel limits",
			banner: func(c *call) string {
				if c.args[1] == "all" {
					return fmt.Sprintf(`Clearing all limits for user "%s" ...`, c.args[0])
				}
				return fmt.Sprintf(`Clearing "%s" limit for user "%s" ...`, c.args[1], c.args[0])
			},
			run: func(_ context.Context, c *call) (result, error) {
				names := []string{c.args[1]}
				if c.args[1] == "all" {
					names = []string{user.MaxConnections, user.MaxChannels}
				}
				for _, name := range names {
					if err := c.broker().UserRegistry().ClearLimit(c.args[0], name); err != nil {
						return result{}, noSuchUser(c.args[0], err)
					}
				}
				return result{}, nil
			},
		},
		{
			name: "list_user_limits", section: "Users", usage: "[--user <username>] [--global]", in: everywhere,
			about: "Displays configured user limits", more: map[string]kind{"user": text, "global": flag},
			banner: func(c *call) string {
				if c.has("global") {
					return "Listing limits for all users ..."
				}
				return fmt.Sprintf(`Listing limits for user "%s" ...`, c.or("user", "guest"))
			},
			run: listUserLimits,
		},
	}
}

// errJSON is what is said of values that are not JSON.
var errJSON = &failure{code: exitUnavailable, text: "JSON decoding error. Reason: badarg"}

// parseLimits reads limits, all of which must be known.
func parseLimits(text, where string, known ...string) (map[string]int64, error) {
	var values map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &values) != nil {
		return nil, errJSON
	}
	limits := make(map[string]int64)
	var strange []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		var n int64
		if !slices.Contains(known, name) {
			strange = append(strange, fmt.Sprintf("{<<%q>>,%s}", name, values[name]))
		} else if json.Unmarshal(values[name], &n) != nil {
			return nil, failed(exitUnavailable, "<<\"%s\">> should be an integer, actually was %s", name, values[name])
		}
		limits[name] = n
	}
	if len(strange) > 0 {
		return nil, failed(exitUnavailable, "Unrecognised terms [%s] in %s", strings.Join(strange, ","), where)
	}
	return limits, nil
}

// limitsJSON is how limits are shown.
func limitsJSON(limits map[string]int64) string {
	text, _ := json.Marshal(limits) // of names and numbers: it cannot fail
	return string(text)
}

func setVHostLimits(_ context.Context, c *call) (result, error) {
	limits, err := parseLimits(c.args[0], "limits", vhost.MaxConnections, vhost.MaxQueues)
	var f *failure
	if errors.As(err, &f) && f != errJSON {
		return result{}, failed(f.code, "Validation failed\n\n%s\n", f.text)
	}
	if err != nil {
		return result{}, err
	}
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return result{}, noVHost(c.vhost())
	}
	for name := range v.Limits() {
		if _, ok := limits[name]; !ok {
			err = cmp.Or(err, v.ClearLimit(name))
		}
	}
	for name, n := range limits {
		err = cmp.Or(err, v.SetLimit(name, n))
	}
	return done(err)
}

func listVHostLimits(_ context.Context, c *call) (result, error) {
	if c.has("global") {
		r := &rows{columns: []string{"vhost", "limits"}}
		for _, i := range c.broker().VHosts() {
			if v, err := c.broker().VHost(i.Name); err == nil && len(v.Limits()) > 0 {
				r.add(i.Name, raw(limitsJSON(v.Limits())))
			}
		}
		return result{rows: r}, nil
	}
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return result{}, noVHost(c.vhost())
	}
	text := ""
	if limits := v.Limits(); len(limits) > 0 {
		text = limitsJSON(limits)
	}
	return oneValue(c, text)
}

// oneValue is a result that is one text, which may be empty.
func oneValue(c *call, text string) (result, error) {
	return result{text: text + "\n", bare: true, value: object{{"node", nameOf(c)}, {"result", "ok"}, {"value", text}}}, nil
}

func setUserLimits(_ context.Context, c *call) (result, error) {
	limits, err := parseLimits(c.args[1], "user-limits", user.MaxConnections, user.MaxChannels)
	for name, n := range limits {
		if err == nil {
			err = noSuchUser(c.args[0], c.broker().UserRegistry().SetLimit(c.args[0], name, n))
		}
	}
	return done(err)
}

func listUserLimits(_ context.Context, c *call) (result, error) {
	if c.has("global") {
		r := &rows{columns: []string{"user", "limits"}}
		for _, u := range c.broker().Users() {
			if len(u.Limits) > 0 {
				r.add(u.Name, raw(limitsJSON(u.Limits)))
			}
		}
		return result{rows: r}, nil
	}
	name := c.or("user", "guest")
	for _, u := range c.broker().Users() {
		if u.Name == name {
			if u.Limits == nil {
				return oneValue(c, "{}")
			}
			return oneValue(c, limitsJSON(u.Limits))
		}
	}
	return result{}, noSuchUser(name, user.ErrUnknown)
}

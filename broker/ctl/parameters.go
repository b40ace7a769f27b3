package ctl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nubo/broker"
)

// limitsComponent is the component that the limits of virtual hosts are
// parameters of, under this name.
const limitsComponent, limitsName = "vhost-limits", "limits"

// shovelComponent is the component that shovels are parameters of.
const shovelComponent = "shovel"

func parameterCommands() []command {
	const section = "Parameters"
	return []command{
		{
			name: "set_parameter", section: section, usage: "[--vhost <vhost>] <component_name> <name> <value>", min: 3, max: 3,
			about: "Sets a runtime parameter",
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting runtime parameter "%s" for component "%s" to "%s" in vhost "%s" ...`, c.args[1], c.args[0], c.args[2], c.vhost())
			},
			run: setParameter,
		},
		{
			name: "clear_parameter", section: section, usage: "[--vhost <vhost>] <component_name> <name>", min: 2, max: 2,
			about: "Clears a runtime parameter",
			banner: func(c *call) string {
				return fmt.Sprintf(`Clearing runtime parameter "%s" for component "%s" on vhost "%s" ...`, c.args[1], c.args[0], c.vhost())
			},
			run: func(_ context.Context, c *call) (result, error) {
				found, err := false, error(nil)
				if c.args[0] == limitsComponent {
					found, err = clearLimits(c)
				} else {
					found, err = c.broker().ClearParameter(c.args[0], c.vhost(), c.args[1])
				}
				return done(existed(found, err))
			},
		},
		{
			name: "list_parameters", section: section, usage: "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]", in: everywhere,
			about:  "Lists runtime parameters for a virtual host",
			banner: func(c *call) string { return fmt.Sprintf(`Listing runtime parameters for vhost "%s" ...`, c.vhost()) },
			run:    listParameters,
		},
		{
			name: "set_global_parameter", section: section, usage: "<name> <value>", min: 2, max: 2,
			about: "Sets a global runtime parameter",
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting global runtime parameter "%s" to "%s" ...`, c.args[0], c.args[1])
			},
			run: func(_ context.Context, c *call) (result, error) {
				if !json.Valid([]byte(c.args[1])) {
					return result{}, errJSON
				}
				return done(c.broker().SetGlobalParameter(c.args[0], json.RawMessage(c.args[1])))
			},
		},
		{
			name: "clear_global_parameter", section: section, usage: "<name>", min: 1, max: 1,
			about:  "Clears a global runtime parameter",
			banner: func(c *call) string { return fmt.Sprintf(`Clearing global runtime parameter "%s" ...`, c.args[0]) },
			run: func(_ context.Context, c *call) (result, error) {
				return done(existed(c.broker().ClearGlobalParameter(c.args[0])))
			},
		},
		{
			name: "list_global_parameters", section: section, usage: "[--no-table-headers] [--timeout <timeout>]", in: everywhere,
			about: "Lists global runtime parameters", banner: say("Listing global runtime parameters ..."),
			run: func(_ context.Context, c *call) (result, error) {
				r := &rows{columns: []string{"name", "value"}}
				for _, p := range c.broker().GlobalParameters() {
					r.add(p.Name, compact(p.Value))
				}
				return result{rows: r}, nil
			},
		},
	}
}

// existed is the answer to taking something away.
func existed(found bool, err error) error {
	if err == nil && !found {
		return failed(exitUnavailable, "Parameter does not exist")
	}
	return err
}

// compact is a value of JSON without spaces.
func compact(value json.RawMessage) raw {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return raw(value)
	}
	return raw(toJSON(v))
}

func setParameter(ctx context.Context, c *call) (result, error) {
	switch {
	case !json.Valid([]byte(c.args[2])):
		return result{}, errJSON
	case c.args[0] == limitsComponent:
		set := *c
		set.args = c.args[2:]
		return setVHostLimits(ctx, &set)
	}
	if _, err := c.broker().VHost(c.vhost()); err != nil {
		return result{}, noVHost(c.vhost())
	}
	if c.args[0] == shovelComponent {
		return done(c.broker().SetParameter(broker.ParameterDef{Component: shovelComponent, VHost: c.vhost(), Name: c.args[1], Value: json.RawMessage(c.args[2])}))
	}
	// Every other component is a plugin's; the broker has none that takes parameters.
	return result{}, failed(exitUnavailable, "Validation failed\n\ncomponent %s not found\n", c.args[0])
}

// clearLimits clears the limits of a virtual host.
func clearLimits(c *call) (found bool, err error) {
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return false, nil //nolint:nilerr // what is not there has no limits
	}
	limits := v.Limits()
	for name := range limits {
		err = cmp.Or(err, v.ClearLimit(name))
	}
	return len(limits) > 0, err
}

func listParameters(_ context.Context, c *call) (result, error) {
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return result{}, noVHost(c.vhost())
	}
	list := slices.DeleteFunc(c.broker().Parameters(), func(p broker.ParameterDef) bool { return p.VHost != c.vhost() })
	if limits := v.Limits(); len(limits) > 0 {
		list = append(list, broker.ParameterDef{Component: limitsComponent, VHost: c.vhost(), Name: limitsName, Value: json.RawMessage(limitsJSON(limits))})
	}
	slices.SortFunc(list, func(a, b broker.ParameterDef) int {
		return cmp.Or(strings.Compare(a.Component, b.Component), strings.Compare(a.Name, b.Name))
	})
	r := &rows{columns: []string{"component", "name", "value"}}
	for _, p := range list {
		r.add(p.Component, p.Name, compact(p.Value))
	}
	return result{rows: r}, nil
}

// isSyntax tells a text that is no JSON from one that means nothing.
func isSyntax(err error) bool {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &typ)
}

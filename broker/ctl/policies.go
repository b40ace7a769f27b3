package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/policy"
)

func policyCommands() []command {
	return append(policyCommandsFor("policy", "policies", "Policies", "policy", "policies", false),
		policyCommandsFor("operator_policy", "operator_policies", "Policies", "operator policy override", "operator policy overrides", true)...)
}

// policyCommandsFor are the three commands about policies, or about operator
// policies.
func policyCommandsFor(name, plural, section, word, words string, operator bool) []command {
	cleared := "policy"
	if operator {
		cleared = "operator policy"
	}
	return []command{
		{
			name: "set_" + name, section: section, min: 3, max: 3,
			usage: "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>",
			about: "Sets or updates a " + word, more: map[string]kind{"priority": integer, "apply-to": text},
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting %s "%s" for pattern "%s" to "%s" with priority "%s" for vhost "%s" ...`,
					word, c.args[0], c.args[1], c.args[2], c.or("priority", "0"), c.vhost())
			},
			run: func(_ context.Context, c *call) (result, error) { return setPolicy(c, operator) },
		},
		{
			name: "clear_" + name, section: section, usage: "[--vhost <vhost>] <name>", min: 1, max: 1,
			about: "Clears a " + word,
			banner: func(c *call) string {
				return fmt.Sprintf(`Clearing %s "%s" on vhost "%s" ...`, cleared, c.args[0], c.vhost())
			},
			run: func(_ context.Context, c *call) (result, error) {
				v, err := c.broker().VHost(c.vhost())
				if err != nil {
					return done(existed(false, nil))
				}
				return done(existed(v.DeletePolicy(c.args[0], operator)))
			},
		},
		{
			name: "list_" + plural, section: section, usage: "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]", in: everywhere,
			about:  "Lists all " + words + " in a virtual host",
			banner: func(c *call) string { return fmt.Sprintf(`Listing %s for vhost "%s" ...`, words, c.vhost()) },
			run:    func(_ context.Context, c *call) (result, error) { return listPolicies(c, operator) },
		},
	}
}

func setPolicy(c *call, operator bool) (result, error) {
	var definition broker.Args
	if err := json.Unmarshal([]byte(c.args[2]), &definition); isSyntax(err) {
		return result{}, errJSON
	} else if err != nil {
		return result{}, failed(exitUnavailable, "%v", err)
	}
	priority, err := strconv.Atoi(c.or("priority", "0"))
	if err != nil {
		return result{}, err
	}
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return result{}, noVHost(c.vhost())
	}
	return done(v.SetPolicy(policy.Policy{
		Name: c.args[0], Pattern: c.args[1], ApplyTo: c.or("apply-to", "all"), Priority: priority, Definition: amqp.Table(maps.Clone(definition)),
	}, operator))
}

func listPolicies(c *call, operator bool) (result, error) {
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return result{}, noVHost(c.vhost())
	}
	r := &rows{columns: []string{"vhost", "name", "pattern", "apply-to", "definition", "priority"}}
	for _, p := range v.Policies(operator) {
		definition, err := json.Marshal(broker.Args(p.Definition))
		if err != nil {
			return result{}, fmt.Errorf("show policy %s: %w", p.Name, err)
		}
		r.add(c.vhost(), p.Name, p.Pattern, p.ApplyTo, raw(definition), p.Priority)
	}
	return result{rows: r}, nil
}

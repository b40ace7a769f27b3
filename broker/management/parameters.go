package management

import (
	"encoding/json"
	"fmt"
	"slices"

	"nubo/broker"
)

// components are those whose parameters are taken; RabbitMQ knows them when
// their plugins are there.
var components = []string{"shovel", "federation-upstream", "federation-upstream-set", "operator_policy", "vhost-limits"}

// parameters are those the caller may see and the path is about: of all
// virtual hosts, with the operator policies and limits, which are parameters too.
func (c *call) parameters() ([]broker.ParameterDef, error) {
	if _, ok := c.args["vhost"]; ok {
		if _, err := c.vhost(); err != nil {
			return nil, err
		}
	}
	var list []broker.ParameterDef
	for _, p := range c.b.AllParameters() {
		component, ofComponent := c.args["component"]
		v, ofVHost := c.args["vhost"]
		if c.sees(p.VHost) && (!ofComponent || p.Component == component) && (!ofVHost || p.VHost == v) {
			list = append(list, p)
		}
	}
	return list, nil
}

func listParameters(c *call) error {
	list, err := c.parameters()
	if err != nil {
		return err
	}
	var out []object
	for _, p := range list {
		out = append(out, asObject(p))
	}
	return c.list(out)
}

// parameter is the one of the path, or nil.
func (c *call) parameter() (*broker.ParameterDef, error) {
	list, err := c.parameters()
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Name == c.args["name"] {
			return &list[i], nil
		}
	}
	return nil, nil
}

func getParameter(c *call) error {
	p, err := c.parameter()
	if err != nil {
		return err
	}
	if p == nil {
		return errNotFound
	}
	return c.one(asObject(p))
}

func putParameter(c *call) error {
	var in struct{ Value *jsonText }
	if err := c.body(&in); err != nil {
		return err
	}
	component := c.args["component"]
	if component == "policy" {
		return badRequest("policies may not be set using this method")
	}
	old, err := c.parameter()
	switch {
	case err != nil:
		return err
	case in.Value == nil:
		return missing("value")
	case !slices.Contains(components, component):
		return badRequest(fmt.Sprintf("Validation failed\n\ncomponent %s not found\n", component))
	}
	if err := validParameter(component, json.RawMessage(*in.Value)); err != nil {
		return err
	}
	d := broker.ParameterDef{Component: component, VHost: c.args["vhost"], Name: c.args["name"], Value: json.RawMessage(*in.Value)}
	if err := c.b.ImportDefinitions(broker.Definitions{Parameters: []broker.ParameterDef{d}}); err != nil {
		return err
	}
	return c.done(old == nil)
}

// required are the keys without which a plugin would not take a parameter.
var required = map[string][]string{"shovel": {"src-uri", "dest-uri"}, "federation-upstream": {"uri"}}

// validParameter checks what does not need the plugin itself.
func validParameter(component string, value json.RawMessage) error {
	keys := required[component]
	if keys == nil {
		return nil
	}
	var o map[string]any
	if json.Unmarshal(value, &o) != nil {
		return badRequest("Validation failed\n\nthe value should be an object\n")
	}
	for _, k := range keys {
		if o[k] == nil {
			return badRequest(fmt.Sprintf("Validation failed\n\nKey %q not found in %s\n", k, component))
		}
	}
	return nil
}

func deleteParameter(c *call) error {
	p, err := c.parameter()
	if err != nil {
		return err
	}
	if p == nil {
		return errNotFound
	}
	if err := c.b.DropParameter(*p); err != nil {
		return err
	}
	return c.done(false)
}

func listGlobalParameters(c *call) error {
	var list []object
	for _, p := range c.b.GlobalParameters() {
		list = append(list, asObject(p))
	}
	return c.list(list)
}

// globalParameter is the one of the path, or nil.
func (c *call) globalParameter() *broker.GlobalParameter {
	for _, p := range c.b.GlobalParameters() {
		if p.Name == c.args["name"] {
			return &p
		}
	}
	return nil
}

func getGlobalParameter(c *call) error {
	p := c.globalParameter()
	if p == nil {
		return errNotFound
	}
	return c.ok(p)
}

func putGlobalParameter(c *call) error {
	var in struct{ Value *jsonText }
	if err := c.body(&in); err != nil {
		return err
	}
	if in.Value == nil {
		return missing("value")
	}
	created := c.globalParameter() == nil
	if err := c.b.SetGlobalParameter(c.args["name"], json.RawMessage(*in.Value)); err != nil {
		return err
	}
	return c.done(created)
}

func deleteGlobalParameter(c *call) error {
	found, err := c.b.ClearGlobalParameter(c.args["name"])
	if err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	return c.done(false)
}

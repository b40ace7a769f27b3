package management

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/queue"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// propertiesKey tells the bindings between two ends apart: by the routing key,
// and a hash of the arguments if there are any.
func propertiesKey(key string, args amqp.Table) string {
	if key == "" && len(args) == 0 {
		return "~"
	}
	s := quoteKey(key)
	if len(args) == 0 {
		return s
	}
	sum := md5.Sum(args.Append(nil))
	return s + "~" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// quoteKey escapes all but letters, digits, '-', '_' and '.'.
func quoteKey(key string) string {
	return strings.NewReplacer("+", "%20", "~", "%7E", "*", "%2A").Replace(url.QueryEscape(key))
}

func bindingObject(v string, b *vhost.BindingStats) object {
	kind := "queue"
	if b.ToExchange {
		kind = "exchange"
	}
	return object{
		"source": b.Source, "vhost": v, "destination": b.Destination, "destination_type": kind, "routing_key": b.RoutingKey,
		"arguments": table(b.Args), "properties_key": propertiesKey(b.RoutingKey, b.Args),
	}
}

// bindings answers with bindings of a virtual host.
func (c *call) bindings(v string, list []vhost.BindingStats) error {
	var out []object
	for i := range list {
		out = append(out, bindingObject(v, &list[i]))
	}
	return c.list(out)
}

func listBindings(c *call) error {
	hosts, err := c.hosts()
	if err != nil {
		return err
	}
	var out []object
	for _, v := range hosts {
		list := v.Bindings()
		for i := range list {
			out = append(out, bindingObject(v.Name, &list[i]))
		}
	}
	return c.list(out)
}

func queueBindings(c *call) error {
	v, err := c.vhost()
	if err != nil {
		return err
	}
	if _, _, ok := v.QueueStats(c.args["queue"]); !ok {
		return errNotFound
	}
	return c.bindings(v.Name, v.BindingsTo(c.args["queue"], false))
}

func bindingsFrom(c *call) error {
	v, x, err := c.exchange()
	if err != nil {
		return err
	}
	return c.bindings(v.Name, v.BindingsFrom(x.Name))
}

func bindingsTo(c *call) error {
	v, x, err := c.exchange()
	if err != nil {
		return err
	}
	return c.bindings(v.Name, v.BindingsTo(x.Name, true))
}

// between are the bindings between the ends that the path names.
func (c *call) between() (*vhost.VHost, []vhost.BindingStats, error) {
	v, err := c.vhost()
	if err != nil {
		return nil, nil, err
	}
	source, toExchange := exchangeName(c.args["exchange"]), c.args["kind"] == "e"
	if c.args["kind"] != "e" && c.args["kind"] != "q" {
		return nil, nil, errNotFound
	}
	var list []vhost.BindingStats
	for _, b := range v.BindingsTo(c.args["destination"], toExchange) {
		if b.Source == source && b.ToExchange == toExchange {
			list = append(list, b)
		}
	}
	return v, list, nil
}

func listBetween(c *call) error {
	v, list, err := c.between()
	if err != nil {
		return err
	}
	return c.bindings(v.Name, list)
}

// binding is the one binding of the path.
func (c *call) binding() (*vhost.VHost, *vhost.BindingStats, error) {
	v, list, err := c.between()
	if err != nil {
		return nil, nil, err
	}
	for i, b := range list {
		// The key comes escaped once or twice: clients differ.
		if want := propertiesKey(b.RoutingKey, b.Args); c.args["key"] == want || quoteless(want) == c.args["key"] {
			return v, &list[i], nil
		}
	}
	return nil, nil, errNotFound
}

// quoteless undoes the escapes of a key.
func quoteless(key string) string {
	s, err := url.PathUnescape(key)
	if err != nil {
		return key
	}
	return s
}

func getBinding(c *call) error {
	v, b, err := c.binding()
	if err != nil {
		return err
	}
	return c.one(bindingObject(v.Name, b))
}

func createBinding(c *call) error {
	var in struct {
		RoutingKey string `json:"routing_key"`
		Arguments  broker.Args
	}
	if err := c.body(&in); err != nil {
		return err
	}
	v, _, err := c.between()
	if err != nil {
		return err
	}
	if len(in.RoutingKey) > maxShort {
		return badRequest("routing key is too long")
	}
	args := amqp.Table(in.Arguments)
	if err := c.bind(v, in.RoutingKey, args, v.BindQueue, v.BindExchange); err != nil {
		return err
	}
	c.w.Header().Set("Location", url.PathEscape(c.args["destination"])+"/"+url.PathEscape(propertiesKey(in.RoutingKey, args)))
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

func deleteBinding(c *call) error {
	v, b, err := c.binding()
	if err != nil {
		return err
	}
	if err := c.bind(v, b.RoutingKey, b.Args, v.UnbindQueue, v.UnbindExchange); err != nil {
		return err
	}
	return c.done(false)
}

// bind does to the ends that the path names what makes, or ends, a binding.
func (c *call) bind(v *vhost.VHost, key string, args amqp.Table,
	toQueue func(*queue.Queue, string, string, amqp.Table) *amqp.Error, toExchange func(_, _, _ string, _ amqp.Table) *amqp.Error,
) error {
	source, destination := exchangeName(c.args["exchange"]), c.args["destination"]
	if source == "" {
		return amqp.Errorf(amqp.AccessRefused, "operation not permitted on the default exchange")
	}
	kind := map[string]string{"q": "queue", "e": "exchange"}[c.args["kind"]]
	if err := c.allow(user.Write, v.Name, kind, destination); err != nil {
		return err
	}
	if err := c.allow(user.Read, v.Name, "exchange", source); err != nil {
		return err
	}
	if err := c.allowTopic(user.Read, v, source, key); err != nil {
		return err
	}
	if c.args["kind"] == "e" {
		return orNil(toExchange(destination, source, key, args))
	}
	q, err := v.Queue(destination, nil)
	if err != nil {
		return err
	}
	return orNil(toQueue(q, source, key, args))
}

// orNil keeps a nil error nil.
func orNil(err *amqp.Error) error {
	if err == nil {
		return nil
	}
	return err
}

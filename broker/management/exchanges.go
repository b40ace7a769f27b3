package management

import (
	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/history"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// exchangeName is the name of the exchange that a path means: the default one,
// which has none, is called amq.default there.
func exchangeName(s string) string {
	if s == "amq.default" {
		return ""
	}
	return s
}

func (c *call) exchangeObject(v string, x *vhost.ExchangeStats, r ranges) object {
	by := "unknown" // it is not kept
	if x.Name == "" || isReserved(x.Name) {
		by = internal
	}
	o := object{
		"name": x.Name, "vhost": v, "type": x.Kind, "durable": x.Durable, "auto_delete": x.AutoDelete, "internal": x.Internal,
		"arguments": table(x.Args), "user_who_performed_action": by,
	}
	if x.Policy != "" {
		o["policy"] = x.Policy
	}
	c.past(history.Key{Kind: history.Exchange, VHost: v, Name: x.Name}, func(v history.View) {
		messageStats(o, v, r.messages, broker.ExchangeMetrics(x))
	})
	return o
}

func isReserved(name string) bool { return len(name) > 4 && name[:4] == "amq." }

func listExchanges(c *call) error {
	hosts, err := c.hosts()
	if err != nil {
		return err
	}
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	type where struct {
		vhost string
		vhost.ExchangeStats
	}
	var list []where
	for _, v := range hosts {
		for _, x := range v.Exchanges() {
			list = append(list, where{v.Name, x})
		}
	}
	return c.pageOf(len(list), func(i int) string { return list[i].Name }, func(i int) object {
		return c.exchangeObject(list[i].vhost, &list[i].ExchangeStats, r)
	})
}

func getExchange(c *call) error {
	v, x, err := c.exchange()
	if err != nil {
		return err
	}
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	o := c.exchangeObject(v.Name, &x, r)
	o["incoming"], o["outgoing"] = []object{}, []object{}
	return c.one(o)
}

// exchange is the exchange of the path.
func (c *call) exchange() (*vhost.VHost, vhost.ExchangeStats, error) {
	v, err := c.vhost()
	if err != nil {
		return nil, vhost.ExchangeStats{}, err
	}
	x, ok := v.ExchangeStats(exchangeName(c.args["exchange"]))
	if !ok {
		return nil, x, errNotFound
	}
	return v, x, nil
}

func putExchange(c *call) error {
	var in struct {
		Type       string
		Durable    boolean
		AutoDelete boolean `json:"auto_delete"`
		Internal   boolean
		Arguments  broker.Args
	}
	in.Type = "direct"
	if err := c.body(&in); err != nil {
		return err
	}
	v, err := c.vhost()
	if err != nil {
		return &failure{404, "not_found", "vhost_not_found"}
	}
	name := exchangeName(c.args["exchange"])
	if name == "" {
		return amqp.Errorf(amqp.AccessRefused, "operation not permitted on the default exchange")
	}
	if len(name) > maxShort {
		return badRequest("the name of the exchange is too long")
	}
	if err := c.allow(user.Configure, v.Name, "exchange", name); err != nil {
		return err
	}
	if alt, ok := in.Arguments["alternate-exchange"].(string); ok {
		if err := c.allow(user.Read, v.Name, "exchange", name); err != nil {
			return err
		}
		if err := c.allow(user.Write, v.Name, "exchange", alt); err != nil {
			return err
		}
	}
	_, found := v.ExchangeStats(name)
	bad := v.DeclareExchange(vhost.ExchangeSpec{
		Name: name, Kind: in.Type, Durable: bool(in.Durable), AutoDelete: bool(in.AutoDelete), Internal: bool(in.Internal), Args: amqp.Table(in.Arguments),
	})
	if bad != nil && bad.Code == amqp.CommandInvalid {
		return badRequest("invalid exchange type '" + in.Type + "'")
	}
	if bad != nil {
		return bad
	}
	return c.done(!found)
}

func deleteExchange(c *call) error {
	v, x, err := c.exchange()
	if err != nil {
		return err
	}
	if x.Name == "" {
		return amqp.Errorf(amqp.AccessRefused, "operation not permitted on the default exchange")
	}
	if err := c.allow(user.Configure, v.Name, "exchange", x.Name); err != nil {
		return err
	}
	if err := v.DeleteExchange(x.Name, c.URL.Query().Get("if-unused") == "true"); err != nil {
		return err
	}
	return c.done(false)
}

package management

import (
	"net"
	"net/http"
	"slices"

	"nubo/amqp"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// level is who may use a path.
type level int

// The levels, each of which also asks for one of the tags that let a user use
// the API at all.
const (
	anybody       level = iota // without logging in
	management                 // every user of the API
	entrant                    // who may enter the path's virtual host
	viewer                     // who may enter it, or see what is not theirs
	policymaker                // who may set policies, and enter
	globalSetter               // who may set policies
	monitor                    // who may see what is not theirs
	administrator              // who may do everything
)

func has(u user.Info, tags ...string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(u.Tags, t) })
}

func isAdministrator(u user.Info) bool { return has(u, "administrator") }
func isMonitor(u user.Info) bool       { return has(u, "administrator", "monitoring") }
func isPolicymaker(u user.Info) bool   { return has(u, "administrator", "policymaker") }
func isUser(u user.Info) bool {
	return has(u, "administrator", "monitoring", "policymaker", "management")
}

// internal is who makes the requests of a handler that trusts.
const internal = "rmq-internal"

// authorise finds out who calls, and whether they may use the route.
func (c *call) authorise(r *route) error {
	if r.need == anybody {
		return nil
	}
	if c.server.opts.Trusted {
		c.user = user.Info{Name: internal, Tags: []string{"administrator"}}
		return nil
	}
	login, password, ok := c.BasicAuth()
	if !ok {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="RabbitMQ Management"`)
		c.w.WriteHeader(http.StatusUnauthorized)
		return errAnswered
	}
	if !c.login(login, password) {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="RabbitMQ Management"`)
		return &failure{http.StatusUnauthorized, "not_authorized", "Login failed"}
	}
	switch {
	case !isUser(c.user):
		return notAuthorised("Not management user")
	case r.need == administrator && !isAdministrator(c.user):
		return notAuthorised("Not administrator user")
	case r.need == monitor && !isMonitor(c.user):
		return notAuthorised("Not monitor user")
	case (r.need == policymaker || r.need == globalSetter) && !isPolicymaker(c.user):
		return notAuthorised("Not policymaker user")
	}
	name, inside := c.args["vhost"]
	if _, err := c.b.VHost(name); !inside || err != nil || isAdministrator(c.user) || c.enters(name) {
		return nil // or there is no such thing, which everyone may know
	}
	if r.need == entrant || r.need == policymaker || r.need == viewer && !isMonitor(c.user) {
		return notAuthorised("User not authorised to access virtual host")
	}
	return nil
}

// login checks a password, and that guest is on this machine, as everyone
// knows the one it has.
func (c *call) login(name, password string) bool {
	if name == "guest" {
		host, _, err := net.SplitHostPort(c.RemoteAddr)
		if ip := net.ParseIP(host); err == nil && ip != nil && !ip.IsLoopback() {
			return false
		}
	}
	if c.b.Authenticate(name, password) != nil {
		return false
	}
	var ok bool
	c.user, ok = c.userNamed(name)
	return ok
}

// userNamed looks a user up.
func (c *call) userNamed(name string) (user.Info, bool) { return c.b.UserRegistry().Get(name) }

// enters tells whether the caller may enter a virtual host.
func (c *call) enters(vhost string) bool {
	if c.server.opts.Trusted {
		return true
	}
	_, ok := c.b.UserRegistry().Permissions(c.user.Name, vhost)
	return ok
}

// sees tells whether lists tell the caller of a virtual host.
func (c *call) sees(vhost string) bool { return isMonitor(c.user) || c.enters(vhost) }

// allow refuses what the caller's permissions do not allow: kind is "queue" or
// "exchange".
func (c *call) allow(a user.Access, vhost, kind, name string) error {
	if c.server.opts.Trusted {
		return nil
	}
	if name == "" && kind == "exchange" {
		name = "amq.default"
	}
	if p, ok := c.b.UserRegistry().Permissions(c.user.Name, vhost); !ok || !p.Allow(a, name) {
		return amqp.Errorf(amqp.AccessRefused, "access to %s '%s' in vhost '%s' refused for user '%s'", kind, name, vhost, c.user.Name)
	}
	return nil
}

// allowTopic refuses a routing key that the caller may not use at a topic
// exchange.
func (c *call) allowTopic(a user.Access, v *vhost.VHost, exchange, key string) error {
	x, ok := v.ExchangeStats(exchange)
	if !ok || x.Kind != "topic" || c.server.opts.Trusted || c.b.UserRegistry().AllowTopic(a, c.user.Name, v.Name, exchange, key) {
		return nil
	}
	return amqp.Errorf(amqp.AccessRefused, "access to topic '%s' in exchange '%s' in vhost '%s' refused for user '%s'", key, exchange, v.Name, c.user.Name)
}

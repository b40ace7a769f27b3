package management

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"nubo/broker"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

var healthy = object{"status": "ok"}

// failed says that a check failed.
func (c *call) failed(o object) error {
	o["status"] = "failed"
	return c.answer(http.StatusServiceUnavailable, o)
}

func always(c *call) error { return c.ok(healthy) }

// singleNode is the answer to questions about what would happen to others.
func singleNode(c *call) error { return c.ok(object{"status": "ok", "reason": "single node cluster"}) }

func checkAlarms(c *call) error {
	list := []object{}
	for _, name := range c.b.Alarms().Names() {
		list = append(list, object{"node": c.b.NodeName(), "resource": name})
	}
	if len(list) == 0 {
		return c.ok(healthy)
	}
	return c.failed(object{"reason": "There are alarms in effect in the cluster", "alarms": list})
}

func checkPort(c *call) error {
	port, err := strconv.Atoi(c.args["port"])
	if err != nil {
		return badRequest("Invalid port")
	}
	var ports []int
	for _, l := range c.b.Listeners() {
		ports = append(ports, l.Port)
	}
	if slices.Contains(ports, port) {
		return c.ok(object{"status": "ok", "port": port})
	}
	return c.failed(object{"reason": "No active listener", "missing": port, "ports": append([]int{}, ports...)})
}

// protocols are other names of protocols.
var protocols = map[string]string{
	"amqp091": "amqp", "amqp0.9.1": "amqp", "amqp-0-9-1": "amqp", "amqps": "amqp/ssl", "amqp-ssl": "amqp/ssl", "management": "http",
}

func checkProtocol(c *call) error {
	name := c.args["protocol"]
	want := name
	if p, ok := protocols[name]; ok {
		want = p
	}
	list := []string{}
	for _, l := range c.b.Listeners() {
		list = append(list, l.Protocol)
	}
	if slices.Contains(list, want) {
		return c.ok(object{"status": "ok", "protocol": name})
	}
	return c.failed(object{"reason": "No active listener", "missing": name, "protocols": list})
}

// units are how long, in days, the units of time are.
var units = map[string]int{"days": 1, "weeks": 7, "months": 30, "years": 365}

func checkCertificates(c *call) error {
	n, err := strconv.Atoi(c.args["within"])
	if err != nil || n < 0 {
		return badRequest("Invalid expiration value.")
	}
	days, ok := units[c.args["unit"]]
	if !ok {
		return badRequest("Time unit not recognised. Supported units: days, weeks, months, years.")
	}
	until := time.Now().AddDate(0, 0, min(n, 1<<20)*days)
	expired := []object{}
	for _, l := range c.b.Listeners() {
		if !l.CertificateExpires.IsZero() && l.CertificateExpires.Before(until) {
			expired = append(expired, object{
				"node": c.b.NodeName(), "protocol": l.Protocol, "interface": l.IP, "port": strconv.Itoa(l.Port),
				"certfile_expires_on": []string{l.CertificateExpires.UTC().Format(time.DateTime)},
			})
		}
	}
	if len(expired) == 0 {
		return c.ok(healthy)
	}
	return c.failed(object{"reason": "Certificates expiring", "expired": expired})
}

// checkReady checks that clients are let in.
func checkReady(c *call) error {
	for _, l := range c.b.Listeners() {
		if strings.HasPrefix(l.Protocol, "amqp") {
			return c.ok(healthy)
		}
	}
	return c.failed(object{"reason": "There is no listener for clients"})
}

// belowConnectionLimit checks the one limit there is: that of files.
func belowConnectionLimit(c *call) error {
	if p := c.b.Process(); p.Files >= p.MaxFiles && p.MaxFiles > 0 {
		return c.failed(object{"reason": "no more connections can be accepted", "current": p.Files, "limit": p.MaxFiles})
	}
	return c.ok(healthy)
}

// aliveness sends a message through a queue.
func aliveness(c *call) error {
	v, err := c.vhost()
	if err != nil {
		return err
	}
	if !c.enters(v.Name) {
		return notAuthorised("User not authorised to access virtual host")
	}
	const name = "aliveness-test"
	for a, of := range map[user.Access][2]string{user.Configure: {"queue", name}, user.Read: {"queue", name}, user.Write: {"exchange", ""}} {
		if err := c.allow(a, v.Name, of[0], of[1]); err != nil {
			return err
		}
	}
	q, bad := v.DeclareQueue(vhost.QueueSpec{Name: name}, nil)
	if bad != nil {
		return bad
	}
	if _, err := c.b.Publish(v.Name, broker.Publication{RoutingKey: name, Body: []byte("test_message")}); err != nil {
		return err
	}
	if _, _, ok := q.Get(true); !ok {
		return &failure{http.StatusServiceUnavailable, "failed", "the message did not arrive"}
	}
	return c.ok(healthy)
}

func nodeHealth(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	if names := c.b.Alarms().Names(); len(names) > 0 {
		return c.ok(object{"status": "failed", "reason": "resource alarm(s) in effect:" + names[0]})
	}
	return c.ok(healthy)
}

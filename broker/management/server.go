package management

import (
	"cmp"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"

	"nubo/broker"
	"nubo/broker/user"
)

const page = `<!DOCTYPE html>
<html><head><title>nubo message broker</title></head>
<body><h1>nubo message broker</h1>
<p>This is the HTTP API of RabbitMQ's management plugin: see <a href="api/overview">api/overview</a>.</p>
</body></html>
`

// index names the API.
func index(c *call) error {
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = c.w.Write([]byte(page)) // the client is gone: nobody to tell
	return nil
}

func authSettings(c *call) error {
	return c.ok(object{"enable_uaa": false, "uaa_client_id": "", "uaa_location": "", "oauth_enabled": false})
}

func whoami(c *call) error {
	return c.ok(object{"name": c.user.Name, "tags": append([]string{}, c.user.Tags...)})
}

func extensions(c *call) error { return c.ok([]object{{"javascript": "dispatcher.js"}}) }

func clusterName(c *call) error { return c.ok(object{"name": c.b.ClusterName()}) }

func setClusterName(c *call) error {
	var in struct{ Name *string }
	if err := c.body(&in); err != nil {
		return err
	}
	if in.Name == nil {
		return missing("name")
	}
	if err := c.b.SetClusterName(*in.Name); err != nil {
		return err
	}
	return c.done(false)
}

// missing is the error for a key that a body lacks.
func missing(key string) error { return badRequest("[{key_missing," + key + "}]") }

// redirect sends the client on.
func redirect(to string) handler {
	return func(c *call) error {
		http.Redirect(c.w, c.Request, to, http.StatusMovedPermanently)
		return nil
	}
}

// apiIndex lists the paths.
func apiIndex(c *call) error {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html><head><title>HTTP API</title></head><body><h1>HTTP API</h1><table>\n")
	for _, r := range c.server.all {
		var names []string
		for m := range r.methods {
			names = append(names, m)
		}
		slices.Sort(names)
		fmt.Fprintf(&b, "<tr><td>%s</td><td>/%s</td></tr>\n", strings.Join(names, " "), html.EscapeString(r.path))
	}
	b.WriteString("</table></body></html>\n")
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = c.w.Write([]byte(b.String())) // the client is gone: nobody to tell
	return nil
}

// login checks a name and password that come as a form, as a browser sends them.
func login(c *call) error {
	if !c.login(c.PostFormValue("username"), c.PostFormValue("password")) || !isUser(c.user) {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="RabbitMQ Management"`)
		return &failure{http.StatusUnauthorized, "not_authorized", "Login failed"}
	}
	return c.ok("ok")
}

// authAttempts counts who tried to log in, by protocol.
func authAttempts(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	if strings.HasSuffix(c.URL.Path, "/source") {
		return c.list(nil) // RabbitMQ counts by source when it is told to
	}
	var list []object
	for _, a := range c.b.LoginAttempts() {
		list = append(list, object{
			"protocol": a.Protocol, "auth_attempts": a.Failed + a.Succeeded, "auth_attempts_failed": a.Failed, "auth_attempts_succeeded": a.Succeeded,
		})
	}
	return c.list(list)
}

func resetAuthAttempts(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	c.b.ResetLoginAttempts()
	return c.done(false)
}

func hashPassword(c *call) error { return c.ok(object{"ok": user.Hash(c.args["password"])}) }

func version(c *call) error {
	return c.ok(broker.Compatible)
}

// effectiveConfig is what of the configuration the API may tell.
func effectiveConfig(c *call) error {
	return c.ok(object{
		"node": c.b.NodeName(), "cluster_name": c.b.ClusterName(), "data_dir": cmp.Or(c.b.DataDir(), "none"),
		"memory_watermark": c.b.MemoryWatermark(), "disk_free_limit": c.b.DiskFreeLimit(),
	})
}

// resetStatistics makes rates begin anew; counters go on.
func resetStatistics(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	c.b.History().Reset()
	return c.done(false)
}

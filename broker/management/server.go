package management

import (
	"net/http"
	"slices"
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
	return c.ok(object{"name": c.user.Name, "tags": slices.Concat([]string{}, c.user.Tags)})
}

func extensions(c *call) error { return c.ok([]object{{"javascript": "dispatcher.js"}}) }

func clusterName(c *call) error { return c.ok(object{"name": c.b.ClusterName()}) }

func setClusterName(c *call) error {
	if !isAdministrator(c.user) {
		return notAuthorised("Not administrator user")
	}
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

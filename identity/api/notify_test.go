package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/identity"
	"nubo/identity/api"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/rpc"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// told gives the notifications that wait for the bus, as "type payload", and
// takes them.
func (c *cloud) told() []string {
	c.t.Helper()
	ctx, stop := context.WithCancel(c.t.Context())
	defer stop()
	var out []string
	// The last message is one of ours, which says that there is no other.
	testx.NoErr(c.t, c.svc.Store().InTx(ctx, func(ctx context.Context) error {
		return c.svc.Store().Send(ctx, db.Message{Kind: "last"})
	}))
	err := c.svc.Store().Relay(ctx, func(_ context.Context, msgs []db.Message) (int, error) {
		for _, m := range msgs {
			if m.Kind == "last" {
				stop()
				continue
			}
			var env rpc.Envelope
			if err := json.Unmarshal(m.Body, &env); err != nil {
				return 0, err
			}
			var outer struct {
				Message string `json:"oslo.message"`
			}
			var n struct {
				EventType string          `json:"event_type"`
				Payload   json.RawMessage `json:"payload"`
			}
			if err := errors.Join(json.Unmarshal(env.Body, &outer), json.Unmarshal([]byte(outer.Message), &n)); err != nil {
				return 0, err
			}
			if env.Exchange != "keystone" || env.Key != "notifications.info" {
				return 0, fmt.Errorf("%s goes to %s, %s", n.EventType, env.Exchange, env.Key)
			}
			out = append(out, n.EventType+" "+string(n.Payload))
		}
		return len(msgs), nil
	})
	testx.ErrIs(c.t, err, context.Canceled)
	return out
}

// TestNotifications: changes are told of, once each, and what failed is not.
func TestNotifications(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		role := c.do(admin, "GET", "/v3/roles?name=member", "").JSON["roles"].([]any)[0].(map[string]any)["id"].(string)
		c.told() // of the bootstrap
		domain := c.make(admin, "/v3/domains", `{"domain":{"name":"d"}}`)
		project := c.make(admin, "/v3/projects", `{"project":{"name":"p"}}`)
		user := c.make(admin, "/v3/users", `{"user":{"name":"u"}}`)
		group := c.make(admin, "/v3/groups", `{"group":{"name":"g"}}`)
		c.want(c.do(admin, "POST", "/v3/projects", `{"project":{"name":"p"}}`), 409, "")
		c.want(c.do(admin, "PATCH", "/v3/projects/"+project, `{"project":{"description":"x"}}`), 200, "")
		c.want(c.do(admin, "PUT", "/v3/groups/"+group+"/users/"+user, ""), 204, "")
		grant := "/v3/projects/" + project + "/users/" + user + "/roles/" + role
		c.want(c.do(admin, "PUT", grant, ""), 204, "")
		c.want(c.do(admin, "DELETE", grant, ""), 204, "")
		c.want(c.do(admin, "DELETE", grant, ""), 404, "")
		c.want(c.do(admin, "DELETE", "/v3/groups/"+group, ""), 204, "")
		c.want(c.do(admin, "PATCH", "/v3/domains/"+domain, `{"domain":{"enabled":false}}`), 200, "")
		c.want(c.do(admin, "DELETE", "/v3/domains/"+domain, ""), 204, "")
		id := func(event, id string) string { return fmt.Sprintf(`identity.%s {"resource_info":%q}`, event, id) }
		assigned := fmt.Sprintf(`{"role":%q,"user":%q,"project":%q}`, role, user, project)
		testx.Equal(t, c.told(), []string{
			id("domain.created", domain), id("project.created", project), id("user.created", user), id("group.created", group),
			id("project.updated", project), id("group.updated", group),
			"identity.role_assignment.created " + assigned, "identity.role_assignment.deleted " + assigned,
			id("group.deleted", group), id("domain.updated", domain), id("domain.deleted", domain),
		})
	})
}

// TestPurge: revocations are forgotten when they do not count any more, and
// not before.
func TestPurge(t *testing.T) {
	var passed atomic.Int64
	began := time.Now()
	each(t, func(t *testing.T, c *cloud) {
		passed.Store(0)
		token := c.token("admin", adminPassword, onProject("admin"))
		c.want(c.do(token, "DELETE", "/v3/auth/tokens", "", "X-Subject-Token", token), 204, "")
		later := func(d time.Duration, events int) {
			passed.Add(int64(d))
			testx.NoErr(t, c.svc.Purge(t.Context()))
			admin := c.token("admin", adminPassword, onProject("admin"))
			c.make(admin, "/v3/projects", fmt.Sprintf(`{"project":{"name":%q}}`, d)) // the next look is at the tables
			c.want(c.do(admin, "GET", "/v3/auth/tokens?allow_expired=1", "", "X-Subject-Token", token), 404, "")
			testx.Equal(t, len(c.do(admin, "GET", "/v3/OS-REVOKE/events", "").JSON["events"].([]any)), events)
		}
		later(30*time.Minute, 1)
		later(time.Hour, 0) // a service may still validate what has expired
		later(time.Hour+time.Second, 0)
		revoked, err := c.svc.Store().Revoked(t.Context())
		testx.NoErr(t, err)
		testx.Equal(t, len(revoked), 0)
	}, func(d *identity.Deps, _ *[]api.Option) {
		d.Clock = clock.Func(func() time.Time { return began.Add(time.Duration(passed.Load())) })
	})
}

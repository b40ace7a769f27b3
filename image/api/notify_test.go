package api_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"nubo/image"
	"nubo/image/store"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/rpc"
	"nubo/internal/testx"
)

// told is a notification as a listener reads it.
type told struct {
	Publisher string         `json:"publisher_id"`
	Event     string         `json:"event_type"`
	Payload   map[string]any `json:"payload"`
}

func readTold(t testing.TB, e rpc.Envelope) told {
	t.Helper()
	var outer struct {
		Message string `json:"oslo.message"`
	}
	testx.NoErr(t, json.Unmarshal(e.Body, &outer))
	var n told
	testx.NoErr(t, json.Unmarshal([]byte(outer.Message), &n))
	testx.Equal(t, []any{e.Exchange, e.Key}, []any{"glance", "notifications.info"})
	return n
}

// TestNotifications holds that the bus is told of everything that becomes of
// an image and its members, in order, with who may see it; and of nothing
// that did not happen.
func TestNotifications(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) {
		bus := make(chan rpc.Envelope, 100)
		c := newClientWith(t, d, func(_ *image.Config, deps *image.Deps) {
			deps.Host = "here"
			deps.Publish = func(_ context.Context, envs []rpc.Envelope) (int, error) {
				for _, e := range envs {
					bus <- e
				}
				return len(envs), nil
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.svc.Relay(ctx, func() {}) }()
		defer func() { cancel(); <-ended }()
		next := func() told {
			t.Helper()
			select {
			case e := <-bus:
				return readTold(t, e)
			case <-time.After(time.Minute):
				t.Fatal("nothing more is told")
				return told{}
			}
		}
		expect := func(event, status string) told {
			t.Helper()
			n := next()
			testx.Equal(t, []any{n.Publisher, n.Event, n.Payload["status"]}, []any{"image.here", event, status})
			return n
		}

		path := c.create(`{"name":"disk","tags":["a"],"hw_disk_bus":"virtio",` + raw + `}`)
		n := expect("image.create", "queued")
		testx.Equal(t, []any{n.Payload["id"], n.Payload["name"], n.Payload["owner"], n.Payload["visibility"], n.Payload["is_public"], n.Payload["checksum"], n.Payload["deleted"]},
			[]any{path[len("/v2/images/"):], "disk", "p2", "shared", false, nil, false})
		testx.Equal(t, n.Payload["properties"], any(map[string]any{"hw_disk_bus": "virtio"}))
		testx.Equal(t, n.Payload["tags"], any([]any{"a"}))

		c.check(c.send("PUT", path+"/file", "application/octet-stream", &cut{rest: 3}), "a cut upload", 400)
		expect("image.prepare", "saving")
		expect("image.update", "queued")
		c.check(c.upload(path, []byte("bytes")), "upload", 204)
		expect("image.prepare", "saving")
		expect("image.upload", "active")
		n = expect("image.activate", "active")
		testx.Equal(t, []any{n.Payload["size"], n.Payload["checksum"]}, []any{float64(5), "4b3a6218bb3e3a7303e8a171a60fcf92"})

		c.want(200, "POST", path+"/members", `{"member":"p4"}`)
		n = expect("image.member.create", "pending")
		testx.Equal(t, []any{n.Payload["image_id"], n.Payload["member_id"]}, []any{path[len("/v2/images/"):], "p4"})
		c.as("other").want(200, "PUT", path+"/members/p4", `{"status":"accepted"}`)
		expect("image.member.update", "accepted")
		c.want(200, "PATCH", path, `[{"op":"replace","path":"/name","value":"new"}]`)
		n = expect("image.update", "active")
		testx.Equal(t, []any{n.Payload["name"], n.Payload["members"], n.Payload["was_visibility"]}, []any{"new", []any{"p4"}, nil})
		// Those who see it no more are named, too.
		for _, change := range [][2]string{{"private", "shared"}, {"shared", "private"}} {
			c.want(200, "PATCH", path, `[{"op":"replace","path":"/visibility","value":"`+change[0]+`"}]`)
			n = expect("image.update", "active")
			testx.Equal(t, []any{n.Payload["visibility"], n.Payload["was_visibility"], n.Payload["members"]}, []any{change[0], change[1], []any{"p4"}})
		}

		c.as("other").want(403, "DELETE", path+"/members/p2", "") // does not happen
		c.want(409, "POST", path+"/members", `{"member":"p4"}`)   // neither
		c.want(204, "DELETE", path+"/members/p4", "")
		n = expect("image.member.delete", "accepted")
		testx.Equal(t, n.Payload["deleted"], any(true))
		c.as("admin").want(204, "POST", path+"/actions/deactivate", "")
		expect("image.update", "deactivated")
		c.want(204, "DELETE", path, "")
		n = expect("image.delete", "deleted")
		testx.Equal(t, []any{n.Payload["deleted"], n.Payload["deleted_at"] != nil}, []any{true, true})
	}, db.WithOutbox())
}

// TestNotificationsOfImport holds that an import is told of by its steps.
func TestNotificationsOfImport(t *testing.T) {
	t.Parallel()
	events := make(chan string, 100)
	c := newClientWith(t, dbtest.Open(t, store.Migrations, db.WithOutbox()), func(_ *image.Config, deps *image.Deps) {
		deps.Publish = func(_ context.Context, envs []rpc.Envelope) (int, error) {
			for _, e := range envs {
				n := readTold(t, e)
				events <- n.Event + " " + n.Payload["status"].(string)
			}
			return len(envs), nil
		}
	})
	c.runs()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.svc.Relay(ctx, func() {}) }()
	defer func() { cancel(); <-ended }()
	path := c.create("{" + raw + "}")
	c.check(c.stage(path, []byte("bytes")), "stage", 204)
	c.want(202, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`)
	var got []string
	for last := ""; last != "image.activate active"; got = append(got, last) {
		select {
		case last = <-events:
		case <-time.After(time.Minute):
			t.Fatalf("nothing more is told after %q", got)
		}
	}
	testx.Equal(t, slices.Compact(got), []string{
		"image.create queued", "image.update uploading", "image.update importing", "image.upload active", "image.activate active",
	})
}

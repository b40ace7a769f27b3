package rpc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"testing"
	"time"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

const python = "/usr/bin/python3"

// peer runs testdata/peer.py and gives its output line by line. It ends with
// the test.
func peer(t *testing.T, url, role string, tg Target, args any) (next func() string) {
	t.Helper()
	if err := exec.Command(python, "-c", "import oslo_messaging").Run(); err != nil {
		t.Fatal("oslo.messaging is not installed; run: apt-get install python3-oslo.messaging")
	}
	given, err := json.Marshal(args)
	testx.NoErr(t, err)
	// Not the test's context: that one ends before the cleanup below, which
	// ends a server in its own way.
	cmd := exec.Command(python, "testdata/peer.py", url, role, tg.Exchange, tg.Topic, tg.Server, string(given))
	stdin, err := cmd.StdinPipe()
	testx.NoErr(t, err)
	stdout, err := cmd.StdoutPipe()
	testx.NoErr(t, err)
	cmd.Stderr = t.Output()
	testx.NoErr(t, cmd.Start())
	watchdog := time.AfterFunc(2*limit, func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	t.Cleanup(func() {
		stdin.Close()
		for lines.Scan() {
			t.Logf("peer said more: %s", lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("peer %s: %v", role, err)
		}
		watchdog.Stop()
	})
	return func() string {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the peer ended without an answer")
		}
		return lines.Text()
	}
}

type given map[string]any

// TestPythonCallsNubo is oslo.messaging's client at nubo's server.
func TestPythonCallsNubo(t *testing.T) {
	eachBroker(t, func(t *testing.T, url string) {
		tg := target()
		notes := make(chan string, 10)
		note := func(_ context.Context, in struct {
			Text string `json:"text"`
		}) (any, error) {
			notes <- in.Text
			return nil, nil
		}
		serve(t, openURL(t, url), Server{Target: tg, Methods: map[string]Handler{
			"add":  Method(func(ctx context.Context, in struct{ A, B int }) (int, error) { return in.A + in.B, nil }),
			"note": Method(note),
			"who": Method(func(ctx context.Context, _ struct{}) (any, error) {
				c := auth.From(ctx)
				return []any{c.UserID, c.ProjectID, c.Roles, c.RequestID, c.IsAdmin}, nil
			}),
			"missing": Method(func(context.Context, struct{}) (any, error) {
				return nil, fault.NotFoundf("No server 7.").WithType("ServerNotFound")
			}),
			"slow": Method(func(ctx context.Context, _ struct{}) (any, error) {
				return "done", sleep(ctx, 3*time.Second)
			}),
		}})
		tests := []struct {
			name string
			send given
			want string
		}{
			{"call", given{"method": "add", "args": given{"A": 2, "B": 3}}, `{"result": 5}`},
			{"call host", given{"method": "add", "args": given{"A": 2, "B": 3}, "server": tg.Server}, `{"result": 5}`},
			{"context", given{"method": "who", "context": given{"user": "u1", "project_id": "p1", "roles": []string{"r1"},
				"request_id": "req-1", "is_admin": true}}, `{"result": ["u1", "p1", ["r1"], "req-1", true]}`},
			{"fault", given{"method": "missing"}, `{"remote": ["NotFound", "No server 7."]}`},
			{"unknown method", given{"method": "nope"}, `{"remote": ["NoSuchMethod", "Endpoint does not support RPC method nope"]}`},
			{"version", given{"method": "add", "version": "1.4"},
				`{"remote": ["UnsupportedVersion", "Endpoint does not support RPC version 1.4. Attempted method: add"]}`},
			{"wrong argument", given{"method": "add", "args": given{"A": "two"}},
				`{"remote": ["Invalid", "The arguments do not fit the method: json: cannot unmarshal string into Go struct field .A of type int"]}`},
			// Without the server's signs of life this call would time out
			// after 2 seconds.
			{"monitor", given{"method": "slow", "monitor": 2}, `{"result": "done"}`},
			{"cast", given{"method": "note", "cast": true, "args": given{"text": "c"}}, `"sent"`},
			{"fanout", given{"method": "note", "fanout": true, "args": given{"text": "f"}}, `"sent"`},
		}
		requests := make([]given, len(tests))
		for i, tt := range tests {
			requests[i] = tt.send
		}
		next := peer(t, url, "client", tg, given{"requests": requests})
		for _, tt := range tests {
			if got := next(); got != tt.want {
				t.Errorf("%s: got %s; want %s", tt.name, got, tt.want)
			}
		}
		got := map[string]bool{receive(t, notes): true, receive(t, notes): true}
		testx.Equal(t, got, map[string]bool{"c": true, "f": true})
	})
}

// TestNuboCallsPython is nubo's client at oslo.messaging's server.
func TestNuboCallsPython(t *testing.T) {
	eachBroker(t, func(t *testing.T, url string) {
		tg := target()
		next := peer(t, url, "serve", tg, given{})
		testx.Equal(t, next(), `"ready"`)
		b := openURL(t, url)
		any1 := tg
		any1.Server = ""
		c := b.Client(any1)
		ctx := auth.With(t.Context(), &auth.Context{UserID: "u1", ProjectID: "p1", Roles: []string{"r1"},
			RequestID: "req-1", Token: "secret", DomainID: "", UserDomainID: "default"})

		var echo map[string]string
		testx.NoErr(t, c.Call(ctx, "echo", given{"text": "żółw \"\\\n\u2028<&>"}, &echo))
		testx.Equal(t, echo, map[string]string{"text": "żółw \"\\\n\u2028<&>"})
		testx.NoErr(t, c.Call(ctx, "echo", given{"text": "host"}, &echo, To(tg.Server)))

		testx.NoErr(t, c.Call(ctx, "nothing", nil, nil))

		var seen map[string]any
		testx.NoErr(t, c.Call(ctx, "context", nil, &seen))
		want := map[string]any{"user": "u1", "user_id": "u1", "project_id": "p1", "request_id": "req-1",
			"auth_token": "secret", "user_domain": "default", "is_admin": false, "roles": []any{"r1"},
			"user_identity": "u1 p1 - default -"}
		for k, v := range want {
			testx.Equal(t, seen[k], v)
		}

		var remote *RemoteError
		if err := c.Call(ctx, "fail", given{"text": "oops"}, nil); !errors.As(err, &remote) {
			t.Fatalf("got %v; want a remote error", err)
		}
		testx.Equal(t, remote.Class+" "+remote.Module+" "+remote.Message, "ValueError builtins oops")
		if len(remote.Traceback) == 0 {
			t.Error("no traceback")
		}
		if err := c.Call(ctx, "nope", nil, nil); !errors.As(err, &remote) {
			t.Fatalf("got %v; want a remote error", err)
		}
		testx.Equal(t, remote.Class+" "+remote.Module, "NoSuchMethod "+dispatcherModule)

		var slow string
		testx.NoErr(t, c.Call(ctx, "slow", given{"seconds": 3}, &slow, Monitor(2*time.Second)))
		testx.Equal(t, slow, "done")

		testx.NoErr(t, c.Cast(ctx, "note", given{"text": "cast"}))
		testx.Equal(t, next(), `["note", "cast"]`)
		testx.NoErr(t, c.Fanout(ctx, "note", given{"text": "fanout"}))
		testx.Equal(t, next(), `["note", "fanout"]`)
	})
}

func TestPythonHearsNubo(t *testing.T) {
	eachBroker(t, func(t *testing.T, url string) {
		tg := target()
		b := openURL(t, url)
		ctx := auth.With(t.Context(), &auth.Context{UserID: "u1", RequestID: "req-1", Token: "secret"})
		n := Notification{Exchange: tg.Exchange, Topic: tg.Topic, PublisherID: "compute.h1", EventType: "thing.create", Payload: given{"id": 7}}
		testx.NoErr(t, b.Notify(ctx, n)) // nobody listens yet: it waits
		next := peer(t, url, "listen", tg, given{})
		first := []string{next(), next()}
		slices.Sort(first) // it may hear before it says that it does
		testx.Equal(t, first, []string{`"ready"`, `["info", "compute.h1", "thing.create", {"id": 7}, "u1", false]`})
		n.Priority = "ERROR"
		testx.NoErr(t, b.Notify(ctx, n))
		testx.Equal(t, next(), `["error", "compute.h1", "thing.create", {"id": 7}, "u1", false]`)
	})
}

func TestNuboHearsPython(t *testing.T) {
	eachBroker(t, func(t *testing.T, url string) {
		for _, driver := range []string{"messaging", "messagingv2"} {
			t.Run(driver, func(t *testing.T) {
				t.Parallel()
				tg := target()
				got := listen(t, openURL(t, url), ListenTarget{Exchange: tg.Exchange, Topic: tg.Topic})
				peer(t, url, "notify", tg, given{"driver": driver, "payload": given{"id": 7}, "context": given{"user_id": "u1"}})
				n := receive(t, got)
				var payload map[string]int
				testx.NoErr(t, n.Decode(&payload))
				testx.Equal(t, payload, map[string]int{"id": 7})
				testx.Equal(t, []string{n.PublisherID, n.EventType, n.Priority, n.Topic}, []string{"peer.host", "thing.create.end", "INFO", tg.Topic})
				if n.Timestamp.IsZero() || n.MessageID == "" {
					t.Errorf("no time or id: %+v", n)
				}
			})
		}
	})
}

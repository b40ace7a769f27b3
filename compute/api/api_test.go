package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"nubo/compute"
	"nubo/compute/api"
	"nubo/compute/store"
	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/policy"
	"nubo/internal/rpc"
	"nubo/internal/testx"
	"nubo/sdk/network"
	"nubo/sdk/rest"
)

// The projects and what is in them.
const (
	p1, p2  = "11111111111111111111111111111111", "22222222222222222222222222222222"
	netID   = "aaaaaaaa-0000-4000-8000-000000000001"
	imageID = "bbbbbbbb-0000-4000-8000-000000000001"
	volID   = "cccccccc-0000-4000-8000-000000000001"
	secret  = "s3cret"
)

// personas are the callers by token.
type personas struct{}

func (personas) Authenticate(r *http.Request) (*auth.Context, error) {
	token := r.Header.Get("X-Auth-Token")
	c := &auth.Context{Token: token, UserID: "user-" + token, ProjectID: p1}
	switch token {
	case "admin":
		c.Roles = []string{"admin", "manager", "member", "reader"}
	case "member":
		c.Roles = []string{"member", "reader"}
	case "reader":
		c.Roles = []string{"reader"}
	case "foreign":
		c.Roles, c.ProjectID = []string{"member", "reader"}, p2
	case "service":
		c.Roles = []string{"service"}
	default:
		return nil, fault.New(fault.Unauthorized, "no")
	}
	return c, nil
}

// peers stand for the other services: one network, image and volume.
type peers struct{ ports map[string]*network.Port }

func missing() error { return &rest.Error{Status: http.StatusNotFound, Message: "not found"} }

func (p *peers) Networks(_ context.Context, q url.Values) ([]network.Network, error) {
	n := network.Network{ID: netID, Name: "private", ProjectID: p1, Subnets: []string{"s"}}
	if ids := q["id"]; ids != nil && !slices.Contains(ids, netID) {
		return nil, nil
	}
	return []network.Network{n}, nil
}

func (p *peers) Port(_ context.Context, id string) (*network.Port, error) {
	if port := p.ports[id]; port != nil {
		return port, nil
	}
	return nil, missing()
}

func (p *peers) Ports(_ context.Context, q url.Values) ([]network.Port, error) {
	var out []network.Port
	for _, port := range p.ports {
		if port.DeviceID == q.Get("device_id") {
			out = append(out, *port)
		}
	}
	return out, nil
}

func (p *peers) CreatePort(_ context.Context, in network.PortCreate) (*network.Port, error) {
	port := &network.Port{
		ID: clock.NewID(), NetworkID: in.NetworkID, DeviceID: in.DeviceID, MACAddress: "fa:16:3e:00:00:01", Status: "DOWN",
		FixedIPs: []network.FixedIP{{SubnetID: "s", IPAddress: "10.0.0.5"}}, SecurityGroups: []string{"sg-default"},
	}
	p.ports[port.ID] = port
	return port, nil
}

func (p *peers) UpdatePort(_ context.Context, id string, in network.PortUpdate) (*network.Port, error) {
	port := p.ports[id]
	if in.DeviceID != nil {
		port.DeviceID = *in.DeviceID
	}
	if in.SecurityGroups != nil {
		port.SecurityGroups = *in.SecurityGroups
	}
	return port, nil
}

func (p *peers) DeletePort(_ context.Context, id string) error {
	delete(p.ports, id)
	return nil
}

func (p *peers) SecurityGroups(context.Context, url.Values) ([]network.SecurityGroup, error) {
	return []network.SecurityGroup{{ID: "sg-default", Name: "default"}, {ID: "sg-web", Name: "web"}}, nil
}

func (p *peers) Image(_ context.Context, id string) (*compute.Image, error) {
	if id != imageID {
		return nil, missing()
	}
	return &compute.Image{ID: id, Status: "active", MinRAM: 64, MinDisk: 1, Size: 1 << 20}, nil
}

func (p *peers) Volume(_ context.Context, id string) (*compute.Volume, error) {
	if id != volID {
		return nil, missing()
	}
	return &compute.Volume{ID: id, Status: "available", SizeGB: 2, Bootable: true}, nil
}

func (p *peers) Reserve(context.Context, string, string) (string, error) { return "attachment", nil }
func (p *peers) Release(context.Context, string) error                   { return nil }

// fixture is an API on a fresh database.
type fixture struct {
	t     testing.TB
	h     http.Handler
	store *store.Store
	svc   *compute.Service
	peers *peers
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return fixtureOn(t, dbtest.Open(t, store.Migrations, db.WithOutbox()))
}

// each runs a test on every engine.
func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) { test(t, fixtureOn(t, d)) }, db.WithOutbox())
}

func fixtureOn(t testing.TB, d *db.DB) *fixture {
	t.Helper()
	s := store.New(d)
	bus := rpc.Open(rpc.Config{}) // encodes; nothing is sent, for nothing relays
	t.Cleanup(func() { bus.Close(context.Background()) })
	p := &peers{ports: map[string]*network.Port{}}
	cfg := compute.DefaultConfig()
	cfg.Neutron.MetadataProxySharedSecret = secret
	svc, err := compute.New(cfg, compute.Deps{Store: s, Bus: bus, Network: p, Image: p, Volume: p, Log: slog.New(slog.DiscardHandler)})
	testx.NoErr(t, err)
	enforcer, err := policy.NewEnforcer("compute", api.Rules())
	testx.NoErr(t, err)
	h, err := api.New(svc, personas{}, enforcer, slog.New(slog.DiscardHandler)).Handler()
	testx.NoErr(t, err)
	return &fixture{t, h, s, svc, p}
}

// answer is what came back.
type answer = testx.Answer

// do sends a request as a persona at a microversion; body is JSON text.
func (f *fixture) do(token, version, method, path, body string) answer {
	f.t.Helper()
	if version != "" {
		version = "compute " + version
	}
	return testx.Ask(f.t, f.h, method, "http://cloud"+path, strings.NewReader(body), "X-Auth-Token", token, "OpenStack-API-Version", version)
}

// want is do with the expected code.
func (f *fixture) want(code int, token, version, method, path, body string) answer {
	f.t.Helper()
	a := f.do(token, version, method, path, body)
	if a.Status != code {
		f.t.Fatalf("%s %s as %q at %s: got %d, want %d: %s", method, path, token, version, a.Status, code, a.Text)
	}
	return a
}

func (f *fixture) flavor() string {
	f.t.Helper()
	a := f.want(200, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"tiny`+clock.NewID()+`","ram":256,"vcpus":1,"disk":1}}`)
	return a.At("flavor", "id").(string)
}

const latest = "latest"

// create makes a server and gives its id.
func (f *fixture) create(more string) string {
	f.t.Helper()
	a := f.want(202, "member", latest, "POST", "/v2.1/servers", fmt.Sprintf(
		`{"server":{"name":"web","imageRef":"%s","flavorRef":"%s","networks":[{"uuid":"%s"}]%s}}`, imageID, f.flavor(), netID, more))
	return a.At("server", "id").(string)
}

// launch does what conductor and agent do until a server runs.
func (f *fixture) launch(id string) {
	f.t.Helper()
	now := time.Now()
	_, err := f.store.UpdateServer(context.Background(), compute.Update{ServerID: id, Set: compute.ServerFields{
		State: compute.Ptr(compute.Active), TaskState: compute.Ptr(compute.NoTask), PowerState: compute.Ptr(compute.Running),
		Host: compute.Ptr("host1"), Node: compute.Ptr("host1"), AZ: compute.Ptr("nova"), LaunchedAt: &now,
		VIFs: &[]compute.VIF{{PortID: "port-1", NetworkID: netID, NetworkName: "private", MAC: "fa:16:3e:00:00:02",
			FixedIPs: []compute.FixedIP{{IP: "10.0.0.3", Floating: []string{"192.0.2.3"}}}}},
	}})
	testx.NoErr(f.t, err)
}

// casts takes the messages out of the outbox and gives the methods of those
// that are casts, by routing key.
func (f *fixture) casts() []string {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out []string
	// The relay hands over what is there and would then wait for more.
	err := f.store.Relay(ctx, func(_ context.Context, msgs []rpc.Envelope) (int, error) {
		for _, m := range msgs {
			var outer struct {
				Message string `json:"oslo.message"`
			}
			var inner struct{ Method string }
			if err := json.Unmarshal(m.Body, &outer); err != nil {
				return 0, err
			}
			if err := json.Unmarshal([]byte(outer.Message), &inner); err != nil {
				return 0, err
			}
			if inner.Method != "" {
				out = append(out, m.Key+" "+inner.Method)
			}
		}
		cancel()
		return len(msgs), nil
	})
	testx.ErrIs(f.t, err, context.Canceled)
	return out
}

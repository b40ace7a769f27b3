package api_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/internal/rpc"
	"nubo/internal/testx"
	"nubo/volume"
	"nubo/volume/api"
	"nubo/volume/driver/simulated"
	"nubo/volume/manager"
	"nubo/volume/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The projects, a server, and the images there are.
const (
	p1, p2   = "11111111111111111111111111111111", "22222222222222222222222222222222"
	serverID = "dddddddd-0000-4000-8000-000000000001"
	imageID  = "bbbbbbbb-0000-4000-8000-000000000001"
	bigID    = "bbbbbbbb-0000-4000-8000-000000000002" // needs 5 GiB
	queuedID = "bbbbbbbb-0000-4000-8000-000000000003"
	absentID = "00000000-0000-4000-8000-000000000000"
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
		c.Roles, c.ProjectID = []string{"admin", "manager", "member", "reader", "service"}, "service"
	default:
		return nil, fault.New(fault.Unauthorized, "no")
	}
	return c, nil
}

type images struct{}

func (images) Show(_ context.Context, id string) (volume.Image, error) {
	img := volume.Image{ID: id, Name: "mini", Status: "active", DiskFormat: "raw", Size: 4, MinRAMMB: 64}
	switch id {
	case imageID:
	case bigID:
		img.MinDiskGB = 5
	case queuedID:
		img.Status = "queued"
	default:
		return volume.Image{}, fault.Invalidf("Invalid image identifier or unable to access requested image.")
	}
	return img, nil
}

func (images) Download(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("data")), nil
}

// fixture is an API with all that is behind it.
type fixture struct {
	t      testing.TB
	h      http.Handler
	routes []httpx.Route
	store  *store.Store
	svc    *volume.Volumes
}

// each runs a test on a fresh cloud per database engine.
func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) { test(t, newFixture(t, d)) }, db.WithOutbox())
}

func newFixture(t testing.TB, d *db.DB) *fixture {
	t.Helper()
	f := &fixture{t: t, store: store.New(d)}
	log := slog.New(slog.DiscardHandler)
	b := broker.New(broker.Config{Log: log})
	bus := rpc.Open(rpc.Config{Dial: func(context.Context) (net.Conn, error) { return b.Dial() }, Log: log})
	f.svc = volume.New(volume.Config{AvailabilityZone: "nova", DefaultType: "__DEFAULT__", QuotaVolumes: 10, QuotaGigabytes: 100, PerVolumeGB: 50, QuotaSnapshots: 10},
		volume.Deps{Store: f.store, Bus: bus, Images: images{}, Clock: clock.System, Log: log})
	testx.NoErr(t, f.svc.EnsureDefaultType(auth.Admin(t.Context())))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	run := func(fn func(ctx context.Context, ready func()) error) {
		ready := make(chan struct{})
		running.Go(func() {
			if err := fn(ctx, sync.OnceFunc(func() { close(ready) })); err != nil && ctx.Err() == nil {
				t.Errorf("a service ended: %v", err)
				close(ready)
			}
		})
		<-ready
	}
	drv := simulated.New(simulated.Config{File: filepath.Join(t.TempDir(), "volumes.json"), CapacityGB: 1000})
	run(manager.New("host1", manager.Deps{Volumes: f.svc, Store: f.store, Images: images{}, Driver: drv, Bus: bus, Log: log}).Run)
	run((&manager.Scheduler{Host: "host1", Volumes: f.svc, Store: f.store, Bus: bus, Log: log}).Run)
	run(f.svc.Relay)
	t.Cleanup(func() {
		cancel()
		running.Wait()
		bus.Close(context.Background())
		testx.NoErr(t, b.Shutdown(context.Background()))
	})
	enforcer, err := policy.NewEnforcer("volume", api.Rules())
	testx.NoErr(t, err)
	a := api.New(f.svc, personas{}, enforcer, log)
	f.routes = a.Routes
	f.h, err = a.Handler()
	testx.NoErr(t, err)
	return f
}

// answer is what came back.
type answer = testx.Answer

// do sends a request as a persona at a microversion; body is JSON text.
func (f *fixture) do(token, version, method, path, body string) answer {
	f.t.Helper()
	if version != "" {
		version = "volume " + version
	}
	return testx.Ask(f.t, f.h, method, "http://cloud"+path, strings.NewReader(body), "X-Auth-Token", token, "OpenStack-API-Version", version)
}

// want is do with the expected code.
func (f *fixture) want(code int, token, version, method, path, body string) answer {
	f.t.Helper()
	a := f.do(token, version, method, path, body)
	if a.Status != code {
		f.t.Fatalf("%s %s %s as %q at %s: got %d, want %d: %s", method, path, body, token, version, a.Status, code, a.Text)
	}
	return a
}

// refused is want with the message of the envelope.
func (f *fixture) refused(code int, message, token, version, method, path, body string) {
	f.t.Helper()
	a := f.want(code, token, version, method, path, body)
	names := map[int]string{400: "badRequest", 403: "forbidden", 404: "itemNotFound", 409: "conflictingRequest", 413: "overLimit"}
	testx.Equal(f.t, a.At(names[code], "message"), any(message))
	testx.Equal(f.t, a.At(names[code], "code"), any(float64(code)))
}

const latest = "latest"

// create makes a volume and waits until it is available.
func (f *fixture) create(token, fields string) string {
	f.t.Helper()
	id := f.want(202, token, "", "POST", "/v3/volumes", `{"volume":{"size":1`+fields+`}}`).At("volume", "id").(string)
	f.await(id, "available")
	return id
}

// await waits for a volume's status; "" is gone.
func (f *fixture) await(id, status string) answer {
	f.t.Helper()
	var a answer
	testx.Eventually(f.t, "volume "+id+" is "+status, func() bool {
		a = f.do("service", latest, "GET", "/v3/volumes/"+id, "")
		return a.Status == 404 && status == "" || a.At("volume", "status") == any(status)
	})
	return a
}

// attach makes an attachment of a volume that a server has.
func (f *fixture) attach(volumeID string) string {
	f.t.Helper()
	a := f.want(200, "member", "3.44", "POST", "/v3/attachments", `{"attachment":{"volume_uuid":"`+volumeID+`","instance_uuid":"`+serverID+`"}}`)
	id := a.At("attachment", "id").(string)
	f.want(200, "service", "3.44", "PUT", "/v3/attachments/"+id, `{"attachment":{"connector":{"host":"host1","mountpoint":"/dev/vdb"}}}`)
	f.want(204, "service", "3.44", "POST", "/v3/attachments/"+id+"/action", `{"os-complete":{}}`)
	return id
}

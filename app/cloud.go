package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"nubo/broker"
	computestore "nubo/compute/store"
	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/httpx"
	"nubo/internal/obs"
	"nubo/internal/policy"
	"nubo/internal/rpc"
	"nubo/internal/service"
	"nubo/internal/trace"
	"nubo/sdk/identity"
	"nubo/sdk/rest"
	volumestore "nubo/volume/store"
)

// cloud is what the modules of one process share.
type cloud struct {
	set     *settings
	sec     *secrets
	log     *slog.Logger
	metrics *obs.Registry
	trace   *trace.Recorder
	manager *service.Manager

	local  *httpx.Local
	http   *http.Client
	bus    *rpc.Bus
	broker atomic.Pointer[broker.Broker] // the embedded one, while it runs

	// management serves the embedded broker's management API to the dashboard.
	management httpx.Local

	// The stores of components that are several modules.
	computeState shared[*computestore.Store]
	volumeState  shared[*volumestore.Store]

	// apis are those that this process serves, by service.
	apis sync.Map
	// newAdminPassword: the administrator is to be given the password.
	newAdminPassword bool
	// embedded: the broker is a module of this process.
	embedded bool
	// hashesApart: passwords are hashed in processes apart, which are this
	// program's own; the program of a test cannot be one.
	hashesApart bool
}

// gcPercent lets the heap grow to three times what is live before it is
// collected: the heap is a small part of the process, collecting it was a
// tenth of the work.
const gcPercent = 200

// newCloud prepares a process that will run modules.
func newCloud(set *settings, sec *secrets, log *slog.Logger, embedded bool) *cloud {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	c := &cloud{set: set, sec: sec, log: log, metrics: obs.NewRegistry(), trace: trace.New(set.def.Host), embedded: embedded}
	c.manager = service.New(obs.Module(log, "nubo.service"))
	c.local = &httpx.Local{Next: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
	}}
	c.http = httpx.Client(c.local)
	c.bus = rpc.Open(c.busConfig())
	return c
}

// busConfig chooses the broker: the configured one, the embedded one of this
// process over memory, or that of the controller over TCP.
func (c *cloud) busConfig() rpc.Config {
	m := c.set.messaging
	cfg := rpc.Config{
		URLs: []string{m.URL}, Name: fmt.Sprintf("nubo:%d", os.Getpid()), CallTimeout: m.CallTimeout,
		AMQPDurableQueues: m.AMQPDurableQueues, Log: obs.Module(c.log, "nubo.rpc"),
	}
	if m.URL == "" {
		cfg.URLs = []string{fmt.Sprintf("rabbit://%s:%s@%s/", messagingUser, c.sec.Messaging, c.set.endpoint(portAMQP))}
		if c.embedded {
			cfg.Dial = c.dialBroker
		}
	}
	return cfg
}

func (c *cloud) dialBroker(context.Context) (net.Conn, error) {
	if b := c.broker.Load(); b != nil {
		return b.Dial()
	}
	return nil, errors.New("the embedded broker does not run at the moment")
}

// module names a logger as OpenStack names its modules.
func (c *cloud) module(name string) *slog.Logger { return obs.Module(c.log, "nubo."+name) }

// database gives the URL of a component's database.
func (c *cloud) database(component string) (string, error) {
	base := c.set.database.URL
	if base == "" {
		if err := os.MkdirAll(c.set.path("db"), 0o700); err != nil {
			return "", err
		}
		base = "sqlite://" + filepath.ToSlash(c.set.path("db"))
	}
	return db.URL(base, component)
}

// enforcer makes a service's policy, with the overrides of its file.
func (c *cloud) enforcer(service string, rules []policy.Rule) (*policy.Enforcer, error) {
	return newEnforcer(c.set, service, rules)
}

func newEnforcer(set *settings, service string, rules []policy.Rule) (*policy.Enforcer, error) {
	e, err := policy.NewEnforcer(service, rules)
	if err != nil {
		return nil, err
	}
	dir := set.policy.Dir
	if dir == "" {
		dir = set.path("policy.d")
	}
	file := filepath.Join(dir, service+".yaml")
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return nil, err
	}
	return e, e.LoadYAML(data, file)
}

// tokens signs in as one of the components' own users.
func (c *cloud) tokens(user string) rest.TokenSource {
	return &identity.PasswordTokens{
		AuthURL: c.set.url(portIdentity, "/v3"), Username: user, Password: c.sec.ServiceUsers[user],
		Domain: "Default", Project: "service", HTTP: c.http,
	}
}

// client speaks to a service as one of the components' own users.
func (c *cloud) client(port int, path, user, version string) *rest.Client {
	return &rest.Client{Endpoint: c.set.url(port, path), Tokens: c.tokens(user), Version: version, HTTP: c.http}
}

// validator is the token middleware of a component.
func (c *cloud) validator(user string) *auth.Validator {
	v := &auth.Validator{Identity: identity.Client{Client: c.client(portIdentity, "/v3", user, "")}, Clock: clock.System}
	if !c.local.Serves(c.set.endpoint(portIdentity)) {
		v.Recheck = time.Second
	}
	return v
}

// httpService serves a component's API on its port, and in memory to the
// other components of this process.
type httpService struct {
	c    *cloud
	port int
	h    http.Handler
}

// Run implements service.Service.
func (s httpService) Run(ctx context.Context, ready func()) error {
	l, err := net.Listen("tcp", s.c.set.address(s.port))
	if err != nil {
		return fmt.Errorf("%w (is another cloud running? --port-offset moves all ports)", err)
	}
	server := &http.Server{
		Handler: s.h, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.c.module("http").Handler(), slog.LevelDebug),
	}
	s.c.local.Register(s.c.set.endpoint(s.port), s.h)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	ready()
	select {
	case err := <-failed:
		s.c.local.Register(s.c.set.endpoint(s.port), nil)
		return err
	case <-ctx.Done():
	}
	s.c.local.Register(s.c.set.endpoint(s.port), nil)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		server.Close() //nolint:errcheck // it did not end in time: it ends now
	}
	<-failed
	return nil
}

// api makes a module that serves an API.
func (c *cloud) api(port int, a *httpx.API) (service.Service, error) {
	a.AuthURI = c.set.url(portIdentity, "")
	a.Trace, a.Module = c.trace, a.Service
	switch a.Service {
	case "compute", "network", "volume": // of several modules this is the API
		a.Module += "-api"
	}
	c.apis.Store(a.Service, a)
	h, err := a.Handler()
	if err != nil {
		return nil, err
	}
	return httpService{c, port, h}, nil
}

// closing runs close after the service has ended.
func closing(s service.Service, closers ...func() error) service.Service {
	return service.Func(func(ctx context.Context, ready func()) error {
		err := s.Run(ctx, ready)
		for _, c := range closers {
			err = errors.Join(err, c())
		}
		return err
	})
}

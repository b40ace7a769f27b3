package dashboard

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"

	"github.com/go-chi/chi/v5"

	"nubo/internal/clock"
	"nubo/internal/trace"
	"nubo/sdk/rest"
)

// Endpoint is where a component's API is.
type Endpoint struct {
	// Endpoint is the API's base address: "http://127.0.0.1:8774/v2.1".
	Endpoint string
	// Version is the microversion the front end speaks: "compute 2.96".
	Version string
	// Rule, if there is one, says who may use the API: it knows no tokens, and
	// is asked in the cloud's own name.
	Rule string
	// HTTP reaches an API with a rule, with what it wants to see of the cloud.
	HTTP *http.Client
	// Silent is what is said of an API with a rule when it does not answer.
	Silent string
}

// Config is what the dashboard is made of.
type Config struct {
	// Services are the components by the names the front end uses: identity,
	// image, compute, placement, network, volume, messaging.
	Services map[string]Endpoint
	// Choices are where people may sign in besides here.
	Choices []Choice
	// HTTP reaches them.
	HTTP *http.Client
	// Key seals the sessions: 32 bytes.
	Key []byte
	// Policies gives the components' policies.
	Policies func() []Explainer
	// Traces holds what requests did and what went over the bus.
	Traces *trace.Recorder
	// UI holds the front end's files; nil, or one without index.html, shows a
	// small page instead.
	UI    fs.FS
	Clock clock.Clock
	Log   *slog.Logger
}

// Service is the dashboard.
type Service struct {
	services map[string]Endpoint
	choices  []Choice
	http     *http.Client
	sealer   *sealer
	policies func() []Explainer
	traces   *trace.Recorder
	ui       fs.FS
	clock    clock.Clock
	log      *slog.Logger
	hub      *hub
	callers  callers
	done     chan struct{} // closed when the streams are to end
	close    sync.Once
}

// New makes a dashboard.
func New(cfg Config) (*Service, error) {
	if _, ok := cfg.Services["identity"]; !ok {
		return nil, errors.New("the dashboard needs to know where identity is")
	}
	sealer, err := newSealer(cfg.Key)
	if err != nil {
		return nil, err
	}
	s := &Service{
		services: cfg.Services, choices: cfg.Choices, http: cfg.HTTP, sealer: sealer, policies: cfg.Policies, traces: cfg.Traces, ui: cfg.UI, clock: cfg.Clock, log: cfg.Log,
		hub: newHub(), done: make(chan struct{}),
	}
	s.callers.by = map[[32]byte]knownCaller{}
	return s, nil
}

// Close ends the event streams, so that the server can stop.
func (s *Service) Close() { s.close.Do(func() { close(s.done) }) }

// client speaks to a component with a token.
func (s *Service) client(service, token string) *rest.Client {
	e := s.services[service]
	if e.Rule != "" {
		return &rest.Client{Endpoint: e.Endpoint, HTTP: &http.Client{Transport: ownName{e}}}
	}
	return &rest.Client{Endpoint: e.Endpoint, Version: e.Version, Tokens: rest.StaticToken(token), HTTP: s.http}
}

// Handler serves everything.
func (s *Service) Handler() http.Handler {
	r := chi.NewRouter()
	r.Use(headers)
	r.Post(SSOPath, s.endSSO) // from identity's page
	r.Route("/dashboard", func(r chi.Router) {
		r.Use(s.sameOrigin)
		r.Post("/session", s.handle(s.signIn))
		r.Get("/websso/choices", s.handle(s.ssoChoices))
		r.Get("/websso/begin/{provider}/{protocol}", s.handle(s.beginSSO))
		r.NotFound(s.handle(func(http.ResponseWriter, *http.Request) error {
			return refuse(http.StatusNotFound, "There is no such address.")
		}))
		r.Group(func(r chi.Router) {
			r.Use(s.signedIn)
			r.Get("/session", s.handle(s.showSession))
			r.Delete("/session", s.handle(s.signOut))
			r.Put("/session/scope", s.handle(s.chooseScope))
			r.Get("/can", s.handle(s.can))
			r.Get("/events", s.handle(s.events))
			r.Get("/pages/{page}", s.handle(s.page))
			r.Get("/search", s.handle(s.search))
			r.Get("/console/{server}/{kind}", s.handle(s.console))
			r.Get("/traces", s.handle(s.listTraces))
			r.Get("/traces/{request}", s.handle(s.showTrace))
			r.Get("/rpc-map", s.handle(s.rpcMap))
			r.HandleFunc("/api/{service}/*", s.handle(s.relay))
		})
	})
	r.Get("/*", s.files)
	r.Head("/*", s.files)
	return r
}

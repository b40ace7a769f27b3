package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/config"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/quota"
	"nubo/internal/rpc"
	"nubo/sdk/compute"
)

// Config is the component's configuration.
type Config struct {
	ML2    ML2Config   // section [ml2]
	Quotas QuotaConfig // section [quotas]
}

// ML2Config says which networks can be made.
type ML2Config struct {
	VNIRanges     string        `default:"1:65535" help:"VXLAN network identifiers of projects' networks, first:last"`
	FlatNetworks  []string      `default:"extnet" help:"physical networks on which a flat network may be made"`
	PathMTU       int           `default:"1500" help:"MTU of the hosts' own network; VXLAN networks have 50 less"`
	AgentDownTime time.Duration `default:"75s" help:"an agent that was not heard of for so long is dead"`
	Notify        bool          `default:"true" help:"send notifications (exchange neutron, topic notifications)"`
}

// QuotaConfig has the limits of projects without limits of their own.
type QuotaConfig struct {
	QuotaNetwork           int64 `default:"100" help:"networks a project may have; -1: any number"`
	QuotaSubnet            int64 `default:"100" help:"subnets a project may have"`
	QuotaPort              int64 `default:"500" help:"ports a project may have"`
	QuotaRouter            int64 `default:"10" help:"routers a project may have"`
	QuotaFloatingIP        int64 `toml:"quota_floatingip" default:"50" help:"floating IPs a project may have"`
	QuotaSecurityGroup     int64 `default:"10" help:"security groups a project may have"`
	QuotaSecurityGroupRule int64 `default:"100" help:"security group rules a project may have"`
}

// Sections are the configuration's sections, to be loaded.
func (c *Config) Sections() []config.Section {
	return []config.Section{{Name: "ml2", Ptr: &c.ML2}, {Name: "quotas", Ptr: &c.Quotas}}
}

// Nova is what compute is told through: sdk/compute's client.
type Nova interface {
	ExternalEvents(ctx context.Context, events []Event) ([]compute.EventResult, error)
}

// Deps are what the service needs of others.
type Deps struct {
	Store Store
	Bus   *rpc.Bus
	Nova  Nova // nil where there is no compute
	Clock clock.Clock
	Log   *slog.Logger
}

// Service is the plugin: it decides what there is.
type Service struct {
	cfg    Config
	store  Store
	bus    *rpc.Bus
	nova   Nova
	clock  clock.Clock
	log    *slog.Logger
	quotas *quota.Engine

	vniLow, vniHigh int
	windows         sync.Map // subnet id → how many addresses to draw of, see freeAddress
	views           viewCache
	eventWake       chan struct{} // holds a token when a commit here added events
}

// New makes the service.
func New(cfg Config, deps Deps) (*Service, error) {
	s := &Service{cfg: cfg, store: deps.Store, bus: deps.Bus, nova: deps.Nova, clock: deps.Clock, log: deps.Log, eventWake: make(chan struct{}, 1)}
	if s.clock == nil {
		s.clock = clock.System
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	low, high, _ := strings.Cut(cfg.ML2.VNIRanges, ":")
	var err1, err2 error
	s.vniLow, err1 = strconv.Atoi(low)
	s.vniHigh, err2 = strconv.Atoi(high)
	if err1 != nil || err2 != nil || s.vniLow < 1 || s.vniHigh < s.vniLow || s.vniHigh > 1<<24-1 {
		return nil, fmt.Errorf("vni_ranges %q: want FIRST:LAST between 1 and 16777215", cfg.ML2.VNIRanges)
	}
	q := cfg.Quotas
	s.quotas = &quota.Engine{
		Defaults: map[string]int64{
			"network": q.QuotaNetwork, "subnet": q.QuotaSubnet, "port": q.QuotaPort, "router": q.QuotaRouter,
			"floatingip": q.QuotaFloatingIP, "security_group": q.QuotaSecurityGroup, "security_group_rule": q.QuotaSecurityGroupRule,
		},
		Store: s.store.Quotas(), Usage: s.store.Count,
	}
	return s, nil
}

// maxAttempts bounds how often a transaction looks for another free address.
const maxAttempts = 10

// change gathers what a transaction has to tell.
type change struct {
	dirty  Dirty
	notes  []note
	events []Event
}

// commit runs fn in a transaction and stores what it tells in the same one.
// It tries again when somebody else took what fn had chosen.
func (s *Service) commit(ctx context.Context, fn func(ctx context.Context, c *change) error) error {
	for attempt := 1; ; attempt++ {
		err := s.store.InTx(ctx, func(ctx context.Context) error {
			c := &change{}
			if err := fn(ctx, c); err != nil {
				return err
			}
			return s.tell(ctx, c)
		})
		if !errors.Is(err, ErrTaken) {
			return err
		}
		if attempt == maxAttempts {
			return fault.Conflictf("The resource is being changed by others; please retry.").WithType("RetryRequest").WithCause(err)
		}
	}
}

// tell stores a change's messages.
func (s *Service) tell(ctx context.Context, c *change) error {
	msgs, err := s.messages(ctx, c)
	if err != nil {
		return err
	}
	if len(msgs) > 0 {
		if err := s.store.Send(ctx, msgs...); err != nil {
			return err
		}
	}
	if len(c.events) == 0 || s.nova == nil {
		return nil
	}
	if err := s.store.AddEvents(ctx, c.events); err != nil {
		return err
	}
	s.store.AfterCommit(ctx, s.wakeEvents)
	return nil
}

// now is the time as the database keeps it.
func (s *Service) now() time.Time { return db.Micro(s.clock.Now()) }

// begin fills the standard attributes of a new resource. An empty project is
// the caller's.
func (s *Service) begin(ctx context.Context, r Resource) {
	b := r.Std()
	b.ID = clock.NewID()
	if b.ProjectID == "" {
		b.ProjectID = auth.From(ctx).ProjectID
	}
	b.CreatedAt = s.now()
	b.UpdatedAt = b.CreatedAt
}

// touch raises a resource's revision, before Table.Update.
func (s *Service) touch(r Resource) {
	b := r.Std()
	b.RevisionNumber++
	b.UpdatedAt = s.now()
}

// charge refuses one more of a resource than the project's quota allows.
func (s *Service) charge(ctx context.Context, project, resource string) error {
	err := s.quotas.Check(ctx, project, map[string]int64{resource: 1})
	if fault.Is(err, fault.OverQuota) {
		return fault.New(fault.OverQuota, "Quota exceeded for resources: ['%s'].", resource).WithType("OverQuota").WithCause(err)
	}
	return err
}

// owns reports whether the caller may see what belongs to the project.
func owns(ctx context.Context, project string) bool {
	c := auth.From(ctx)
	return c.IsAdmin || c.ProjectID != "" && c.ProjectID == project
}

// get gives a row that the caller owns, or what the table says of one that
// is not there.
func get[T any](ctx context.Context, t Table[T], id string, absent func(string) error) (*T, error) {
	row, err := t.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !owns(ctx, any(row).(Resource).Std().ProjectID) {
		return nil, absent(id)
	}
	return row, nil
}

// set assigns what an update holds, if anything.
func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

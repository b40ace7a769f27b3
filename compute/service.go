package compute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/quota"
	"nubo/internal/rpc"
)

// Deps are what the service is joined to.
type Deps struct {
	Store   Store
	Bus     *rpc.Bus
	Network Networks
	Image   Images
	Volume  Volumes
	Clock   clock.Clock
	Log     *slog.Logger
}

// Service is the component's logic. It is safe for concurrent use: its state
// is the store's.
type Service struct {
	cfg       Config
	store     Store
	network   Networks
	image     Images
	volume    Volumes
	clock     clock.Clock
	log       *slog.Logger
	conductor ConductorClient
	agent     AgentClient
	quotas    *quota.Engine
}

// New makes the service.
func New(cfg Config, deps Deps) (*Service, error) {
	if deps.Store == nil || deps.Bus == nil {
		return nil, errors.New("compute: a store and a bus are needed")
	}
	s := &Service{
		cfg: cfg, store: deps.Store, network: deps.Network, image: deps.Image, volume: deps.Volume, clock: deps.Clock, log: deps.Log,
		conductor: NewConductorClient(deps.Bus), agent: NewAgentClient(deps.Bus),
	}
	if s.clock == nil {
		s.clock = clock.System
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.quotas = &quota.Engine{Defaults: cfg.Quota.limits(), Store: deps.Store.Quotas(), Classes: deps.Store.QuotaClasses(), Usage: s.usage}
	return s, nil
}

// Config gives the service's configuration.
func (s *Service) Config() Config { return s.cfg }

// usage counts what a project has of a resource.
func (s *Service) usage(ctx context.Context, project, resource string) (int64, error) {
	switch resource {
	case "server_groups":
		return s.store.CountServerGroups(ctx, project)
	case "instances", "cores", "ram":
		used, err := s.store.Used(ctx, project)
		return used[resource], err
	}
	return 0, nil
}

// checkServers checks the quota of n new servers. It counts once for all
// three resources.
func (s *Service) checkServers(ctx context.Context, project string, n int, f FlavorSnapshot) error {
	engine := *s.quotas
	var used map[string]int64
	engine.Usage = func(ctx context.Context, project, resource string) (int64, error) {
		if used == nil {
			var err error
			if used, err = s.store.Used(ctx, project); err != nil {
				return 0, err
			}
		}
		return used[resource], nil
	}
	err := engine.Check(ctx, project, map[string]int64{
		"instances": int64(n), "cores": int64(n * f.VCPUs), "ram": int64(n * f.MemoryMB),
	})
	return quotaFault(err)
}

// quotaFault words an excess as Nova does.
func quotaFault(err error) error {
	var over *quota.Error
	if !errors.As(err, &over) {
		return err
	}
	var names, requested, used, allowed []string
	for _, x := range over.Exceeded {
		names = append(names, x.Resource)
		requested = append(requested, fmt.Sprint(x.Requested))
		used = append(used, fmt.Sprint(x.Used))
		allowed = append(allowed, fmt.Sprint(x.Limit))
	}
	list := func(s []string) string { return strings.Join(s, ", ") }
	return fault.New(fault.OverQuota, "Quota exceeded for %s: Requested %s, but already used %s of %s %s",
		list(names), list(requested), list(used), list(allowed), list(names)).WithType("TooManyInstances").WithCause(over)
}

// Server gives a server of the caller's project, or any to an admin. Others'
// are not found.
func (s *Service) Server(ctx context.Context, id string) (*Server, error) {
	server, err := s.store.Server(ctx, id)
	if err != nil {
		return nil, err
	}
	if c := auth.From(ctx); !c.IsAdmin && server.ProjectID != c.ProjectID {
		return nil, fault.NotFoundf("Instance %s could not be found.", id).WithType("InstanceNotFound")
	}
	return server, nil
}

// Servers lists.
func (s *Service) Servers(ctx context.Context, q ServerQuery) ([]*Server, error) {
	return s.store.Servers(ctx, q)
}

// action is the record of what the caller has done to a server.
func (s *Service) action(ctx context.Context, server *Server, name string) *Action {
	c := auth.From(ctx)
	return &Action{
		ServerID: server.ID, Action: name, RequestID: c.RequestID, UserID: c.UserID, ProjectID: c.ProjectID, Start: s.clock.Now(),
	}
}

// rule says in which states an operation is allowed.
type rule struct {
	action string // as the API's users know it
	vm     []VMState
	tasks  []TaskState
	// unlaunched allows it on a server that never ran.
	unlaunched bool
	// locked allows it on a locked server.
	locked bool
}

// check says in Nova's words why an operation is not allowed now.
func (r rule) check(ctx context.Context, s *Server) error {
	if s.Locked && !r.locked && !auth.From(ctx).IsAdmin {
		return fault.Conflictf("Instance %s is locked", s.ID).WithType("InstanceIsLocked")
	}
	refuse := func(attribute, state string) error {
		return fault.Conflictf("Cannot '%s' instance %s while it is in %s %s", r.action, s.ID, attribute, state).WithType("InstanceInvalidState")
	}
	if r.vm != nil && !slices.Contains(r.vm, s.State) {
		return refuse("vm_state", string(s.State))
	}
	if r.tasks != nil && !slices.Contains(r.tasks, s.TaskState) {
		return refuse("task_state", string(s.TaskState))
	}
	if !r.unlaunched && s.LaunchedAt == nil {
		return fault.Conflictf("Cannot '%s' instance %s while it has never been launched", r.action, s.ID).WithType("InstanceInvalidState")
	}
	return nil
}

// change is one operation on a server: its states before, the fields it
// sets, and the cast that has the agent do the rest.
type change struct {
	rule   rule
	record string // the action's name in the server's history
	set    ServerFields
	update func(ctx context.Context, u *Update) error      // further parts of the update
	also   func(ctx context.Context, server *Server) error // in the same transaction
	method string                                          // "" for no cast
	args   func(server *Server) any
}

// apply checks the rule, and in one transaction changes the server, records
// the action and stores the cast. It gives the server as it is then, with its
// block devices.
func (s *Service) apply(ctx context.Context, server *Server, c change) (*Server, error) {
	if err := c.rule.check(ctx, server); err != nil {
		return nil, err
	}
	var after *Server
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		u := Update{ServerID: server.ID, ExpectVM: c.rule.vm, ExpectTask: c.rule.tasks, Set: c.set}
		if c.update != nil {
			if err := c.update(ctx, &u); err != nil {
				return err
			}
		}
		var err error
		if after, err = s.store.UpdateServer(ctx, u); err != nil {
			return err
		}
		if c.also != nil {
			if err := c.also(ctx, after); err != nil {
				return err
			}
		}
		if after.BlockDevices, err = s.store.BlockDevices(ctx, server.ID); err != nil {
			return err
		}
		if c.record != "" {
			if err := s.store.StartAction(ctx, s.action(ctx, server, c.record)); err != nil {
				return err
			}
		}
		var msgs []rpc.Envelope
		if c.method != "" {
			cast, err := s.agent.Cast(ctx, after.Host, c.method, c.args(after))
			if err != nil {
				return err
			}
			msgs = append(msgs, cast)
		}
		note, err := Notification(ctx, EventUpdate, after)
		if err != nil {
			return err
		}
		return s.store.Send(ctx, append(msgs, note)...)
	})
	if fault.Is(err, fault.Conflict) { // somebody was faster: say what it is now
		if now, lookErr := s.store.Server(ctx, server.ID); lookErr == nil {
			if said := c.rule.check(ctx, now); said != nil {
				return nil, said
			}
		}
	}
	return after, err
}

// sortedKeys gives a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package identity

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"nubo/identity/fernet"
	"nubo/internal/clock"
	"nubo/internal/rpc"
)

// Config is section [identity] of the configuration.
type Config struct {
	TokenExpiration      time.Duration `default:"1h" help:"How long a token is valid."`
	AllowExpiredWindow   time.Duration `default:"48h" help:"How long a service may still validate a token that expired during a long operation."`
	KeyRepository        string        `default:"" help:"Folder of the Fernet keys; empty for one under the data directory."`
	CredentialKeys       string        `default:"" help:"Folder of the keys that seal users' credentials; empty for one under the data directory."`
	MaxActiveKeys        int           `default:"3" help:"How many Fernet keys are kept, the staged one included."`
	BcryptRounds         int           `default:"10" help:"Cost of password hashes, 4 to 31; each step doubles the time."`
	ConcurrentHash       int           `default:"1" help:"How many passwords are hashed at a time, so that a storm of logins leaves the processors to others."`
	EpochInterval        time.Duration `default:"1s" help:"How long changes made by another process may go unnoticed."`
	MaxProjectTreeDepth  int           `default:"5" help:"How deep projects may be nested below a domain."`
	MaxRedelegationCount int           `default:"3" help:"How often a trust may be delegated further."`
}

// Deps are what identity stands on.
type Deps struct {
	Store Store
	Keys  *fernet.Repository
	// CredentialKeys seal users' credentials.
	CredentialKeys *fernet.Repository
	Security       SecurityConfig
	Federation     FederationConfig
	// OpenDirectory opens the directories of domains that have one; nil where
	// there are none.
	OpenDirectory OpenDirectory
	// Bcrypt hashes passwords; nil to hash them in this process.
	Bcrypt Bcrypt
	// Bus takes the notifications; nil for none.
	Bus   *rpc.Bus
	Clock clock.Clock
	Log   *slog.Logger
}

// Identity is the service.
type Identity struct {
	cfg           Config
	store         Store
	keys          *fernet.Repository
	credKeys      *fernet.Repository
	openDirectory OpenDirectory
	bus           *rpc.Bus
	clock         clock.Clock
	log           *slog.Logger
	rules         rules
	federation    FederationConfig
	hasher        *hasher
	tokens        *tokenCache
	dirs          directories
}

// New makes the service.
func New(cfg Config, d Deps) (*Identity, error) {
	r, err := newRules(d.Security)
	if err != nil {
		return nil, err
	}
	st := d.Store
	if d.Bus != nil {
		st = notifying{st}
	}
	return &Identity{
		cfg: cfg, store: st, keys: d.Keys, credKeys: d.CredentialKeys, openDirectory: d.OpenDirectory, bus: d.Bus, clock: d.Clock, log: d.Log,
		rules: r, federation: d.Federation, hasher: newHasher(cfg, d.Bcrypt, d.Log), tokens: newTokenCache(),
	}, nil
}

// Run publishes notifications and removes what is not needed any more, until
// ctx ends.
func (s *Identity) Run(ctx context.Context, ready func()) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.bus != nil {
		g.Go(func() error { return s.relay(ctx) })
	}
	g.Go(func() error { return s.purge(ctx) })
	ready()
	return g.Wait()
}

// Store gives the tables for reading; changes go through the service.
func (s *Identity) Store() Store { return s.store }

// RotateKeys makes the staged Fernet key the one that seals.
func (s *Identity) RotateKeys() error { return s.keys.Rotate() }

// change runs fn in a transaction after which nothing remembered of tokens
// counts any more.
func (s *Identity) change(ctx context.Context, fn func(ctx context.Context) error) error {
	defer s.tokens.forgetAll()
	return s.store.InTx(ctx, fn)
}

package identity

import (
	"context"
	"log/slog"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// Bcrypt makes and checks hashes where that disturbs no requests.
type Bcrypt interface {
	Hash(password []byte, cost int) ([]byte, error)
	Match(hash, password []byte) (bool, error)
}

// hasher makes and checks bcrypt hashes, few at a time: a hash costs tens of
// milliseconds of a processor, and a storm of logins must not take them all.
type hasher struct {
	rounds int
	slots  chan struct{}
	away   Bcrypt // nil to hash in this process
	log    *slog.Logger

	once  sync.Once // guards making dummy
	dummy []byte
}

// maxPassword is what bcrypt looks at; Keystone cuts longer ones, too.
const maxPassword = 72

func newHasher(cfg Config, away Bcrypt, log *slog.Logger) *hasher {
	return &hasher{rounds: max(cfg.BcryptRounds, bcrypt.MinCost), slots: make(chan struct{}, max(cfg.ConcurrentHash, 1)), away: away, log: log}
}

func (h *hasher) acquire(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func cut(password string) []byte {
	return []byte(password)[:min(len(password), maxPassword)]
}

// hash makes the stored form of a password. One that nubo made itself is
// random and long, and needs no slow hash.
func (h *hasher) hash(ctx context.Context, password string, random bool) (string, error) {
	rounds := h.rounds
	if random {
		rounds = bcrypt.MinCost
	}
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	b, err := h.generate(ctx, password, rounds)
	return string(b), err
}

func (h *hasher) generate(ctx context.Context, password string, rounds int) ([]byte, error) {
	if h.away != nil && rounds > bcrypt.MinCost {
		b, err := h.away.Hash(cut(password), rounds)
		if err == nil {
			return b, nil
		}
		h.warn(ctx, err)
	}
	return bcrypt.GenerateFromPassword(cut(password), rounds)
}

func (h *hasher) match(ctx context.Context, hash []byte, password string) bool {
	if cost, err := bcrypt.Cost(hash); err == nil && cost > bcrypt.MinCost && h.away != nil {
		ok, err := h.away.Match(hash, cut(password))
		if err == nil {
			return ok
		}
		h.warn(ctx, err)
	}
	return bcrypt.CompareHashAndPassword(hash, cut(password)) == nil
}

func (h *hasher) warn(ctx context.Context, err error) {
	h.log.WarnContext(ctx, "hashing a password among the requests", "error", err)
}

// check compares a password with its stored form. An empty form, of a user
// who does not exist or has no password, takes as long and never matches.
func (h *hasher) check(ctx context.Context, hash, password string) (bool, error) {
	if err := h.acquire(ctx); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	if hash == "" {
		h.burn(ctx, password)
		return false, nil
	}
	if h.match(ctx, []byte(hash), password) {
		return true, nil
	}
	if cost, err := bcrypt.Cost([]byte(hash)); err == nil && cost < h.rounds {
		h.burn(ctx, password) // a cheap hash must not tell whose it is
	}
	return false, nil
}

// burn takes as long as checking a password does.
func (h *hasher) burn(ctx context.Context, password string) {
	h.once.Do(func() { h.dummy, _ = h.generate(ctx, "nobody", h.rounds) }) //nolint:errcheck // these rounds hash
	h.match(ctx, h.dummy, password)
}

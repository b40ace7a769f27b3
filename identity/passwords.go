package identity

import (
	"context"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// hasher makes and checks bcrypt hashes, few at a time: a hash costs tens of
// milliseconds of a processor, and a storm of logins must not take them all.
type hasher struct {
	rounds int
	slots  chan struct{}

	once  sync.Once // guards making dummy
	dummy []byte
}

// maxPassword is what bcrypt looks at; Keystone cuts longer ones, too.
const maxPassword = 72

func newHasher(rounds, concurrent int) *hasher {
	return &hasher{rounds: max(rounds, bcrypt.MinCost), slots: make(chan struct{}, max(concurrent, 1))}
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
	b, err := bcrypt.GenerateFromPassword(cut(password), rounds)
	return string(b), err
}

// check compares a password with its stored form. An empty form, of a user
// who does not exist or has no password, takes as long and never matches.
func (h *hasher) check(ctx context.Context, hash, password string) (bool, error) {
	if err := h.acquire(ctx); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	if hash == "" {
		h.burn(password)
		return false, nil
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), cut(password)) == nil {
		return true, nil
	}
	if cost, err := bcrypt.Cost([]byte(hash)); err == nil && cost < h.rounds {
		h.burn(password) // a cheap hash must not tell whose it is
	}
	return false, nil
}

// burn takes as long as checking a password does.
func (h *hasher) burn(password string) {
	h.once.Do(func() { h.dummy, _ = bcrypt.GenerateFromPassword([]byte("nobody"), h.rounds) })
	bcrypt.CompareHashAndPassword(h.dummy, cut(password)) //nolint:errcheck // only its time is wanted
}

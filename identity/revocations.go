package identity

import (
	"context"
	"fmt"
	"time"
)

// Event tells whoever validates tokens by himself that some of them ended:
// those that match all the ids it names, issued before it.
type Event struct {
	ID        int64
	AuditID   string
	UserID    string
	ProjectID string
	DomainID  string
	RoleID    string
	TrustID   string
	RevokedAt time.Time
}

// Events lists the revocations since a time.
func (s *Identity) Events(ctx context.Context, since time.Time) ([]Event, error) {
	return s.store.Events(ctx, since)
}

// purgeEvery is how often what is not needed any more is removed.
const purgeEvery = time.Minute

// Purge forgets revocations of tokens that nobody can use any more, also not
// a service that may still validate expired ones, and events of tokens that
// have expired.
func (s *Identity) Purge(ctx context.Context) error {
	now := s.clock.Now()
	if err := s.store.PurgeRevoked(ctx, now.Add(-s.cfg.AllowExpiredWindow)); err != nil {
		return fmt.Errorf("purge revoked tokens: %w", err)
	}
	if err := s.store.PurgeEvents(ctx, now.Add(-s.cfg.TokenExpiration)); err != nil {
		return fmt.Errorf("purge revocation events: %w", err)
	}
	return nil
}

func (s *Identity) purge(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		if err := s.Purge(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "purging failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

package identity

import (
	"context"
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

// Purge forgets revocations of tokens that have expired anyway.
func (s *Identity) Purge(ctx context.Context) error {
	now := s.clock.Now()
	if err := s.store.PurgeRevoked(ctx, now); err != nil {
		return err
	}
	return s.store.PurgeEvents(ctx, now.Add(-s.cfg.TokenExpiration))
}

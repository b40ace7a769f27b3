package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
)

type keyPairRow struct {
	bun.BaseModel `bun:"table:key_pairs,alias:key_pairs"`

	ID          int64     `bun:"id,pk"`
	UserID      string    `bun:"user_id"`
	Name        string    `bun:"name"`
	Type        string    `bun:"type"`
	PublicKey   string    `bun:"public_key"`
	Fingerprint string    `bun:"fingerprint"`
	CreatedAt   time.Time `bun:"created_at"`
}

func (r *keyPairRow) keyPair() *compute.KeyPair {
	return &compute.KeyPair{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Type: r.Type, PublicKey: r.PublicKey, Fingerprint: r.Fingerprint, CreatedAt: r.CreatedAt,
	}
}

func noKeyPair(userID, name string) *fault.Error {
	return fault.NotFoundf("Keypair %s not found for user %s", name, userID).WithType("KeypairNotFound")
}

// CreateKeyPair implements compute.KeyPairStore.
func (s *Store) CreateKeyPair(ctx context.Context, k *compute.KeyPair, limit int) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		n, err := s.CountKeyPairs(ctx, k.UserID)
		if err != nil {
			return err
		}
		if limit >= 0 && n >= int64(limit) {
			return fault.New(fault.OverQuota, "Quota exceeded, too many key pairs.").WithType("KeypairLimitExceeded")
		}
		if k.ID, err = sequence(ctx, tx, "key_pairs", 1); err != nil {
			return err
		}
		row := &keyPairRow{
			ID: k.ID, UserID: k.UserID, Name: k.Name, Type: k.Type, PublicKey: k.PublicKey, Fingerprint: k.Fingerprint, CreatedAt: db.Micro(k.CreatedAt),
		}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		if db.IsUnique(err) {
			return fault.Conflictf("Key pair '%s' already exists.", k.Name).WithType("KeyPairExists")
		}
		return err
	})
}

// KeyPair implements compute.KeyPairStore.
func (s *Store) KeyPair(ctx context.Context, userID, name string) (*compute.KeyPair, error) {
	var row keyPairRow
	if err := s.query(ctx).NewSelect().Model(&row).Where("user_id = ?", userID).Where("name = ?", name).Scan(ctx); err != nil {
		return nil, notFound(err, noKeyPair(userID, name))
	}
	return row.keyPair(), nil
}

// KeyPairs implements compute.KeyPairStore. Markers are names.
func (s *Store) KeyPairs(ctx context.Context, userID string, page db.Page) ([]*compute.KeyPair, error) {
	d := s.query(ctx)
	var rows []*keyPairRow
	own := func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("user_id = ?", userID) }
	q, err := page.Apply(ctx, own(d.NewSelect().Model(&rows)), d, db.Keyset{Table: "key_pairs", ID: "name"})
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list key pairs: %w", err)
	}
	keys := make([]*compute.KeyPair, len(rows))
	for i, r := range rows {
		keys[i] = r.keyPair()
	}
	return keys, nil
}

// CountKeyPairs implements compute.KeyPairStore.
func (s *Store) CountKeyPairs(ctx context.Context, userID string) (int64, error) {
	n, err := s.query(ctx).NewSelect().Table("key_pairs").Where("user_id = ?", userID).Count(ctx)
	return int64(n), err
}

// DeleteKeyPair implements compute.KeyPairStore.
func (s *Store) DeleteKeyPair(ctx context.Context, userID, name string) error {
	res, err := s.query(ctx).NewDelete().Model((*keyPairRow)(nil)).Where("user_id = ?", userID).Where("name = ?", name).Exec(ctx)
	return orMissing(res, err, noKeyPair(userID, name))
}

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

type consoleTokenRow struct {
	bun.BaseModel `bun:"table:console_auth_tokens,alias:console_auth_tokens"`

	Hash     string    `bun:"token_hash,pk"`
	ServerID string    `bun:"server_id"`
	Type     string    `bun:"console_type"`
	Host     string    `bun:"host"`
	Port     int       `bun:"port"`
	Path     string    `bun:"internal_access_path"`
	Expires  time.Time `bun:"expires_at"`
}

// SaveConsoleToken implements compute.ConsoleStore.
func (s *Store) SaveConsoleToken(ctx context.Context, now time.Time, t *compute.ConsoleToken) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if _, err := tx.NewDelete().Model((*consoleTokenRow)(nil)).Where("expires_at <= ?", db.Micro(now)).Exec(ctx); err != nil {
			return fmt.Errorf("forget the expired consoles: %w", err)
		}
		row := &consoleTokenRow{
			Hash: t.Hash, ServerID: t.ServerID, Type: t.Type, Host: t.Host, Port: t.Port, Path: t.InternalAccessPath, Expires: db.Micro(t.Expires),
		}
		if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
			return fmt.Errorf("keep a console of server %s: %w", t.ServerID, err)
		}
		return nil
	})
}

// ConsoleToken implements compute.ConsoleStore.
func (s *Store) ConsoleToken(ctx context.Context, now time.Time, hash string) (*compute.ConsoleToken, error) {
	var r consoleTokenRow
	err := s.query(ctx).NewSelect().Model(&r).Where("token_hash = ?", hash).Where("expires_at > ?", db.Micro(now)).Scan(ctx)
	if err != nil {
		return nil, notFound(err, fault.NotFoundf("Token not found"))
	}
	return &compute.ConsoleToken{
		Hash: r.Hash, ServerID: r.ServerID, Type: r.Type, Expires: r.Expires,
		ConsoleAddress: compute.ConsoleAddress{Host: r.Host, Port: r.Port, InternalAccessPath: r.Path},
	}, nil
}

// dropConsoleTokens forgets the consoles of a server that goes.
func dropConsoleTokens(ctx context.Context, tx bun.IDB, server string) error {
	if _, err := tx.NewDelete().Model((*consoleTokenRow)(nil)).Where("server_id = ?", server).Exec(ctx); err != nil {
		return fmt.Errorf("forget the consoles of server %s: %w", server, err)
	}
	return nil
}

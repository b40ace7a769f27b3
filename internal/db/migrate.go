package db

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrate runs what is new in migrations. Its state is kept in the named
// table, so that a kit's tables and the component's move independently.
func (d *DB) migrate(ctx context.Context, migrations fs.FS, dir, table string) error {
	if _, err := fs.Stat(migrations, dir); err == nil {
		sub, err := fs.Sub(migrations, dir)
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		migrations = sub
	}
	opts := []goose.ProviderOption{
		goose.WithTableName(table), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
	}
	engine := goose.DialectSQLite3
	if d.path == "" {
		engine = goose.DialectPostgres
		// Processes that start together take turns.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(engine, d.writer.DB, migrations, opts...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	for before := int64(-1); ; {
		_, err := p.Up(ctx)
		current, target, verr := p.GetVersions(ctx)
		switch {
		case err == nil && verr != nil:
			return fmt.Errorf("read the schema's version: %w", verr)
		case err == nil && current > target:
			return fmt.Errorf("the database has schema %d, this nubo knows %d: it was written by a newer nubo", current, target)
		case err == nil:
			return nil
		// Two processes on one SQLite file may both try the same step, and one
		// loses. It goes on as long as the schema does.
		case verr != nil || current == before || ctx.Err() != nil:
			return fmt.Errorf("migrate: %w", err)
		}
		before = current
	}
}

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"golang.org/x/sync/semaphore"
)

// PostgreSQL's error codes that mean something here.
const (
	pgSerializationFailure = "40001"
	pgDeadlock             = "40P01"
	pgUnique               = "23505"
	pgForeignKey           = "23503"
	pgNoDatabase           = "3D000"
	pgDatabaseExists       = "42P04"
)

func openPostgres(ctx context.Context, rawURL string) (*DB, error) {
	cfg, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, fmt.Errorf("database url: %w", err) // pgx hides the password
	}
	// bun writes values into the statement, so no two are alike and preparing
	// them would only cost.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	pool := stdlib.OpenDB(*cfg)
	err = pool.PingContext(ctx)
	if pgCode(err) == pgNoDatabase {
		if err = createDatabase(ctx, *cfg); err == nil {
			err = pool.PingContext(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", cfg.Database, err), pool.Close())
	}
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns / 4)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	bdb := bun.NewDB(pool, pgdialect.New()).WithQueryHook(spans{})
	return &DB{reader: bdb, writer: bdb, writers: semaphore.NewWeighted(postgresWriters), slots: postgresWriters}, nil
}

// createDatabase creates the database cfg names, through the server's
// maintenance database.
func createDatabase(ctx context.Context, cfg pgx.ConnConfig) error {
	name := cfg.Database
	cfg.Database = "postgres"
	pool := stdlib.OpenDB(cfg)
	defer pool.Close()
	_, err := pool.ExecContext(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	if code := pgCode(err); code == pgDatabaseExists || code == pgUnique {
		return nil // another process was first
	}
	return err
}

// pgCode is the SQLSTATE of an error, or "".
func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// raced reports whether PostgreSQL asks to run the transaction again.
func raced(err error) bool {
	code := pgCode(err)
	return code == pgSerializationFailure || code == pgDeadlock
}

var serializable = sql.TxOptions{Isolation: sql.LevelSerializable}

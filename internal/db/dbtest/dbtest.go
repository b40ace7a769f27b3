// Package dbtest gives each test a fresh database of its own.
//
// Tests run on SQLite. With NUBO_TEST_POSTGRES in the environment [Each] runs
// them on PostgreSQL, too: it is the URL of a server on which databases can be
// created, or "auto" for a private cluster that a test binary starts on its
// first use and that ends with it.
package dbtest

import (
	"context"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"nubo/internal/clock"
	"nubo/internal/db"
)

const postgresVar = "NUBO_TEST_POSTGRES"

// Open opens a fresh SQLite database for the test.
func Open(t testing.TB, migrations fs.FS, opts ...db.Option) *db.DB {
	t.Helper()
	u := url.URL{Scheme: "sqlite", Path: filepath.ToSlash(filepath.Join(t.TempDir(), "test.db")), RawQuery: "synchronous=off"}
	return open(t, u.String(), migrations, opts)
}

// Each runs a test on every engine there is, each time on a fresh database.
func Each(t *testing.T, migrations fs.FS, test func(t *testing.T, d *db.DB), opts ...db.Option) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, Open(t, migrations, opts...))
	})
	if os.Getenv(postgresVar) == "" {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, PostgresURL(t), migrations, opts))
	})
}

// PostgresURL names a PostgreSQL database that does not exist yet and is
// dropped after the test, with those that [db.URL] makes of it for components.
// The test is skipped where there is no server.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv(postgresVar)
	if server == "" {
		t.Skipf("%s is not set", postgresVar)
	}
	if server == "auto" {
		var err error
		if server, err = cluster(); err != nil {
			t.Fatalf("start PostgreSQL: %v", err)
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s: %v", postgresVar, err)
	}
	name := "nubo_test_" + clock.NewHexID()[:12]
	t.Cleanup(func() { drop(t, *u, name) })
	u.Path = "/" + name
	return u.String()
}

func drop(t testing.TB, server url.URL, name string) {
	ctx := context.Background()
	server.Path = "/postgres"
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		t.Errorf("drop %s: %v", name, err)
		return
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE datname = $1 OR starts_with(datname, $1 || '_')", name)
	if err != nil {
		t.Errorf("drop %s: %v", name, err)
		return
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Errorf("drop %s: %v", name, err)
	}
	for _, n := range names {
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{n}.Sanitize()+" WITH (FORCE)"); err != nil {
			t.Errorf("drop %s: %v", n, err)
		}
	}
}

func open(t testing.TB, rawURL string, migrations fs.FS, opts []db.Option) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), rawURL, migrations, opts...)
	if err != nil {
		t.Fatalf("open database: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return d
}

// cluster starts the private cluster once and gives its URL.
var cluster = sync.OnceValues(startCluster)

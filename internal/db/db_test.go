package db_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"

	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/testx"
)

func migrations(sql ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i, s := range sql {
		m[fmt.Sprintf("migrations/%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + s)}
	}
	return m
}

var schema = migrations(`
CREATE TABLE volumes (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    name VARCHAR(255) UNIQUE,
    size INTEGER NOT NULL,
    bootable BOOLEAN NOT NULL,
    ratio DOUBLE PRECISION NOT NULL,
    created_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP,
    metadata TEXT,
    secret BYTEA
);
CREATE TABLE attachments (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    volume_id VARCHAR(36) NOT NULL REFERENCES volumes (id)
);`)

type volume struct {
	bun.BaseModel `bun:"table:volumes"`

	ID        string                     `bun:"id,pk"`
	Name      string                     `bun:"name,nullzero"`
	Size      int                        `bun:"size"`
	Bootable  bool                       `bun:"bootable"`
	Ratio     float64                    `bun:"ratio"`
	CreatedAt time.Time                  `bun:"created_at"`
	DeletedAt *time.Time                 `bun:"deleted_at"`
	Metadata  db.JSON[map[string]string] `bun:"metadata"`
	Secret    []byte                     `bun:"secret"`
}

func get(t *testing.T, d *db.DB, id string) volume {
	t.Helper()
	var v volume
	testx.NoErr(t, d.Query(t.Context()).NewSelect().Model(&v).Where("id = ?", id).Scan(t.Context()))
	return v
}

func count(t *testing.T, d *db.DB) int {
	t.Helper()
	n, err := d.Query(t.Context()).NewSelect().Table("volumes").Count(t.Context())
	testx.NoErr(t, err)
	return int(n)
}

func TestValuesComeBackEqual(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		at := time.Date(2026, 11, 21, 10, 0, 0, 123456789, time.FixedZone("x", 3600))
		deleted := db.Micro(at.Add(time.Second))
		in := volume{
			ID: "a", Name: `it's "quoted" ? ünï \ `, Size: 1 << 40 >> 12, Bootable: true, Ratio: 1.5, CreatedAt: at,
			DeletedAt: &deleted, Metadata: db.JSONOf(map[string]string{"k": "v'"}), Secret: []byte{0, 1, 255},
		}
		_, err := d.Query(ctx).NewInsert().Model(&in).Exec(ctx)
		testx.NoErr(t, err)
		want := in
		want.CreatedAt = db.Micro(at)
		got := get(t, d, "a")
		testx.Equal(t, got, want)
		testx.Equal(t, got.CreatedAt.Location().String(), "UTC")
		// A stored time is found by the value that was stored, and ordered.
		n, err := d.Query(ctx).NewSelect().Model(&got).Where("created_at = ?", at).Where("created_at < ?", deleted).Count(ctx)
		testx.NoErr(t, err)
		testx.Equal(t, n, int64(1))

		_, err = d.Query(ctx).NewInsert().Model(&volume{ID: "b", CreatedAt: at}).Exec(ctx)
		testx.NoErr(t, err)
		got = get(t, d, "b")
		testx.Equal(t, got, volume{ID: "b", CreatedAt: db.Micro(at)})
	})
}

func TestJSONOfWrongContent(t *testing.T) {
	t.Parallel()
	var j db.JSON[[]int]
	testx.NoErr(t, j.Scan("[1,2]"))
	testx.NoErr(t, j.Scan([]byte("[3]")))
	testx.Equal(t, j.V, []int{3})
	testx.NoErr(t, j.Scan(nil))
	testx.Equal(t, j.V == nil, true)
	for _, bad := range []any{"{", 7, true} {
		if err := j.Scan(bad); err == nil {
			t.Errorf("Scan(%v): no error", bad)
		}
	}
}

func TestErrorsAreTold(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		insert := func(v volume) error {
			v.CreatedAt = time.Now()
			_, err := d.Query(ctx).NewInsert().Model(&v).Exec(ctx)
			return err
		}
		attach := func(volume string) error {
			_, err := d.Query(ctx).NewRaw("INSERT INTO attachments (id, volume_id) VALUES ('at', ?)", volume).Exec(ctx)
			return err
		}
		testx.NoErr(t, insert(volume{ID: "a", Name: "n"}))
		testx.Equal(t, db.IsUnique(insert(volume{ID: "a"})), true)
		testx.Equal(t, db.IsUnique(insert(volume{ID: "b", Name: "n"})), true)
		testx.Equal(t, db.IsForeignKey(attach("none")), true)
		testx.NoErr(t, attach("a"))
		_, err := d.Query(ctx).NewDelete().Table("volumes").Where("id = 'a'").Exec(ctx)
		testx.Equal(t, db.IsForeignKey(err), true)
		testx.Equal(t, db.IsUnique(err), false)
		testx.Equal(t, db.IsForeignKey(insert(volume{ID: "a"})), false)
	})
}

func TestInTx(t *testing.T) {
	t.Parallel()
	errStop := errors.New("stop")
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		insert := func(ctx context.Context, id string) error {
			_, err := d.Query(ctx).NewInsert().Model(&volume{ID: id, CreatedAt: time.Now()}).Exec(ctx)
			return err
		}
		committed := 0
		err := d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			testx.NoErr(t, insert(ctx, "a"))
			d.AfterCommit(ctx, func() { committed++ })
			// A nested one joins: it sees what is not committed.
			err := d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
				n, err := tx.NewSelect().Table("volumes").Count(ctx)
				testx.NoErr(t, err)
				testx.Equal(t, n, int64(1))
				return insert(ctx, "b")
			})
			testx.NoErr(t, err)
			testx.Equal(t, committed, 0)
			testx.Equal(t, count(t, d), 0) // other contexts do not see it
			return nil
		})
		testx.NoErr(t, err)
		testx.Equal(t, committed, 1)
		testx.Equal(t, count(t, d), 2)

		err = d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			testx.NoErr(t, insert(ctx, "c"))
			d.AfterCommit(ctx, func() { committed++ })
			return fmt.Errorf("create: %w", errStop)
		})
		testx.ErrIs(t, err, errStop)
		func() {
			defer func() { testx.Equal(t, recover(), any("boom")) }()
			_ = d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
				testx.NoErr(t, insert(ctx, "d"))
				panic("boom")
			})
		}()
		testx.Equal(t, committed, 1)
		testx.Equal(t, count(t, d), 2)
		d.AfterCommit(ctx, func() { committed++ })
		testx.Equal(t, committed, 2)
	})
}

func TestWaitingForTheWriterEndsWithTheContext(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, schema)
	err := d.InTx(t.Context(), func(context.Context, bun.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return d.InTx(ctx, func(context.Context, bun.Tx) error { return errors.New("ran") })
	})
	testx.ErrIs(t, err, context.Canceled)
	testx.NoErr(t, d.InTx(t.Context(), func(context.Context, bun.Tx) error { return nil }))
}

func TestCAS(t *testing.T) {
	t.Parallel()
	errLost := errors.New("lost")
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		_, err := d.Query(ctx).NewInsert().Model(&volume{ID: "a", CreatedAt: time.Now()}).Exec(ctx)
		testx.NoErr(t, err)
		swap := func(from, to int) error {
			res, err := d.Query(ctx).NewUpdate().Table("volumes").Set("size = ?", to).Where("id = 'a' AND size = ?", from).Exec(ctx)
			return db.CAS(res, err, errLost)
		}
		testx.NoErr(t, swap(0, 1))
		testx.ErrIs(t, swap(0, 2), errLost)
		testx.Equal(t, get(t, d, "a").Size, 1)
		broken := errors.New("broken")
		testx.ErrIs(t, db.CAS(nil, broken, errLost), broken)
	})
}

func TestManyWritersLoseNothing(t *testing.T) {
	t.Parallel()
	const writers, rounds = 64, 10
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		_, err := d.Query(ctx).NewInsert().Model(&volume{ID: "a", CreatedAt: time.Now()}).Exec(ctx)
		testx.NoErr(t, err)
		var g errgroup.Group
		for i := range writers {
			g.Go(func() error {
				for j := range rounds {
					// Read, then write what was read: an update is lost unless
					// transactions are serial. Half of it beside single writes.
					err := d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
						var v volume
						if err := tx.NewSelect().Model(&v).Where("id = 'a'").Scan(ctx); err != nil {
							return err
						}
						v.Size++
						_, err := tx.NewUpdate().Model(&v).WherePK().Exec(ctx)
						return err
					})
					if err != nil {
						return err
					}
					v := volume{ID: fmt.Sprintf("%d-%d", i, j), CreatedAt: time.Now()}
					var id string
					if _, err := d.Query(ctx).NewInsert().Model(&v).Returning("id").Exec(ctx, &id); err != nil {
						return err
					}
					if id != v.ID {
						return fmt.Errorf("returned %q", id)
					}
				}
				return nil
			})
		}
		testx.NoErr(t, g.Wait())
		testx.Equal(t, get(t, d, "a").Size, writers*rounds)
		testx.Equal(t, count(t, d), writers*rounds+1)
	})
}

func TestTwoProcessesShareAFile(t *testing.T) {
	t.Parallel()
	// Two DBs of one file stand for two processes: only the file's lock is
	// between them.
	u := "sqlite://" + filepath.Join(t.TempDir(), "shared.db")
	var dbs [2]*db.DB
	var g errgroup.Group
	for i := range dbs {
		g.Go(func() (err error) {
			dbs[i], err = db.Open(t.Context(), u, schema, db.WithOutbox())
			return err
		})
	}
	testx.NoErr(t, g.Wait())
	for i, d := range dbs {
		for w := range 4 {
			g.Go(func() error {
				for j := range 50 {
					err := d.InTx(t.Context(), func(ctx context.Context, tx bun.Tx) error {
						_, err := tx.NewInsert().Model(&volume{ID: fmt.Sprint(i, w, j), CreatedAt: time.Now()}).Exec(ctx)
						return err
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	testx.NoErr(t, g.Wait())
	testx.Equal(t, count(t, dbs[0]), 400)
	for _, d := range dbs {
		info, err := os.Stat(d.Path())
		testx.NoErr(t, err)
		testx.Equal(t, info.Mode().Perm(), os.FileMode(0o600))
		testx.NoErr(t, d.Close())
	}
}

func TestRacedTransactionRunsAgain(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), dbtest.PostgresURL(t), schema)
	testx.NoErr(t, err)
	defer d.Close()
	outer := t.Context()
	_, err = d.Query(outer).NewInsert().Model(&volume{ID: "a", CreatedAt: time.Now()}).Exec(outer)
	testx.NoErr(t, err)
	grow := func(ctx context.Context, between func()) error {
		return d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			var v volume
			if err := tx.NewSelect().Model(&v).Where("id = 'a'").Scan(ctx); err != nil {
				return err
			}
			between()
			_, err := tx.NewUpdate().Model(&v).Set("size = ?", v.Size+1).WherePK().Exec(ctx)
			return err
		})
	}
	attempts := 0
	err = grow(outer, func() {
		if attempts++; attempts <= 6 { // also when it already asks to be alone, as another process may do
			_, err := d.Reader().NewUpdate().Table("volumes").Set("size = size + 1").Where("id = 'a'").Exec(outer)
			testx.NoErr(t, err)
		}
	})
	testx.NoErr(t, err)
	testx.Equal(t, attempts, 7)
	testx.Equal(t, get(t, d, "a").Size, 7)
}

func TestRawStatementsGoWhereTheyBelong(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		_, err := d.Query(ctx).NewRaw("INSERT INTO volumes (id, size, bootable, ratio, created_at) VALUES (?, 1, ?, 0, ?)", "a", true, time.Now()).Exec(ctx)
		testx.NoErr(t, err)
		var n int
		testx.NoErr(t, d.Query(ctx).NewRaw("\n select count(*) from volumes WHERE bootable").Scan(ctx, &n))
		testx.Equal(t, n, 1)
	})
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	one, two := "CREATE TABLE a (id INTEGER);", "ALTER TABLE a ADD COLUMN name TEXT;"
	engines := map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite://" + t.TempDir() + "/a b%?.db" },
		"postgres": func(t *testing.T) string { return dbtest.PostgresURL(t) },
	}
	for name, newURL := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newURL(t)
			if name == "sqlite" {
				parsed := url.URL{Scheme: "sqlite", Path: strings.TrimPrefix(u, "sqlite://")}
				u = parsed.String()
			}
			reopen := func(steps ...string) error {
				d, err := db.Open(t.Context(), u, migrations(steps...))
				if err != nil {
					return err
				}
				return d.Close()
			}
			testx.NoErr(t, reopen(one))
			testx.NoErr(t, reopen(one, two))
			testx.NoErr(t, reopen(one, two))
			if err := reopen(one); err == nil || !strings.Contains(err.Error(), "newer nubo") {
				t.Fatalf("a newer schema: got %v", err)
			}
			if err := reopen(one, two, "CREATE TABEL b;"); err == nil || !strings.Contains(err.Error(), "TABEL") {
				t.Fatalf("a broken migration: got %v", err)
			}
			testx.NoErr(t, reopen(one, two))
		})
	}
}

func TestOpenRefusesBadURLs(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"", "x", "sqlite://relative.db", "sqlite:relative.db", "mysql://u:secret@h/n", "://", "sqlite:///d/%zz",
		"sqlite:///x.db?mode=ro", "sqlite:///x.db?synchronous=never", "postgres://u:secret@127.0.0.1:port/n",
		"postgres://u:secret@127.0.0.1:1/n", "sqlite:///no/such/directory/x.db",
	} {
		d, err := db.Open(t.Context(), u, nil)
		if err == nil {
			d.Close()
			t.Errorf("Open(%q): no error", u)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) shows the password: %v", u, err)
		}
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"sqlite:///var/lib/nubo":                     "sqlite:///var/lib/nubo/compute.db",
		"sqlite:///a%20b/?synchronous=full":          "sqlite:///a%20b/compute.db?synchronous=full",
		"sqlite::memory:":                            "sqlite::memory:",
		"postgres://u:p@h:5433/nubo?sslmode=disable": "postgres://u:p@h:5433/nubo_compute?sslmode=disable",
		"postgresql://h":                             "postgresql://h/nubo_compute",
		"mysql://h/n":                                "",
		"sqlite:relative":                            "",
		"postgres:opaque":                            "",
		"%":                                          "",
	} {
		got, err := db.URL(base, "compute")
		if got != want || (err == nil) == (want == "") {
			t.Errorf("URL(%q) = %q, %v; want %q", base, got, err, want)
		}
	}
}

func TestMemoryLeavesNothing(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), "sqlite::memory:", schema)
	testx.NoErr(t, err)
	dir := filepath.Dir(d.Path())
	testx.Equal(t, count(t, d), 0)
	testx.NoErr(t, d.Close())
	_, err = os.Stat(dir)
	testx.ErrIs(t, err, os.ErrNotExist)
}

func TestNextSeqGrows(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[int64]bool{} // under mu
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			last := int64(0)
			for range 1000 {
				n := db.NextSeq()
				if n <= last {
					return fmt.Errorf("%d after %d", n, last)
				}
				last = n
				mu.Lock()
				seen[n] = true
				mu.Unlock()
			}
			return nil
		})
	}
	testx.NoErr(t, g.Wait())
	testx.Equal(t, len(seen), 8000)
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"sqlite:///d", "sqlite::memory:", "postgres://u:p@h/n?x=y", "%", "sqlite://h/d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, base string) {
		got, err := db.URL(base, "compute")
		if err == nil && base != "sqlite::memory:" {
			// What URL gives names the component, and URL takes it again.
			if !strings.Contains(got, "compute") {
				t.Fatalf("URL(%q) = %q", base, got)
			}
			if _, err := db.URL(got, "compute"); err != nil {
				t.Fatalf("URL(URL(%q)): %v", base, err)
			}
		}
	})
}

// BenchmarkOpen is a new database with its first migration and an outbox.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		d, err := db.Open(b.Context(), "sqlite://"+filepath.ToSlash(b.TempDir())+"/x.db", schema, db.WithOutbox())
		testx.NoErr(b, err)
		testx.NoErr(b, d.Close())
	}
}

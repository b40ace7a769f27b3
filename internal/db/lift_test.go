package db

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"nubo/internal/testx"
)

func TestLift(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query, text string
		values      []any
	}{
		{`SELECT "a" FROM "t" WHERE (id = 'x')`, `SELECT "a" FROM "t" WHERE (id = ?)`, []any{"x"}},
		{`SELECT 'it''s', 'ü', ''`, `SELECT ?, ?, ''`, []any{"it's", "ü"}},
		{`SELECT 'a?', "b'c""d?" FROM t`, `SELECT ?, "b'c""d?" FROM t`, []any{"a?"}},
		{`INSERT INTO t VALUES (12, -3, X'00ff', x'', TRUE, NULL)`, `INSERT INTO t VALUES (?, -?, ?, x'', TRUE, NULL)`, []any{int64(12), int64(3), []byte{0, 255}}},
		{`SELECT a1 FROM t2 WHERE b = 7 ORDER BY 1, 2 LIMIT 3`, `SELECT a1 FROM t2 WHERE b = ? ORDER BY 1, 2 LIMIT 3`, []any{int64(7)}},
		{`SELECT 1.5, .5, 5., 1e3, 1.5e-3, 99999999999999999999`, `SELECT 1.5, .5, 5., 1e3, 1.5e-3, 99999999999999999999`, nil},
		{`SELECT 0x10, x FROM t`, `SELECT 0x10, x FROM t`, nil},
	} {
		text, values, ok := lift(c.query)
		if !ok || string(text) != c.text {
			t.Errorf("lift(%s) = %s, %v", c.query, text, ok)
		}
		var got []any
		for i, v := range values {
			testx.Equal(t, v.Ordinal, i+1)
			got = append(got, v.Value)
		}
		testx.Equal(t, got, c.values)
	}
	for _, q := range []string{
		"SELECT ?", "SELECT :a", "SELECT 'a", `SELECT "a`, "SELECT 1 -- one", "SELECT 1 /* one */", "SELECT 1; SELECT 2", "SELECT `a`", "SELECT [a]",
		"SELECT X'0'", "SELECT X'", "SELECT '\x00' WHERE \x00", "SELECT 1" + strings.Repeat(", 1", maxLifted),
	} {
		if text, _, ok := lift(q); ok {
			t.Errorf("lift(%s) = %s, want not ok", q, text)
		}
	}
}

// FuzzLift puts the values back: that must give a statement with the same
// values in the same places, and lifting it again the same text.
func FuzzLift(f *testing.F) {
	for _, s := range []string{`SELECT 'a''b', "c", 12, -3, X'00ff', 1.5e-3 FROM t ORDER BY 1`, `SELECT '', x''`, "a'", `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		text, values, ok := lift(query)
		if !ok {
			return
		}
		parts := strings.Split(string(text), "?")
		var back strings.Builder
		for i, v := range values {
			back.WriteString(parts[i])
			switch v := v.Value.(type) {
			case int64:
				fmt.Fprint(&back, v)
			case []byte:
				fmt.Fprintf(&back, "X'%x'", v)
			case string:
				back.WriteString("'" + strings.ReplaceAll(v, "'", "''") + "'")
			}
		}
		// A question mark in a quoted name is no parameter.
		if len(parts) != len(values)+1 {
			return
		}
		back.WriteString(parts[len(values)])
		again, same, ok := lift(back.String())
		if !ok {
			t.Fatalf("%q became %q, which is not lifted", query, back.String())
		}
		testx.Equal(t, string(again), string(text))
		testx.Equal(t, same, values)
	})
}

// A kept statement gives what the statement gives that is not kept.
func TestKeptStatements(t *testing.T) {
	t.Parallel()
	pool, err := openPool(sqliteDSN(filepath.Join(t.TempDir(), "x.db")))
	testx.NoErr(t, err)
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	exec := func(query string) {
		t.Helper()
		_, err := pool.ExecContext(t.Context(), query)
		testx.NoErr(t, err)
	}
	exec("CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, b BLOB, at TIMESTAMP)")
	for i := range maxStatements + 10 { // more texts than are kept
		exec(fmt.Sprintf("INSERT INTO t VALUES ('a%d', %d, X'%02x', '2026-11-21 10:00:00')", i, i, i))
		exec(fmt.Sprintf("UPDATE t SET n = n + 1, b = b%s WHERE id = 'a%d'", strings.Repeat(" ", i), i))
	}
	if _, err := pool.ExecContext(t.Context(), "INSERT INTO t VALUES ('a1', 2, X'00', NULL)"); !IsUnique(err) {
		t.Fatalf("a duplicate: %v", err)
	}
	ids := func(rows *sql.Rows, err error) (out []string) {
		t.Helper()
		testx.NoErr(t, err)
		defer rows.Close()
		for rows.Next() {
			var id string
			testx.NoErr(t, rows.Scan(&id))
			out = append(out, id)
		}
		testx.NoErr(t, rows.Err())
		return out
	}
	tx, err := pool.BeginTx(t.Context(), nil)
	testx.NoErr(t, err)
	defer tx.Rollback() //nolint:errcheck // it has only read
	outer, err := tx.QueryContext(t.Context(), "SELECT id FROM t WHERE n > 0 AND n < 4 ORDER BY n")
	testx.NoErr(t, err)
	testx.Equal(t, outer.Next(), true)
	// The same text while its rows are being read.
	testx.Equal(t, ids(tx.QueryContext(t.Context(), "SELECT id FROM t WHERE n > 5 AND n < 8 ORDER BY n")), []string{"a5", "a6"})
	var first string
	testx.NoErr(t, outer.Scan(&first))
	testx.Equal(t, first, "a0")
	testx.Equal(t, outer.Next(), true)
	testx.NoErr(t, outer.Close())
	testx.Equal(t, ids(tx.QueryContext(t.Context(), "SELECT id FROM t WHERE n > 7 AND n < 9 ORDER BY n")), []string{"a7"})
	testx.NoErr(t, tx.Commit())
	// The schema moves on.
	exec("ALTER TABLE t ADD COLUMN more TEXT DEFAULT 'm'")
	testx.Equal(t, ids(pool.QueryContext(t.Context(), "SELECT more FROM t WHERE id = 'a3'")), []string{"m"})
	testx.Equal(t, ids(pool.QueryContext(t.Context(), "SELECT id FROM t WHERE n > 8 AND n < 10 ORDER BY n")), []string{"a8"})
}

func BenchmarkLift(b *testing.B) {
	query := "SELECT " + strings.Repeat(`"servers"."column_name", `, 50) + `"servers"."id" FROM "servers" WHERE (id = '0f2ad7c1-6f7e-4a57-8b3f-3f3c2d1e0a99') AND (NOT deleted)`
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := lift(query); !ok {
			b.Fatal("not lifted")
		}
	}
}

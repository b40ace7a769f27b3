package db_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/testx"
)

var listSchema = migrations(`
CREATE TABLE servers (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(36) NOT NULL,
    name VARCHAR(255),
    vcpus INTEGER,
    locked BOOLEAN,
    created_at TIMESTAMP
);`)

type server struct {
	bun.BaseModel `bun:"table:servers,alias:s"`

	ID        string     `bun:"id,pk"`
	ProjectID string     `bun:"project_id"`
	Name      *string    `bun:"name"`
	VCPUs     *int64     `bun:"vcpus"`
	Locked    *bool      `bun:"locked"`
	CreatedAt *time.Time `bun:"created_at"`
}

// compareNull orders as a SortKey does: NULL first.
func compareNull[T any](a, b *T, compare func(T, T) int) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return compare(*a, *b)
}

var orders = map[string]func(a, b server) int{
	"id":         func(a, b server) int { return cmp.Compare(a.ID, b.ID) },
	"name":       func(a, b server) int { return compareNull(a.Name, b.Name, cmp.Compare[string]) },
	"vcpus":      func(a, b server) int { return compareNull(a.VCPUs, b.VCPUs, cmp.Compare[int64]) },
	"created_at": func(a, b server) int { return compareNull(a.CreatedAt, b.CreatedAt, time.Time.Compare) },
}

func randomServers(r *rand.Rand, n int) []server {
	rows := make([]server, n)
	for i := range rows {
		rows[i] = server{ID: fmt.Sprintf("s%03d", i), ProjectID: fmt.Sprintf("p%d", r.IntN(2))}
		if r.IntN(3) > 0 {
			rows[i].Name = new(strings.Repeat("n", r.IntN(4)))
		}
		if r.IntN(3) > 0 {
			rows[i].VCPUs = new(r.Int64N(3))
		}
		if r.IntN(3) > 0 {
			at := time.Date(2026, 1, 1, 0, 0, r.IntN(2), r.IntN(3)*500_000_000, time.UTC)
			rows[i].CreatedAt = &at
		}
	}
	return rows
}

// sorted is the order a page's keys ask for, worked out in Go.
func sorted(rows []server, keys []db.SortKey) []string {
	rows = slices.Clone(rows)
	idDesc := len(keys) > 0 && keys[len(keys)-1].Desc
	slices.SortFunc(rows, func(a, b server) int {
		for _, k := range append(slices.Clone(keys), db.SortKey{Column: "id", Desc: idDesc}) {
			if c := orders[k.Column](a, b); c != 0 {
				if k.Desc {
					return -c
				}
				return c
			}
		}
		return 0
	})
	return idsOf(rows)
}

func idsOf(rows []server) []string {
	ids := []string{}
	for _, s := range rows {
		ids = append(ids, s.ID)
	}
	return ids
}

// walk reads the whole list page by page.
func walk(ctx context.Context, d *db.DB, p db.Page, project string) ([]string, error) {
	all := []string{}
	for {
		var rows []server
		q := d.Query(ctx).NewSelect().Model(&rows).Where("s.project_id = ?", project)
		q, err := p.Apply(ctx, q, d.Query(ctx), db.Keyset{Table: "servers", Alias: "s"})
		if err != nil {
			return nil, err
		}
		if err := q.Scan(ctx); err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return all, nil
		}
		if len(rows) > p.Limit {
			return nil, fmt.Errorf("a page of %d rows, limit %d", len(rows), p.Limit)
		}
		ids := idsOf(db.Ordered(p, rows))
		if p.PageReverse {
			all = append(ids, all...)
			p.Marker = ids[0]
		} else {
			all = append(all, ids...)
			p.Marker = ids[len(ids)-1]
		}
	}
}

func TestPagesMakeUpTheList(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, listSchema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		r := rand.New(rand.NewPCG(1, 2))
		rows := randomServers(r, 60)
		_, err := d.Query(ctx).NewInsert().Model(&rows).Exec(ctx)
		testx.NoErr(t, err)
		mine := slices.DeleteFunc(slices.Clone(rows), func(s server) bool { return s.ProjectID != "p1" })
		columns := []string{"id", "name", "vcpus", "created_at"}
		for range 60 {
			p := db.Page{Limit: 1 + r.IntN(20), PageReverse: r.IntN(2) == 0}
			r.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
			for _, c := range columns[:r.IntN(len(columns)+1)] {
				p.Sort = append(p.Sort, db.SortKey{Column: c, Desc: r.IntN(2) == 0})
			}
			got, err := walk(ctx, d, p, "p1")
			if err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			if want := sorted(mine, p.Sort); !slices.Equal(got, want) {
				t.Fatalf("%+v:\ngot  %v\nwant %v", p, got, want)
			}
		}
	})
}

func TestMarkerMustBeThereAndInScope(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, listSchema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		rows := []server{{ID: "a", ProjectID: "p1"}, {ID: "b", ProjectID: "p2"}}
		_, err := d.Query(ctx).NewInsert().Model(&rows).Exec(ctx)
		testx.NoErr(t, err)
		apply := func(marker string) error {
			q := d.Query(ctx).NewSelect().Model((*server)(nil))
			_, err := db.Page{Marker: marker}.Apply(ctx, q, d.Query(ctx), db.Keyset{
				Table: "servers", Alias: "s",
				Scope: func(q *bun.SelectQuery) *bun.SelectQuery {
					return db.Scope(q, &auth.Context{ProjectID: "p1"}, "project_id")
				},
			})
			return err
		}
		testx.NoErr(t, apply("a"))
		testx.ErrIs(t, apply("b"), db.ErrMarker)
		testx.ErrIs(t, apply("' OR 1=1 --"), db.ErrMarker)
	})
}

func TestScope(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, listSchema)
	ctx := t.Context()
	rows := []server{{ID: "a", ProjectID: "p1"}, {ID: "b", ProjectID: "p2"}, {ID: "c", ProjectID: ""}}
	_, err := d.Query(ctx).NewInsert().Model(&rows).Exec(ctx)
	testx.NoErr(t, err)
	for _, test := range []struct {
		name   string
		caller auth.Context
		want   []string
	}{
		{"member", auth.Context{ProjectID: "p1"}, []string{"a"}},
		{"admin", auth.Context{ProjectID: "p1", IsAdmin: true}, []string{"a", "b", "c"}},
		{"unscoped", auth.Context{UserID: "u"}, []string{}},
		{"injection", auth.Context{ProjectID: "' OR '1'='1"}, []string{}},
	} {
		var got []server
		err := db.Scope(d.Query(ctx).NewSelect().Model(&got), &test.caller, "s.project_id").Order("id").Scan(ctx)
		testx.NoErr(t, err)
		testx.Equal(t, idsOf(got), test.want)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, listSchema, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		rows := []server{
			{ID: "a", Name: new("Web-1"), VCPUs: new(int64(1)), Locked: new(true)},
			{ID: "b", Name: new("web_2"), VCPUs: new(int64(2)), Locked: new(false)},
			{ID: "c", Name: new(`100%\web`), VCPUs: new(int64(3))},
			{ID: "d"},
		}
		_, err := d.Query(ctx).NewInsert().Model(&rows).Exec(ctx)
		testx.NoErr(t, err)
		columns := map[string]string{"name": "s.name", "flavor:vcpus": "vcpus", "locked": "locked", "id": "id"}
		for _, test := range []struct {
			filters []db.Filter
			want    string
		}{
			{nil, "a b c d"},
			{[]db.Filter{{"id", db.Equal, []any{"a", "c", "x"}}}, "a c"},
			{[]db.Filter{{"id", db.Equal, nil}}, ""},
			{[]db.Filter{{"id", db.Equal, []any{"a' OR 'a'='a"}}}, ""},
			{[]db.Filter{{"name", db.NotEqual, []any{"Web-1"}}}, "b c d"},
			{[]db.Filter{{"name", db.NotEqual, nil}}, "a b c d"},
			{[]db.Filter{{"locked", db.Equal, []any{true}}}, "a"},
			{[]db.Filter{{"locked", db.NotEqual, []any{true}}}, "b c d"},
			{[]db.Filter{{"name", db.Contains, []any{"WEB"}}}, "a b c"},
			{[]db.Filter{{"name", db.Contains, []any{"_"}}}, "b"},
			{[]db.Filter{{"name", db.Contains, []any{`%\`}}}, "c"},
			{[]db.Filter{{"name", db.Contains, []any{"-1", "_2"}}}, "a b"},
			{[]db.Filter{{"name", db.HasPrefix, []any{"web"}}}, "a b"},
			{[]db.Filter{{"name", db.HasSuffix, []any{"WEB", "_2"}}}, "b c"},
			{[]db.Filter{{"flavor:vcpus", db.Less, []any{2}}}, "a"},
			{[]db.Filter{{"flavor:vcpus", db.LessOrEqual, []any{2}}}, "a b"},
			{[]db.Filter{{"flavor:vcpus", db.Greater, []any{2}}}, "c"},
			{[]db.Filter{{"flavor:vcpus", db.GreaterOrEqual, []any{2}}}, "b c"},
			{[]db.Filter{{"name", db.IsNull, nil}}, "d"},
			{[]db.Filter{{"name", db.NotNull, nil}}, "a b c"},
			{[]db.Filter{{"name", db.Contains, []any{"web"}}, {"flavor:vcpus", db.Greater, []any{1}}}, "b c"},
		} {
			var got []server
			q, err := db.ApplyFilters(d.Query(ctx).NewSelect().Model(&got), test.filters, columns)
			testx.NoErr(t, err)
			testx.NoErr(t, q.Order("id").Scan(ctx))
			if ids := strings.Join(idsOf(got), " "); ids != test.want {
				t.Errorf("%v: got %q; want %q", test.filters, ids, test.want)
			}
		}
		_, err = db.ApplyFilters(d.Query(ctx).NewSelect(), []db.Filter{{Column: "project_id"}}, columns)
		testx.ErrIs(t, err, db.ErrFilter)
	})
}

func TestFirstKeySeeks(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, migrations("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, p TEXT NOT NULL, at TIMESTAMP); CREATE INDEX t_p_at ON t (p, at, id);"))
	ctx := t.Context()
	_, err := d.Query(ctx).NewRaw("INSERT INTO t VALUES ('m', 'p', '2026-01-01')").Exec(ctx)
	testx.NoErr(t, err)
	q := d.Query(ctx).NewSelect().Table("t").Column("id").Where("p = 'p'")
	q, err = db.Page{Marker: "m", Limit: 10, Sort: []db.SortKey{{Column: "at"}}}.Apply(ctx, q, d.Query(ctx), db.Keyset{Table: "t"})
	testx.NoErr(t, err)
	rows, err := d.Reader().QueryContext(ctx, "EXPLAIN QUERY PLAN "+q.String())
	testx.NoErr(t, err)
	defer rows.Close()
	plan := ""
	for rows.Next() {
		var id, parent, unused int
		var detail string
		testx.NoErr(t, rows.Scan(&id, &parent, &unused, &detail))
		plan += detail + "\n"
	}
	testx.NoErr(t, rows.Err())
	if !strings.Contains(plan, "USING COVERING INDEX t_p_at (p=? AND at>?)") || strings.Contains(plan, "TEMP B-TREE") {
		t.Errorf("the page is not sought in the index:\n%s", plan)
	}
}

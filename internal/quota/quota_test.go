package quota_test

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/uptrace/bun"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/quota"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = fstest.MapFS{"00001_quota.sql": &fstest.MapFile{Data: []byte(`-- +goose Up
CREATE TABLE quota_limits (
    project_id VARCHAR(64) NOT NULL,
    resource VARCHAR(255) NOT NULL,
    hard_limit BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);
CREATE TABLE quota_classes (
    class_name VARCHAR(255) NOT NULL,
    resource VARCHAR(255) NOT NULL,
    hard_limit BIGINT NOT NULL,
    PRIMARY KEY (class_name, resource)
);
CREATE TABLE servers (id BIGINT NOT NULL PRIMARY KEY, project_id VARCHAR(64) NOT NULL, vcpus INTEGER NOT NULL);
`)}}

func engine(d *db.DB) *quota.Engine {
	return &quota.Engine{
		Defaults: map[string]int64{"instances": 10, "cores": 20, "key_pairs": quota.Unlimited},
		Store:    quota.NewStore(d),
		Classes:  quota.NewClasses(d),
		Usage: func(ctx context.Context, project, resource string) (used int64, err error) {
			what := map[string]string{"instances": "COUNT(*)", "cores": "COALESCE(SUM(vcpus), 0)"}[resource]
			err = d.Query(ctx).NewSelect().Table("servers").ColumnExpr(what).Where("project_id = ?", project).Scan(ctx, &used)
			return used, err
		},
	}
}

func create(ctx context.Context, d *db.DB, e *quota.Engine, project string, vcpus int64) error {
	return d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := e.Check(ctx, project, map[string]int64{"instances": 1, "cores": vcpus}); err != nil {
			return err
		}
		_, err := tx.NewRaw("INSERT INTO servers VALUES (?, ?, ?)", db.NextSeq(), project, vcpus).Exec(ctx)
		return err
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		ctx, e := t.Context(), engine(d)
		want := func(project string, want map[string]int64) {
			t.Helper()
			got, err := e.Limits(ctx, project)
			testx.NoErr(t, err)
			testx.Equal(t, got, want)
		}
		want("p", map[string]int64{"instances": 10, "cores": 20, "key_pairs": -1})
		testx.NoErr(t, e.Store.SetLimits(ctx, "p", nil))
		testx.NoErr(t, e.Store.SetLimits(ctx, "p", map[string]int64{"instances": 3, "cores": -1, "forgotten": 5}))
		testx.NoErr(t, e.Store.SetLimits(ctx, "p", map[string]int64{"instances": 4}))
		testx.NoErr(t, e.Store.SetLimits(ctx, "q", map[string]int64{"instances": 7}))
		want("p", map[string]int64{"instances": 4, "cores": -1, "key_pairs": -1})
		testx.NoErr(t, e.Store.DeleteLimits(ctx, "p"))
		want("p", map[string]int64{"instances": 10, "cores": 20, "key_pairs": -1})
		want("q", map[string]int64{"instances": 7, "cores": 20, "key_pairs": -1})
	})
}

func TestClasses(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		ctx, e := t.Context(), engine(d)
		testx.NoErr(t, e.Classes.SetLimits(ctx, quota.DefaultClass, map[string]int64{"cores": 40, "forgotten": 5}))
		testx.NoErr(t, e.Classes.SetLimits(ctx, "gold", map[string]int64{"instances": 99}))
		testx.NoErr(t, e.Store.SetLimits(ctx, "p", map[string]int64{"instances": 3}))
		want := func(get func(context.Context, string) (map[string]int64, error), of string, instances, cores int64) {
			t.Helper()
			got, err := get(ctx, of)
			testx.NoErr(t, err)
			testx.Equal(t, got, map[string]int64{"instances": instances, "cores": cores, "key_pairs": -1})
		}
		want(e.Class, quota.DefaultClass, 10, 40)
		want(e.Class, "gold", 99, 20)
		want(e.Class, "unheard of", 10, 20)
		want(e.Limits, "p", 3, 40)
		want(e.Limits, "q", 10, 40)
		// What is checked follows a change at once, except a project's own.
		testx.NoErr(t, create(ctx, d, e, "q", 40))
		testx.NoErr(t, e.Classes.SetLimits(ctx, quota.DefaultClass, map[string]int64{"instances": 1}))
		testx.Equal(t, fault.Is(create(ctx, d, e, "q", 0), fault.OverQuota), true)
		testx.NoErr(t, create(ctx, d, e, "p", 1))
		testx.NoErr(t, create(ctx, d, e, "p", 1))
		testx.NoErr(t, e.Classes.DeleteLimits(ctx, quota.DefaultClass))
		want(e.Limits, "q", 10, 20)
		// Without classes the configuration says it all.
		e.Classes = nil
		want(e.Class, "gold", 10, 20)
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, schema)
	ctx, e := t.Context(), engine(d)
	testx.NoErr(t, create(ctx, d, e, "p", 18))
	for _, test := range []struct {
		name   string
		deltas map[string]int64
		over   []*quota.Exceeded
	}{
		{"nothing", nil, nil},
		{"fits exactly", map[string]int64{"instances": 9, "cores": 2}, nil},
		{"one over", map[string]int64{"instances": 1, "cores": 3}, []*quota.Exceeded{{"cores", 20, 18, 3}}},
		{"both over", map[string]int64{"instances": 10, "cores": 3}, []*quota.Exceeded{{"cores", 20, 18, 3}, {"instances", 10, 1, 10}}},
		{"unlimited", map[string]int64{"key_pairs": math.MaxInt64}, nil},
		{"no overflow", map[string]int64{"cores": math.MaxInt64}, []*quota.Exceeded{{"cores", 20, 18, math.MaxInt64}}},
		{"shrinks", map[string]int64{"cores": -30, "instances": 0}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := e.Check(ctx, "p", test.deltas)
			var all *quota.Error
			if !errors.As(err, &all) {
				testx.NoErr(t, err)
				testx.Equal(t, test.over == nil, true)
				return
			}
			testx.Equal(t, fault.KindOf(err), fault.OverQuota)
			testx.Equal(t, all.Exceeded, test.over)
			var first *quota.Exceeded
			testx.Equal(t, errors.As(err, &first), true)
			testx.Equal(t, first, test.over[0])
		})
	}
	if err := e.Check(ctx, "p", map[string]int64{"disks": 1}); fault.KindOf(err) != fault.Internal || err == nil {
		t.Errorf("a resource that is none: %v", err)
	}
	// Over its limit, a project may shrink but not grow.
	testx.NoErr(t, e.Store.SetLimits(ctx, "p", map[string]int64{"cores": 1}))
	testx.NoErr(t, e.Check(ctx, "p", map[string]int64{"cores": -1}))
	testx.Equal(t, fault.Is(e.Check(ctx, "p", map[string]int64{"cores": 1}), fault.OverQuota), true)
	testx.NoErr(t, e.Check(ctx, "other", map[string]int64{"cores": 1}))
}

func TestManyCreatorsNeverPassTheLimit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, schema, func(t *testing.T, d *db.DB) {
		e := engine(d)
		var made, refused atomic.Int64
		var g errgroup.Group
		for range 64 {
			g.Go(func() error {
				err := create(t.Context(), d, e, "p", 3)
				switch {
				case err == nil:
					made.Add(1)
				case fault.Is(err, fault.OverQuota):
					refused.Add(1)
				default:
					return err
				}
				return nil
			})
		}
		testx.NoErr(t, g.Wait())
		testx.Equal(t, made.Load(), int64(6)) // 18 of 20 cores
		testx.Equal(t, refused.Load(), int64(58))
		used, err := e.Usage(t.Context(), "p", "cores")
		testx.NoErr(t, err)
		testx.Equal(t, used, int64(18))
	})
}

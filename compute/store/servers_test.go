package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"nubo/compute"
	"nubo/compute/store"
	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

// each runs a test on every engine, with a store and the context of a member
// of project p1.
func each(t *testing.T, test func(t *testing.T, s *store.Store, ctx context.Context)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) {
		test(t, store.New(d), auth.With(t.Context(), &auth.Context{ProjectID: "p1", UserID: "u1"}))
	}, db.WithOutbox())
}

func newServer(name string, at time.Time) *compute.Server {
	return &compute.Server{
		ID: clock.NewID(), Num: db.NextSeq(), Name: name, ProjectID: "p1", UserID: "u1",
		State: compute.Building, TaskState: compute.Scheduling, Revision: 1,
		Flavor:   compute.FlavorSnapshot{ID: "1", Name: "m1.tiny", VCPUs: 2, MemoryMB: 512, RootGB: 1, ExtraSpecs: map[string]string{"a": "b"}},
		ImageRef: "img", Metadata: map[string]string{"k": "v_1"}, Tags: []string{"red", "big"},
		VIFs:      []compute.VIF{{PortID: "port", FixedIPs: []compute.FixedIP{{IP: "10.0.0.3", Floating: []string{"192.0.2.9"}}}}},
		CreatedAt: db.Micro(at), UpdatedAt: db.Micro(at),
	}
}

func create(t *testing.T, s *store.Store, ctx context.Context, servers ...*compute.Server) {
	t.Helper()
	testx.NoErr(t, s.CreateServers(ctx, servers))
}

func TestServerRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		one := newServer("web", time.Now())
		one.BlockDevices = []compute.BlockDevice{{ID: clock.NewID(), ServerID: one.ID, SourceType: "volume", VolumeID: "vol", DeviceName: "/dev/vdb", CreatedAt: one.CreatedAt}}
		create(t, s, ctx, one)
		got, err := s.Server(ctx, one.ID)
		testx.NoErr(t, err)
		testx.Equal(t, got, one, cmpopts.EquateEmpty())
		_, err = s.Server(ctx, "nobody")
		testx.Equal(t, fault.Is(err, fault.NotFound), true)
	})
}

func TestNumbersAreUnique(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		seen := map[int64]bool{}
		for _, n := range []int{1, 20, 3, 15, 1} {
			nums, err := s.NextNums(ctx, n)
			testx.NoErr(t, err)
			testx.Equal(t, len(nums), n)
			for _, num := range nums {
				if seen[num] {
					t.Fatalf("number %d came twice", num)
				}
				seen[num] = true
			}
		}
	})
}

func TestServerFilters(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		base := time.Now()
		web := newServer("web-1", base)
		dbs := newServer("db_1", base.Add(time.Second))
		dbs.Tags, dbs.Metadata, dbs.State, dbs.TaskState = []string{"red"}, map[string]string{"k": "vx1"}, compute.Active, ""
		dbs.Host, dbs.Locked, dbs.VIFs = "h1", true, []compute.VIF{{FixedIPs: []compute.FixedIP{{IP: "10.0.0.30"}}}}
		other := newServer("web-2", base.Add(2*time.Second))
		other.ProjectID = "p2"
		create(t, s, ctx, web, dbs, other)
		for name, c := range map[string]struct {
			q    compute.ServerQuery
			want []string
		}{
			"own":           {compute.ServerQuery{}, []string{"db_1", "web-1"}},
			"all":           {compute.ServerQuery{AllProjects: true}, []string{"web-2", "db_1", "web-1"}},
			"other project": {compute.ServerQuery{AllProjects: true, ProjectID: "p2"}, []string{"web-2"}},
			"name":          {compute.ServerQuery{AllProjects: true, Name: "^web-[0-9]$"}, []string{"web-2", "web-1"}},
			"ip":            {compute.ServerQuery{IP: `^10\.0\.0\.3$`}, []string{"web-1"}},
			"ip prefix":     {compute.ServerQuery{IP: `10.0.0.3`}, []string{"db_1", "web-1"}},
			"floating":      {compute.ServerQuery{IP: `192.0.2.9`}, []string{"web-1"}},
			"state":         {compute.ServerQuery{States: []compute.VMState{compute.Active}}, []string{"db_1"}},
			"busy":          {compute.ServerQuery{Busy: true}, []string{"web-1"}},
			"host":          {compute.ServerQuery{Host: "h1"}, []string{"db_1"}},
			"locked":        {compute.ServerQuery{Locked: compute.Ptr(true)}, []string{"db_1"}},
			"tags":          {compute.ServerQuery{Tags: []string{"red", "big"}}, []string{"web-1"}},
			"tags any":      {compute.ServerQuery{TagsAny: []string{"red", "none"}}, []string{"db_1", "web-1"}},
			"not tags":      {compute.ServerQuery{NotTags: []string{"red", "big"}}, []string{"db_1"}},
			"not tags any":  {compute.ServerQuery{NotTagsAny: []string{"big"}}, []string{"db_1"}},
			"metadata":      {compute.ServerQuery{Metadata: map[string]string{"k": "v_1"}}, []string{"web-1"}},
			"none by id":    {compute.ServerQuery{IDs: []string{}}, nil},
			"changed":       {compute.ServerQuery{ChangesSince: compute.Ptr(base.Add(500 * time.Millisecond))}, []string{"db_1"}},
			"page":          {compute.ServerQuery{Page: db.Page{Limit: 1}}, []string{"db_1"}},
			"next page":     {compute.ServerQuery{Page: db.Page{Limit: 1, Marker: dbs.ID}}, []string{"web-1"}},
		} {
			c.q.Page.Sort = []db.SortKey{{Column: "created_at", Desc: true}}
			got, err := s.Servers(ctx, c.q)
			testx.NoErr(t, err)
			var names []string
			for _, one := range got {
				names = append(names, one.Name)
			}
			if fmt.Sprint(names) != fmt.Sprint(c.want) {
				t.Errorf("%s: got %v, want %v", name, names, c.want)
			}
		}
		_, err := s.Servers(ctx, compute.ServerQuery{Page: db.Page{Marker: other.ID}})
		testx.ErrIs(t, err, db.ErrMarker) // another project's server is no marker
	})
}

func TestUpdateServerComparesAndSwaps(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		one := newServer("web", time.Now())
		create(t, s, ctx, one)
		update := func(u compute.Update) (*compute.Server, error) {
			u.ServerID = one.ID
			return s.UpdateServer(ctx, u)
		}
		got, err := update(compute.Update{ExpectTask: []compute.TaskState{compute.Scheduling}, Set: compute.ServerFields{
			TaskState: compute.Ptr(compute.Networking), Host: compute.Ptr("h1"), Fault: &compute.Fault{Code: 500, Message: "oh"},
		}, SetDevices: []compute.BlockDevice{{ID: "d1", DeviceName: "/dev/vdb"}}})
		testx.NoErr(t, err)
		testx.Equal(t, []any{got.TaskState, got.Host, got.Fault.Message, got.Revision}, []any{compute.Networking, "h1", "oh", int64(2)})
		state, err := s.ChangeServer(ctx, compute.Update{ServerID: one.ID, ExpectRev: 2, Set: compute.ServerFields{PowerState: compute.Ptr(compute.Running)}})
		testx.NoErr(t, err)
		testx.Equal(t, state, compute.ServerState{ServerID: one.ID, State: compute.Building, TaskState: compute.Networking, Revision: 3})
		for name, u := range map[string]compute.Update{
			"task":     {ExpectTask: []compute.TaskState{compute.Scheduling}},
			"refused":  {RefuseTask: []compute.TaskState{compute.Networking}},
			"state":    {ExpectVM: []compute.VMState{compute.Active}},
			"host":     {ExpectHost: compute.Ptr("h2")},
			"revision": {ExpectRev: 1},
		} {
			if _, err := update(u); !fault.Is(err, fault.Conflict) {
				t.Errorf("%s: got %v, want a conflict", name, err)
			}
		}
		// The device is replaced by its id, not added again.
		_, err = update(compute.Update{SetDevices: []compute.BlockDevice{{ID: "d1", DeviceName: "/dev/vdc", Attached: true}}})
		testx.NoErr(t, err)
		devices, err := s.BlockDevices(ctx, one.ID)
		testx.NoErr(t, err)
		testx.Equal(t, []any{len(devices), devices[0].DeviceName, devices[0].Attached}, []any{1, "/dev/vdc", true})
		// What a host writes leaves alone what users said meanwhile.
		_, err = update(compute.Update{Detaching: map[string]bool{"d1": true}})
		testx.NoErr(t, err)
		_, err = update(compute.Update{SetDevices: []compute.BlockDevice{{ID: "d1", DeviceName: "/dev/vdc", AttachmentID: "a1", DeleteOnTermination: true}}})
		testx.NoErr(t, err)
		devices, err = s.BlockDevices(ctx, one.ID)
		testx.NoErr(t, err)
		testx.Equal(t, []any{devices[0].Detaching, devices[0].AttachmentID, devices[0].DeleteOnTermination}, []any{true, "a1", false})
		// Deleting forgets devices and hides the server.
		_, err = update(compute.Update{Set: compute.ServerFields{Deleted: true}})
		testx.NoErr(t, err)
		_, err = update(compute.Update{})
		testx.Equal(t, fault.Is(err, fault.NotFound), true)
		devices, err = s.BlockDevices(ctx, one.ID)
		testx.NoErr(t, err)
		testx.Equal(t, len(devices), 0)
		known, err := s.KnownServers(ctx, []string{one.ID, "x"})
		testx.NoErr(t, err)
		testx.Equal(t, known, map[string]bool{one.ID: false})
		gone, err := s.Servers(ctx, compute.ServerQuery{OnlyDeleted: true})
		testx.NoErr(t, err)
		testx.Equal(t, []any{len(gone), gone[0].State, *gone[0].TerminatedAt}, []any{1, compute.Deleted, *gone[0].DeletedAt})
		// When it ended is what was said first.
		two, ended := newServer("two", time.Now()), db.Micro(time.Now().Add(-time.Hour))
		create(t, s, ctx, two)
		got, err = s.UpdateServer(ctx, compute.Update{ServerID: two.ID, Set: compute.ServerFields{Deleted: true, TerminatedAt: &ended}})
		testx.NoErr(t, err)
		testx.Equal(t, got.TerminatedAt.UTC(), ended)
	})
}

func TestUsed(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		a, b := newServer("a", time.Now()), newServer("b", time.Now())
		create(t, s, ctx, a, b)
		_, err := s.UpdateServer(ctx, compute.Update{ServerID: a.ID, Set: compute.ServerFields{Deleted: true}})
		testx.NoErr(t, err)
		used, err := s.Used(ctx, "p1")
		testx.NoErr(t, err)
		testx.Equal(t, used, map[string]int64{"instances": 1, "cores": 2, "ram": 512})
	})
}

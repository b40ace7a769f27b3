package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/volume"
	"nubo/volume/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = db.Micro(time.Date(2026, 11, 21, 5, 0, 0, 123456000, time.UTC))

func each(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) {
		s := store.New(d)
		testx.NoErr(t, s.SaveType(t.Context(), &volume.Type{ID: "type", Name: "default", Public: true, CreatedAt: now}, true))
		test(t, s)
	}, db.WithOutbox())
}

// in is a context of a project's member; of an administrator for "".
func in(project string) context.Context {
	if project == "" {
		return auth.Admin(context.Background())
	}
	return auth.With(context.Background(), &auth.Context{ProjectID: project})
}

func add(t *testing.T, s *store.Store, project string, fn func(*volume.Volume)) *volume.Volume {
	t.Helper()
	v := &volume.Volume{ID: clock.NewID(), ProjectID: project, UserID: "u", SizeGB: 1, Status: volume.StatusAvailable, TypeID: "type", TypeName: "default", AZ: "nova", CreatedAt: now, UpdatedAt: now}
	if fn != nil {
		fn(v)
	}
	testx.NoErr(t, s.CreateVolume(t.Context(), v))
	return v
}

func TestVolumeComesBackEqual(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		want := add(t, s, "p", func(v *volume.Volume) {
			v.Name, v.Description, v.Host, v.Bootable, v.ReadOnly, v.ExtendTo = "it's", "d", "h@b#b", true, true, 7
			v.ImageID, v.SourceID, v.Problem = "image", "source", "problem"
			v.Metadata, v.ImageMetadata = map[string]string{"k": `"v"`}, map[string]string{"disk_format": "raw"}
		})
		got, err := s.Volume(in("p"), want.ID)
		testx.NoErr(t, err)
		testx.Equal(t, got, want)
		bare := add(t, s, "p", nil)
		got, err = s.Volume(in(""), bare.ID)
		testx.NoErr(t, err)
		testx.Equal(t, got, bare)
		for _, id := range []string{want.ID, "absent"} {
			_, err = s.Volume(in("q"), id)
			testx.Equal(t, fault.KindOf(err), fault.NotFound)
			testx.Equal(t, err.Error(), "Volume "+id+" could not be found.")
		}
	})
}

func TestUpdateSwapsOnlyTheStatusItSaw(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		v := add(t, s, "p", nil)
		v.Status = volume.StatusReserved
		testx.NoErr(t, s.UpdateVolume(in("p"), v, volume.StatusError, volume.StatusAvailable))
		testx.Equal(t, fault.KindOf(s.UpdateVolume(in("p"), v, volume.StatusAvailable)), fault.Conflict)
		v.Name = "renamed"
		testx.NoErr(t, s.UpdateVolume(in("p"), v))
		got, err := s.Volume(in("p"), v.ID)
		testx.NoErr(t, err)
		testx.Equal(t, got, v)
	})
}

func TestListsAndSums(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		var want []string
		for i := range 5 {
			v := add(t, s, "p", func(v *volume.Volume) {
				v.Name, v.SizeGB, v.CreatedAt = fmt.Sprintf("v%d", i), i+1, now.Add(time.Duration(i)*time.Second)
				v.Bootable = i%2 == 0
			})
			want = append(want, v.ID)
		}
		other := add(t, s, "q", func(v *volume.Volume) { v.ExtendTo = 9 })
		slices.Reverse(want)
		newest := []db.SortKey{{Column: "created_at", Desc: true}}
		list := func(project string, p db.Page, f ...db.Filter) []string {
			t.Helper()
			p.Sort = newest
			rows, err := s.Volumes(in(project), p, f)
			testx.NoErr(t, err)
			ids := []string{}
			for _, v := range rows {
				ids = append(ids, v.ID)
			}
			return ids
		}
		testx.Equal(t, list("p", db.Page{}), want)
		testx.Equal(t, list("q", db.Page{}), []string{other.ID})
		testx.Equal(t, len(list("", db.Page{})), 6)
		testx.Equal(t, list("p", db.Page{Limit: 2, Marker: want[1]}), want[2:4])
		testx.Equal(t, list("p", db.Page{}, db.Filter{Column: "bootable", Values: []any{true}}), []string{want[0], want[2], want[4]})
		testx.Equal(t, list("p", db.Page{}, db.Filter{Column: "name", Op: db.Contains, Values: []any{"V3"}}), want[1:2])
		_, err := s.Volumes(in("p"), db.Page{Marker: other.ID, Sort: newest}, nil)
		testx.ErrIs(t, err, db.ErrMarker)
		_, err = s.Volumes(in("p"), db.Page{}, []db.Filter{{Column: "host; DROP TABLE volumes"}})
		testx.ErrIs(t, err, db.ErrFilter)

		count, size, err := s.SumVolumes(in("p"), []db.Filter{{Column: "name", Values: []any{"v1", "v2"}}})
		testx.NoErr(t, err)
		testx.Equal(t, []int{count, size}, []int{2, 5})
		count, size, err = s.SumVolumes(in("nobody"), nil)
		testx.NoErr(t, err)
		testx.Equal(t, []int{count, size}, []int{0, 0})
		for _, c := range []struct {
			project, resource string
			want              int64
		}{{"p", "volumes", 5}, {"p", "gigabytes", 15}, {"q", "gigabytes", 9}, {"nobody", "gigabytes", 0}, {"p", "backups", 0}} {
			n, err := s.Usage(in(""), c.project, c.resource)
			testx.NoErr(t, err)
			testx.Equal(t, n, c.want)
		}
	})
}

func TestVolumesOfAHost(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		here := add(t, s, "p", func(v *volume.Volume) { v.Host, v.Status = "h@b#b", volume.StatusCreating })
		add(t, s, "p", func(v *volume.Volume) { v.Host = "h@b2#b2" })
		bare := add(t, s, "p", func(v *volume.Volume) { v.Host = "h@b" })
		waiting := add(t, s, "p", func(v *volume.Volume) { v.Status = volume.StatusCreating })
		ids := func(list []volume.Volume, err error) []string {
			testx.NoErr(t, err)
			out := []string{}
			for _, v := range list {
				out = append(out, v.ID)
			}
			slices.Sort(out)
			return out
		}
		want := []string{here.ID, bare.ID}
		slices.Sort(want)
		testx.Equal(t, ids(s.VolumesOn(in(""), "h@b")), want)
		testx.Equal(t, ids(s.Unfinished(in(""), "h@b", volume.StatusCreating, volume.StatusDeleting)), []string{here.ID})
		testx.Equal(t, ids(s.Unfinished(in(""), "", volume.StatusCreating)), []string{waiting.ID})
	})
}

func TestAttachments(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		v := add(t, s, "p", nil)
		a := &volume.Attachment{ID: clock.NewID(), VolumeID: v.ID, ProjectID: "p", ServerID: "s", Status: volume.AttachReserved, Mode: "rw", CreatedAt: now}
		testx.NoErr(t, s.SaveAttachment(in("p"), a, true))
		got, err := s.Attachment(in("p"), a.ID)
		testx.NoErr(t, err)
		testx.Equal(t, got, a)
		a.Status, a.Device, a.AttachedAt = volume.AttachAttached, "/dev/vdb", now
		a.Connector, a.Connection = &volume.Connector{Host: "h", MountPoint: "/dev/vdb"}, map[string]any{"driver_volume_type": "nbd", "data": map[string]any{"port": 1.0}}
		testx.NoErr(t, s.SaveAttachment(in("p"), a, false))
		got, err = s.Attachment(in(""), a.ID)
		testx.NoErr(t, err)
		testx.Equal(t, got, a)
		_, err = s.Attachment(in("q"), a.ID)
		testx.Equal(t, fault.KindOf(err), fault.NotFound)

		list, err := s.Attachments(in("p"), db.Page{}, []db.Filter{{Column: "instance_id", Values: []any{"s"}}})
		testx.NoErr(t, err)
		testx.Equal(t, len(list), 1)
		list, err = s.Attachments(in("q"), db.Page{}, nil)
		testx.NoErr(t, err)
		testx.Equal(t, list, []volume.Attachment{})
		list, err = s.AttachmentsOf(in("p"), v.ID, "absent")
		testx.NoErr(t, err)
		testx.Equal(t, len(list), 1)

		testx.NoErr(t, s.DeleteAttachment(in("p"), a.ID))
		testx.Equal(t, fault.KindOf(s.DeleteAttachment(in("p"), a.ID)), fault.NotFound)
		testx.Equal(t, fault.KindOf(s.SaveAttachment(in("p"), a, false)), fault.NotFound)

		// With its volume an attachment goes.
		testx.NoErr(t, s.SaveAttachment(in("p"), a, true))
		testx.NoErr(t, s.DeleteVolume(in(""), v.ID))
		_, err = s.Attachment(in(""), a.ID)
		testx.Equal(t, fault.KindOf(err), fault.NotFound)
	})
}

func TestTypes(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		gold := &volume.Type{ID: "g", Name: "gold", Description: "d", ExtraSpecs: map[string]string{"k": "v"}, CreatedAt: now}
		testx.NoErr(t, s.SaveType(in(""), gold, true))
		for _, name := range []string{"g", "gold"} {
			got, err := s.Type(in(""), name)
			testx.NoErr(t, err)
			testx.Equal(t, got, gold)
			_, err = s.Type(in("p"), name) // it is private
			testx.Equal(t, fault.KindOf(err), fault.NotFound)
		}
		err := s.SaveType(in(""), &volume.Type{ID: "x", Name: "gold", CreatedAt: now}, true)
		testx.Equal(t, fault.KindOf(err), fault.Conflict)
		v := add(t, s, "p", func(v *volume.Volume) { v.TypeID, v.TypeName = "g", "gold" })
		gold.Name = "silver"
		testx.NoErr(t, s.SaveType(in(""), gold, false))
		got, err := s.Volume(in("p"), v.ID)
		testx.NoErr(t, err)
		testx.Equal(t, got.TypeName, "silver")
		testx.Equal(t, fault.KindOf(s.DeleteType(in(""), "g")), fault.Invalid)
		testx.NoErr(t, s.DeleteVolume(in(""), v.ID))
		testx.NoErr(t, s.DeleteType(in(""), "g"))
	})
}

func TestABeatLeavesAServiceDisabled(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		one := volume.Service{Binary: volume.BinaryVolume, Host: "h@b", AZ: "nova", SeenAt: now, TotalGB: 10, FreeGB: 9}
		testx.NoErr(t, s.SaveService(in(""), &one))
		testx.NoErr(t, s.SwitchService(in(""), one.Binary, one.Host, true, "why"))
		one.FreeGB, one.SeenAt = 8, now.Add(time.Second)
		testx.NoErr(t, s.SaveService(in(""), &one))
		list, err := s.Services(in(""))
		testx.NoErr(t, err)
		one.Disabled, one.Reason = true, "why"
		testx.Equal(t, list, []volume.Service{one})
		testx.Equal(t, fault.KindOf(s.SwitchService(in(""), one.Binary, "mars", true, "")), fault.NotFound)
	})
}

func TestATransactionThatFailsLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		errStop := errors.New("stop")
		v := &volume.Volume{ID: clock.NewID(), ProjectID: "p", TypeID: "type", CreatedAt: now, UpdatedAt: now}
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			testx.NoErr(t, s.CreateVolume(ctx, v))
			testx.NoErr(t, s.Outbox().Add(ctx, db.Message{Kind: "rpc"}))
			return errStop
		})
		testx.ErrIs(t, err, errStop)
		_, err = s.Volume(in(""), v.ID)
		testx.Equal(t, fault.KindOf(err), fault.NotFound)
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	u := "sqlite://" + t.TempDir() + "/volume.db"
	for range 2 {
		s, err := store.Open(t.Context(), u)
		testx.NoErr(t, err)
		testx.NoErr(t, s.Close())
	}
	if _, err := store.Open(t.Context(), "nowhere"); err == nil {
		t.Fatal("opened nowhere")
	}
}

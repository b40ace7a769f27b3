// Package store keeps the volume component's state in SQL.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"

	"github.com/uptrace/bun"

	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/quota"
	"nubo/volume"
)

// Migrations make and change the component's tables.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Store implements volume.Store.
type Store struct{ db *db.DB }

// Open opens the database and migrates it.
func Open(ctx context.Context, url string) (*Store, error) {
	d, err := db.Open(ctx, url, Migrations, db.WithOutbox())
	if err != nil {
		return nil, err
	}
	return New(d), nil
}

// New makes the store of a database that has the component's tables and an
// outbox.
func New(d *db.DB) *Store { return &Store{d} }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// InTx implements volume.Store.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.InTx(ctx, func(ctx context.Context, _ bun.Tx) error { return fn(ctx) })
}

// Outbox implements volume.Store.
func (s *Store) Outbox() *db.Outbox { return s.db.Outbox() }

// Quotas implements volume.Store.
func (s *Store) Quotas() quota.Store { return quota.NewStore(s.db) }

// QuotaClasses implements volume.Store.
func (s *Store) QuotaClasses() quota.Store { return quota.NewClasses(s.db) }

// Usage implements volume.Store.
func (s *Store) Usage(ctx context.Context, project, resource string) (int64, error) {
	var n sql.NullInt64
	q := s.db.Query(ctx).NewSelect().TableExpr("volumes").Where("project_id = ?", project)
	switch resource {
	case "volumes":
		q = q.ColumnExpr("COUNT(*)")
	case "gigabytes":
		// What is growing counts as grown.
		q = q.ColumnExpr("SUM(CASE WHEN extend_to > size_gb THEN extend_to ELSE size_gb END)")
	default:
		return 0, nil
	}
	err := q.Scan(ctx, &n)
	return n.Int64, err
}

func from(q bun.IDB, model any, table string) *bun.SelectQuery {
	return q.NewSelect().Model(model).ModelTableExpr("? AS ?TableAlias", bun.Ident(table))
}

// own scopes a query of the table to the caller's project.
func own(ctx context.Context) func(*bun.SelectQuery) *bun.SelectQuery {
	return func(q *bun.SelectQuery) *bun.SelectQuery { return db.Scope(q, auth.From(ctx), "project_id") }
}

// one scans a single row; the fault tells that there is none.
func one(ctx context.Context, q *bun.SelectQuery, missing error) error {
	err := q.Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}

var volumeColumns = map[string]string{
	"id": "id", "name": "name", "status": "status", "project_id": "project_id", "bootable": "bootable", "size": "size_gb",
	"volume_type": "type_name", "availability_zone": "az", "host": "host", "image_id": "image_id", "source_volid": "source_id",
	"user_id": "user_id", "problem": "problem",
}

func noVolume(id string) error { return fault.NotFoundf("Volume %s could not be found.", id) }

// Volume implements volume.Store.
func (s *Store) Volume(ctx context.Context, id string) (*volume.Volume, error) {
	v := new(volume.Volume)
	q := from(s.db.Query(ctx), v, "volumes").Where("?TableAlias.id = ?", id).Apply(own(ctx))
	return v, one(ctx, q, noVolume(id))
}

// Volumes implements volume.Store.
func (s *Store) Volumes(ctx context.Context, p db.Page, f []db.Filter) ([]volume.Volume, error) {
	list := []volume.Volume{}
	q, err := db.ApplyFilters(from(s.db.Query(ctx), &list, "volumes").Apply(own(ctx)), f, volumeColumns)
	if err != nil {
		return nil, err
	}
	q, err = p.Apply(ctx, q, s.db.Query(ctx), db.Keyset{Table: "volumes", Alias: "volume", Scope: own(ctx)})
	if err != nil {
		return nil, err
	}
	return list, q.Scan(ctx)
}

// SumVolumes implements volume.Store.
func (s *Store) SumVolumes(ctx context.Context, f []db.Filter) (count, sizeGB int, err error) {
	q := s.db.Query(ctx).NewSelect().TableExpr("volumes").ColumnExpr("COUNT(*), COALESCE(SUM(size_gb), 0)").Apply(own(ctx))
	if q, err = db.ApplyFilters(q, f, volumeColumns); err != nil {
		return 0, 0, err
	}
	err = q.Scan(ctx, &count, &sizeGB)
	return count, sizeGB, err
}

// CreateVolume implements volume.Store.
func (s *Store) CreateVolume(ctx context.Context, v *volume.Volume) error {
	_, err := s.db.Query(ctx).NewInsert().Model(v).ModelTableExpr("volumes").Exec(ctx)
	return err
}

// UpdateVolume implements volume.Store.
func (s *Store) UpdateVolume(ctx context.Context, v *volume.Volume, states ...string) error {
	q := s.db.Query(ctx).NewUpdate().Model(v).ModelTableExpr("volumes AS ?TableAlias").Where("?TableAlias.id = ?", v.ID)
	if len(states) > 0 {
		q = q.Where("?TableAlias.status IN (?)", bun.List(states))
	}
	res, err := q.Exec(ctx)
	return db.CAS(res, err, fault.Conflictf("The volume %s changed meanwhile.", v.ID))
}

// DeleteVolume implements volume.Store.
func (s *Store) DeleteVolume(ctx context.Context, id string) error {
	_, err := s.db.Query(ctx).NewRaw("DELETE FROM volumes WHERE id = ?", id).Exec(ctx)
	return err
}

// Unfinished implements volume.Store.
func (s *Store) Unfinished(ctx context.Context, host string, states ...string) ([]volume.Volume, error) {
	list := []volume.Volume{}
	q := from(s.db.Query(ctx), &list, "volumes").Where("status IN (?)", bun.List(states))
	return list, onHost(q, host).Scan(ctx)
}

// VolumesOn implements volume.Store.
func (s *Store) VolumesOn(ctx context.Context, host string) ([]volume.Volume, error) {
	list := []volume.Volume{}
	return list, onHost(from(s.db.Query(ctx), &list, "volumes"), host).Scan(ctx)
}

// onHost matches host@backend with and without a pool.
func onHost(q *bun.SelectQuery, host string) *bun.SelectQuery {
	if host == "" {
		return q.Where("host = ''")
	}
	return q.Where("(host = ? OR host LIKE ?)", host, host+"#%")
}

var typeColumns = map[string]string{"name": "name", "is_public": "public", "id": "id"}

// Type implements volume.Store.
func (s *Store) Type(ctx context.Context, idOrName string) (*volume.Type, error) {
	t := new(volume.Type)
	q := from(s.db.Query(ctx), t, "volume_types").Where("(?TableAlias.id = ? OR ?TableAlias.name = ?)", idOrName, idOrName)
	if !auth.From(ctx).IsAdmin {
		q = q.Where("public")
	}
	return t, one(ctx, q, fault.NotFoundf("Volume type %s could not be found.", idOrName))
}

// Types implements volume.Store.
func (s *Store) Types(ctx context.Context, p db.Page, f []db.Filter) ([]volume.Type, error) {
	list := []volume.Type{}
	q, err := db.ApplyFilters(from(s.db.Query(ctx), &list, "volume_types"), f, typeColumns)
	if err != nil {
		return nil, err
	}
	if !auth.From(ctx).IsAdmin {
		q = q.Where("public")
	}
	if q, err = p.Apply(ctx, q, s.db.Query(ctx), db.Keyset{Table: "volume_types", Alias: "type"}); err != nil {
		return nil, err
	}
	return list, q.Scan(ctx)
}

// SaveType implements volume.Store.
func (s *Store) SaveType(ctx context.Context, t *volume.Type, create bool) error {
	var err error
	if create {
		_, err = s.db.Query(ctx).NewInsert().Model(t).ModelTableExpr("volume_types").Exec(ctx)
	} else {
		_, err = s.db.Query(ctx).NewUpdate().Model(t).ModelTableExpr("volume_types AS ?TableAlias").Where("?TableAlias.id = ?", t.ID).Exec(ctx)
		if err == nil { // volumes keep their type's name, for lists to filter by
			_, err = s.db.Query(ctx).NewRaw("UPDATE volumes SET type_name = ? WHERE type_id = ?", t.Name, t.ID).Exec(ctx)
		}
	}
	if db.IsUnique(err) {
		return fault.Conflictf("Volume Type %s already exists.", t.Name).WithCause(err)
	}
	return err
}

// DeleteType implements volume.Store.
func (s *Store) DeleteType(ctx context.Context, id string) error {
	_, err := s.db.Query(ctx).NewRaw("DELETE FROM volume_types WHERE id = ?", id).Exec(ctx)
	if db.IsForeignKey(err) {
		return fault.Invalidf("Volume Type %s deletion is not allowed with volumes present with the type.", id).WithCause(err)
	}
	return err
}

var attachmentColumns = map[string]string{
	"id": "id", "volume_id": "volume_id", "instance_id": "server_id", "status": "status", "project_id": "project_id",
}

// Attachment implements volume.Store.
func (s *Store) Attachment(ctx context.Context, id string) (*volume.Attachment, error) {
	a := new(volume.Attachment)
	q := from(s.db.Query(ctx), a, "attachments").Where("?TableAlias.id = ?", id).Apply(own(ctx))
	return a, one(ctx, q, fault.NotFoundf("Volume attachment could not be found with filter: attachment_id = %s.", id))
}

// Attachments implements volume.Store.
func (s *Store) Attachments(ctx context.Context, p db.Page, f []db.Filter) ([]volume.Attachment, error) {
	list := []volume.Attachment{}
	q, err := db.ApplyFilters(from(s.db.Query(ctx), &list, "attachments").Apply(own(ctx)), f, attachmentColumns)
	if err != nil {
		return nil, err
	}
	q, err = p.Apply(ctx, q, s.db.Query(ctx), db.Keyset{Table: "attachments", Alias: "attachment", Scope: own(ctx)})
	if err != nil {
		return nil, err
	}
	return list, q.Scan(ctx)
}

// AttachmentsOf implements volume.Store. It looks at volumes the caller has
// been given, and is not scoped again.
func (s *Store) AttachmentsOf(ctx context.Context, volumeIDs ...string) ([]volume.Attachment, error) {
	list := []volume.Attachment{}
	if len(volumeIDs) == 0 {
		return list, nil
	}
	return list, from(s.db.Query(ctx), &list, "attachments").Where("volume_id IN (?)", bun.List(volumeIDs)).Order("created_at").Scan(ctx)
}

// SaveAttachment implements volume.Store.
func (s *Store) SaveAttachment(ctx context.Context, a *volume.Attachment, create bool) error {
	if create {
		_, err := s.db.Query(ctx).NewInsert().Model(a).ModelTableExpr("attachments").Exec(ctx)
		return err
	}
	res, err := s.db.Query(ctx).NewUpdate().Model(a).ModelTableExpr("attachments AS ?TableAlias").Where("?TableAlias.id = ?", a.ID).Exec(ctx)
	return db.CAS(res, err, fault.NotFoundf("Volume attachment could not be found with filter: attachment_id = %s.", a.ID))
}

// DeleteAttachment implements volume.Store.
func (s *Store) DeleteAttachment(ctx context.Context, id string) error {
	res, err := s.db.Query(ctx).NewRaw("DELETE FROM attachments WHERE id = ?", id).Exec(ctx)
	return db.CAS(res, err, fault.NotFoundf("Volume attachment could not be found with filter: attachment_id = %s.", id))
}

// Services implements volume.Store.
func (s *Store) Services(ctx context.Context) ([]volume.Service, error) {
	list := []volume.Service{}
	return list, from(s.db.Query(ctx), &list, "services").OrderExpr(`?, host`, bun.Ident("binary")).Scan(ctx)
}

// SaveService implements volume.Store: a sign of life leaves it disabled if
// it was.
func (s *Store) SaveService(ctx context.Context, v *volume.Service) error {
	_, err := s.db.Query(ctx).NewInsert().Model(v).ModelTableExpr("services AS ?TableAlias").
		On(`CONFLICT ("binary", host) DO UPDATE`).
		Set("az = EXCLUDED.az").Set("seen_at = EXCLUDED.seen_at").Set("total_gb = EXCLUDED.total_gb").Set("free_gb = EXCLUDED.free_gb").Exec(ctx)
	return err
}

// SwitchService implements volume.Store.
func (s *Store) SwitchService(ctx context.Context, binary, host string, disabled bool, reason string) error {
	res, err := s.db.Query(ctx).NewRaw(`UPDATE services SET disabled = ?, reason = ? WHERE "binary" = ? AND host = ?`, disabled, reason, binary, host).Exec(ctx)
	return db.CAS(res, err, fault.NotFoundf("Service %s could not be found on host %s.", binary, host))
}

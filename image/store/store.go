// Package store keeps the image component's state in SQL.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Migrations are the schema's steps, for tests that open a database
// themselves.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Store implements image.Store.
type Store struct{ db *db.DB }

// Open opens the database and migrates it.
func Open(ctx context.Context, url string) (*Store, error) {
	d, err := db.Open(ctx, url, Migrations, db.WithOutbox())
	if err != nil {
		return nil, fmt.Errorf("open the image database: %w", err)
	}
	return New(d), nil
}

// New makes a store of an open database.
func New(d *db.DB) *Store { return &Store{d} }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Outbox implements image.Store.
func (s *Store) Outbox() *db.Outbox { return s.db.Outbox() }

// InTx implements image.Store.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.InTx(ctx, func(ctx context.Context, _ bun.Tx) error { return fn(ctx) })
}

func noImage(id string) error { return fault.NotFoundf("No image found with ID %s", id) }

// seen limits a query to what the caller may know of by id.
func seen(ctx context.Context) func(*bun.SelectQuery) *bun.SelectQuery {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		q = q.Where("images.status <> ?", image.StatusPendingDelete)
		c := auth.From(ctx)
		if c.IsAdmin {
			return q
		}
		return q.Where("(owner = ? AND owner <> '' OR visibility IN (?) OR visibility = ? AND EXISTS (SELECT 1 FROM members AS m WHERE m.image_id = images.id AND m.member_id = ?))",
			c.ProjectID, bun.List([]string{image.VisibilityPublic, image.VisibilityCommunity}), image.VisibilityShared, c.ProjectID)
	}
}

// Image implements image.Store.
func (s *Store) Image(ctx context.Context, id string) (*image.Image, error) {
	i := new(image.Image)
	err := s.rows(ctx, i).Where("id = ?", id).Apply(seen(ctx)).Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noImage(id)
	}
	return i, err
}

func (s *Store) rows(ctx context.Context, model any) *bun.SelectQuery {
	return s.db.Query(ctx).NewSelect().Model(model).ModelTableExpr("images").ColumnExpr("images.*")
}

// columns are what a list may be filtered by.
var columns = map[string]string{
	"name": "name", "status": "status", "id": "id", "owner": "owner", "disk_format": "disk_format", "container_format": "container_format",
	"min_disk": "min_disk", "min_ram": "min_ram", "size": "size", "size_min": "size", "size_max": "size", "checksum": "checksum",
	"os_hash_value": "hash_value", "protected": "protected", "created_at": "created_at", "updated_at": "updated_at",
}

// Images implements image.Store.
func (s *Store) Images(ctx context.Context, in image.Query) ([]image.Image, error) {
	list := []image.Image{}
	q, err := db.ApplyFilters(s.rows(ctx, &list), in.Filters, columns)
	if err != nil {
		return nil, err
	}
	q = q.Where("hidden = ?", in.Hidden)
	for _, tag := range in.Tags {
		q = q.Where("EXISTS (SELECT 1 FROM image_tags AS t WHERE t.image_id = images.id AND t.tag = ?)", tag)
	}
	for name, value := range in.Properties {
		q = q.Where("EXISTS (SELECT 1 FROM image_properties AS p WHERE p.image_id = images.id AND p.name = ? AND p.value = ?)", name, value)
	}
	q = listed(ctx, q, in)
	if q, err = in.Page.Apply(ctx, q, s.db.Query(ctx), db.Keyset{Table: "images", Scope: seen(ctx)}); err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	return db.Ordered(in.Page, list), nil
}

// listed limits a list to what belongs into it: community images only when
// they are asked for, shared ones as far as the member accepted them.
func listed(ctx context.Context, q *bun.SelectQuery, in image.Query) *bun.SelectQuery {
	c := auth.From(ctx)
	if in.Visibility != "" && in.Visibility != "all" {
		q = q.Where("visibility = ?", in.Visibility)
	}
	if c.IsAdmin {
		return q.Apply(seen(ctx))
	}
	q = q.Where("images.status <> ?", image.StatusPendingDelete)
	kinds := []string{image.VisibilityPublic}
	if in.Visibility == image.VisibilityCommunity || in.Visibility == "all" {
		kinds = append(kinds, image.VisibilityCommunity)
	}
	status := in.MemberStatus
	if status == "" {
		status = "accepted"
	}
	return q.Where("(owner = ? AND owner <> '' OR visibility IN (?) OR visibility = ? AND EXISTS (SELECT 1 FROM members AS m WHERE m.image_id = images.id AND m.member_id = ? AND (m.status = ? OR ? = 'all')))",
		c.ProjectID, bun.List(kinds), image.VisibilityShared, c.ProjectID, status, status)
}

// saveLabels writes tags and properties beside the image's own, for lists to
// be filtered by them.
func (s *Store) saveLabels(ctx context.Context, i *image.Image) error {
	q := s.db.Query(ctx)
	for _, table := range []string{"image_tags", "image_properties"} {
		if _, err := q.NewRaw("DELETE FROM ? WHERE image_id = ?", bun.Ident(table), i.ID).Exec(ctx); err != nil {
			return err
		}
	}
	for _, tag := range i.Tags {
		if _, err := q.NewRaw("INSERT INTO image_tags (image_id, tag) VALUES (?, ?) ON CONFLICT DO NOTHING", i.ID, tag).Exec(ctx); err != nil {
			return err
		}
	}
	for name, value := range i.Properties {
		if strings.HasPrefix(name, "os_glance_") {
			continue // the service's own, which nobody looks for
		}
		if _, err := q.NewRaw("INSERT INTO image_properties (image_id, name, value) VALUES (?, ?, ?)", i.ID, name, value).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// CreateImage implements image.Store.
func (s *Store) CreateImage(ctx context.Context, i *image.Image) error {
	i.Copies = len(i.Locations)
	_, err := s.db.Query(ctx).NewInsert().Model(i).ModelTableExpr("images").Exec(ctx)
	if db.IsUnique(err) {
		return fault.Conflictf("Image ID %s already exists!", i.ID).WithCause(err)
	}
	if err != nil {
		return err
	}
	return s.saveLabels(ctx, i)
}

// UpdateImage implements image.Store.
func (s *Store) UpdateImage(ctx context.Context, i *image.Image, states ...string) error {
	i.Copies = len(i.Locations)
	q := s.db.Query(ctx).NewUpdate().Model(i).ModelTableExpr("images").Where("id = ?", i.ID)
	if len(states) > 0 {
		q = q.Where("status IN (?)", bun.List(states))
	}
	res, err := q.Exec(ctx)
	if err := db.CAS(res, err, fault.Conflictf("The image %s changed meanwhile.", i.ID)); err != nil {
		return err
	}
	return s.saveLabels(ctx, i)
}

// DeleteImage implements image.Store.
func (s *Store) DeleteImage(ctx context.Context, id string) error {
	_, err := s.db.Query(ctx).NewRaw("DELETE FROM images WHERE id = ? AND status = ?", id, image.StatusPendingDelete).Exec(ctx)
	return err
}

// InStatus implements image.Store.
func (s *Store) InStatus(ctx context.Context, statuses ...string) ([]image.Image, error) {
	list := []image.Image{}
	q := s.rows(ctx, &list)
	if len(statuses) > 0 {
		q = q.Where("status IN (?)", bun.List(statuses))
	}
	return list, q.Order("id").Scan(ctx)
}

// usages say how what has a quota is counted.
var usages = map[string]string{
	image.SizeTotal:      "SELECT COALESCE(SUM(size * copies), 0) FROM images WHERE owner = ? AND copies > 0",
	image.StageTotal:     "SELECT COALESCE(SUM(staged), 0) FROM images WHERE owner = ? AND staged > 0",
	image.CountTotal:     "SELECT COUNT(*) FROM images WHERE owner = ? AND status <> 'pending_delete'",
	image.CountUploading: "SELECT COUNT(*) FROM images WHERE owner = ? AND status IN ('saving', 'uploading', 'importing')",
}

// Usage implements image.Store.
func (s *Store) Usage(ctx context.Context, project, resource string) (int64, error) {
	var n int64
	query, ok := usages[resource]
	if !ok {
		return 0, fmt.Errorf("there is no resource %s", resource)
	}
	return n, s.db.Query(ctx).NewRaw(query, project).Scan(ctx, &n)
}

// Members implements image.Store.
func (s *Store) Members(ctx context.Context, imageID string) ([]image.Member, error) {
	list := []image.Member{}
	return list, s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("members AS ?TableAlias").Where("image_id = ?", imageID).Order("member_id").Scan(ctx)
}

// SaveMember implements image.Store.
func (s *Store) SaveMember(ctx context.Context, m *image.Member, create bool) error {
	if !create {
		res, err := s.db.Query(ctx).NewRaw("UPDATE members SET status = ?, updated_at = ? WHERE image_id = ? AND member_id = ?", m.Status, m.UpdatedAt, m.ImageID, m.MemberID).Exec(ctx)
		return db.CAS(res, err, image.NoMember(m.ImageID, m.MemberID))
	}
	_, err := s.db.Query(ctx).NewInsert().Model(m).ModelTableExpr("members").Exec(ctx)
	if db.IsUnique(err) {
		return fault.Conflictf("The target member %s is already associated with image %s.", m.MemberID, m.ImageID).WithCause(err)
	}
	return err
}

// DeleteMember implements image.Store.
func (s *Store) DeleteMember(ctx context.Context, imageID, memberID string) error {
	res, err := s.db.Query(ctx).NewRaw("DELETE FROM members WHERE image_id = ? AND member_id = ?", imageID, memberID).Exec(ctx)
	return db.CAS(res, err, image.NoMember(imageID, memberID))
}

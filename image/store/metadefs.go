package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// seenNamespaces limits a query to what the caller may know of.
func seenNamespaces(ctx context.Context) func(*bun.SelectQuery) *bun.SelectQuery {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		c := auth.From(ctx)
		if c.IsAdmin {
			return q
		}
		return q.Where("(visibility = ? OR owner = ? AND owner <> '')", image.VisibilityPublic, c.ProjectID)
	}
}

func (s *Store) namespaces(ctx context.Context, model any) *bun.SelectQuery {
	return s.db.Query(ctx).NewSelect().Model(model).ModelTableExpr("metadef_namespaces").ColumnExpr("metadef_namespaces.*").Apply(seenNamespaces(ctx))
}

// Namespaces implements image.Store. Markers are names.
func (s *Store) Namespaces(ctx context.Context, in image.NamespaceQuery) ([]image.Namespace, error) {
	list := []image.Namespace{}
	q := s.namespaces(ctx, &list)
	if in.Visibility != "" {
		q = q.Where("visibility = ?", in.Visibility)
	}
	if len(in.ResourceTypes) > 0 {
		q = q.Where("EXISTS (SELECT 1 FROM metadef_items AS a WHERE a.namespace_id = metadef_namespaces.id AND a.kind = ? AND a.name IN (?))",
			image.DefAssociation, bun.List(in.ResourceTypes))
	}
	q, err := in.Page.Apply(ctx, q, s.db.Query(ctx), db.Keyset{Table: "metadef_namespaces", ID: "namespace", Scope: seenNamespaces(ctx)})
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	return db.Ordered(in.Page, list), nil
}

// Namespace implements image.Store.
func (s *Store) Namespace(ctx context.Context, name string) (*image.Namespace, error) {
	n := new(image.Namespace)
	err := s.namespaces(ctx, n).Where("namespace = ?", name).Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.NotFoundf("The metadata definition namespace=%s was not found.", name)
	}
	return n, err
}

// SaveNamespace implements image.Store.
func (s *Store) SaveNamespace(ctx context.Context, n *image.Namespace, create bool) error {
	var err error
	if create {
		_, err = s.db.Query(ctx).NewInsert().Model(n).ModelTableExpr("metadef_namespaces").Exec(ctx)
	} else {
		_, err = s.db.Query(ctx).NewUpdate().Model(n).ModelTableExpr("metadef_namespaces").Where("id = ?", n.ID).Exec(ctx)
	}
	if db.IsUnique(err) {
		return fault.Conflictf("The metadata definition namespace=%s already exists.", n.Namespace).WithCause(err)
	}
	return err
}

// DeleteNamespace implements image.Store.
func (s *Store) DeleteNamespace(ctx context.Context, n *image.Namespace) error {
	_, err := s.db.Query(ctx).NewRaw("DELETE FROM metadef_namespaces WHERE id = ?", n.ID).Exec(ctx)
	return err
}

func (s *Store) definitions(ctx context.Context, model any) *bun.SelectQuery {
	return s.db.Query(ctx).NewSelect().Model(model).ModelTableExpr("metadef_items").ColumnExpr("metadef_items.*")
}

// Definitions implements image.Store.
func (s *Store) Definitions(ctx context.Context, namespaceIDs []string, kind string, p db.Page) ([]image.Definition, error) {
	list := []image.Definition{}
	if len(namespaceIDs) == 0 {
		return list, nil
	}
	of := func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("kind = ?", kind).Where("namespace_id IN (?)", bun.List(namespaceIDs))
	}
	q := of(s.definitions(ctx, &list))
	if p.Limit == 0 {
		return list, q.Order("namespace_id", "name").Scan(ctx)
	}
	q, err := p.Apply(ctx, q, s.db.Query(ctx), db.Keyset{Table: "metadef_items", ID: "name", Scope: of})
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	return db.Ordered(p, list), nil
}

// Definition implements image.Store.
func (s *Store) Definition(ctx context.Context, namespaceID, kind, name string) (*image.Definition, error) {
	d := new(image.Definition)
	err := s.definitions(ctx, d).Where("namespace_id = ?", namespaceID).Where("kind = ?", kind).Where("name = ?", name).Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return d, err
}

// SaveDefinition implements image.Store.
func (s *Store) SaveDefinition(ctx context.Context, d *image.Definition, was string) error {
	q := s.db.Query(ctx)
	var err error
	if was == "" {
		_, err = q.NewInsert().Model(d).ModelTableExpr("metadef_items").Exec(ctx)
	} else {
		_, err = q.NewUpdate().Model(d).ModelTableExpr("metadef_items").
			Where("namespace_id = ?", d.NamespaceID).Where("kind = ?", d.Kind).Where("name = ?", was).Exec(ctx)
	}
	if db.IsUnique(err) {
		return fault.Conflictf("The name %s is taken.", d.Name).WithCause(err)
	}
	return err
}

// DeleteDefinitions implements image.Store.
func (s *Store) DeleteDefinitions(ctx context.Context, namespaceID, kind, name string) (int64, error) {
	q := s.db.Query(ctx).NewDelete().TableExpr("metadef_items").Where("namespace_id = ?", namespaceID).Where("kind = ?", kind)
	if name != "" {
		q = q.Where("name = ?", name)
	}
	res, err := q.Exec(ctx)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// ResourceTypes implements image.Store.
func (s *Store) ResourceTypes(ctx context.Context) ([]image.ResourceType, error) {
	list := []image.ResourceType{}
	return list, s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("metadef_resource_types").ColumnExpr("metadef_resource_types.*").Order("name").Limit(1000).Scan(ctx)
}

// EnsureResourceType implements image.Store.
func (s *Store) EnsureResourceType(ctx context.Context, t *image.ResourceType) error {
	_, err := s.db.Query(ctx).NewInsert().Model(t).ModelTableExpr("metadef_resource_types").On("CONFLICT (name) DO NOTHING").Exec(ctx)
	return err
}

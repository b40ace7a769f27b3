package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/network"
)

// table is one resource's rows. It says what differs between resources; what
// they share is written once, here.
type table[T any] struct {
	d      *db.DB
	name   string
	alias  string // bun's, of the model
	absent func(id string) error
	// columns maps the API's fields that lists filter by to columns; nil adds
	// nothing to those that all resources have.
	columns map[string]string
	// special are filters that are not of one column.
	special map[string]func(q *bun.SelectQuery, f db.Filter) *bun.SelectQuery
	// scope limits a list to what a caller who is no admin may see; by default
	// the own project's.
	scope func(q *bun.SelectQuery, c *auth.Context) *bun.SelectQuery
	// fill loads what is kept in other tables.
	fill func(ctx context.Context, rows []*T) error
	tags bool
}

// standard are the filters of every resource.
var standard = map[string]string{
	"id": "id", "project_id": "project_id", "tenant_id": "project_id", "description": "description", "revision_number": "revision_number",
}

// newTable completes a table.
func newTable[T any](t table[T]) *table[T] {
	all := maps.Clone(standard)
	maps.Copy(all, t.columns)
	t.columns = map[string]string{}
	for field, column := range all {
		t.columns[field] = t.alias + "." + column
	}
	if t.scope == nil {
		t.scope = func(q *bun.SelectQuery, c *auth.Context) *bun.SelectQuery {
			return db.Scope(q, c, t.alias+".project_id")
		}
	}
	return &t
}

func std[T any](row *T) *network.Base { return any(row).(network.Resource).Std() }

// Create implements network.Table.
func (t *table[T]) Create(ctx context.Context, rows ...*T) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := t.d.Query(ctx).NewInsert().Model(&rows).Returning("NULL").Exec(ctx)
	return taken(err)
}

// Get implements network.Table.
func (t *table[T]) Get(ctx context.Context, id string) (*T, error) {
	row, err := t.Row(ctx, id)
	if err != nil {
		return nil, err
	}
	return row, t.complete(ctx, []*T{row})
}

// Row implements network.Table.
func (t *table[T]) Row(ctx context.Context, id string) (*T, error) {
	if !storable(id) {
		return nil, t.absent(id)
	}
	row := new(T)
	err := t.d.Query(ctx).NewSelect().Model(row).Where("id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, t.absent(id)
	}
	return row, err
}

// List implements network.Table.
func (t *table[T]) List(ctx context.Context, q network.Query) ([]*T, error) {
	if !storable(q.Page.Marker) {
		return nil, db.ErrMarker
	}
	var rows []*T
	sel := t.d.Query(ctx).NewSelect().Model(&rows)
	sel, ok, err := t.filter(sel, q)
	if err != nil || !ok {
		return nil, err
	}
	caller := auth.From(ctx)
	if !q.All && !caller.IsAdmin {
		sel = t.scope(sel, caller)
	}
	sel, err = q.Page.Apply(ctx, sel, t.d.Query(ctx), db.Keyset{Table: t.name, Alias: t.alias})
	if err != nil {
		return nil, err
	}
	if err := sel.Scan(ctx); err != nil {
		return nil, err
	}
	if rows = db.Ordered(q.Page, rows); q.Bare {
		return rows, nil
	}
	return rows, t.complete(ctx, rows)
}

// filter adds a query's conditions. It is not ok when they exclude all.
func (t *table[T]) filter(sel *bun.SelectQuery, q network.Query) (*bun.SelectQuery, bool, error) {
	var plain []db.Filter
	for _, f := range q.Filters {
		f.Values = slices.DeleteFunc(slices.Clone(f.Values), func(v any) bool { s, ok := v.(string); return ok && !storable(s) })
		if f.Op == db.Equal && len(f.Values) == 0 {
			return sel, false, nil
		}
		if special := t.special[f.Column]; special != nil {
			sel = special(sel, f)
		} else {
			plain = append(plain, f)
		}
	}
	sel, err := db.ApplyFilters(sel, plain, t.columns)
	return tagged(sel, t.alias, q.Tags), true, err
}

// storable reports whether a column can hold the text. PostgreSQL refuses
// others even in a comparison, so they are answered for without asking it.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// tagged limits a list by tags.
func tagged(q *bun.SelectQuery, alias string, f network.TagFilter) *bun.SelectQuery {
	const having = "(SELECT COUNT(*) FROM tags AS t WHERE t.resource_id = ?.id AND t.tag IN (?))"
	add := func(compare string, tags []string, n int) {
		if len(tags) > 0 {
			q = q.Where(having+compare, bun.Ident(alias), bun.List(tags), n)
		}
	}
	add(" = ?", f.All, len(f.All))
	add(" > ?", f.Any, 0)
	add(" < ?", f.NotAll, len(f.NotAll))
	add(" = ?", f.NotAny, 0)
	return q
}

// complete loads what belongs to rows.
func (t *table[T]) complete(ctx context.Context, rows []*T) error {
	if len(rows) == 0 {
		return nil
	}
	if t.tags {
		if err := loadTags(ctx, t.d, rows); err != nil {
			return err
		}
	}
	if t.fill == nil {
		return nil
	}
	return t.fill(ctx, rows)
}

func loadTags[T any](ctx context.Context, d *db.DB, rows []*T) error {
	byID := make(map[string]*network.Base, len(rows))
	ids := make([]string, len(rows))
	for i, row := range rows {
		b := std(row)
		byID[b.ID], ids[i] = b, b.ID
	}
	return pairs(ctx, d.Query(ctx).NewSelect().Table("tags").Column("resource_id", "tag").
		Where("resource_id IN (?)", bun.List(ids)).Order("tag"), func(id, tag string) {
		byID[id].Tags = append(byID[id].Tags, tag)
	})
}

// pairs reads rows of two texts.
func pairs(ctx context.Context, q *bun.SelectQuery, each func(a, b string)) error {
	rows, err := q.Rows(ctx)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		each(a, b)
	}
	return rows.Err()
}

// Update implements network.Table.
func (t *table[T]) Update(ctx context.Context, row *T) error {
	b := std(row)
	res, err := t.d.Query(ctx).NewUpdate().Model(row).
		Where("id = ?", b.ID).Where("revision_number = ?", b.RevisionNumber-1).Exec(ctx)
	return db.CAS(res, taken(err), network.ErrTaken)
}

// Delete implements network.Table.
func (t *table[T]) Delete(ctx context.Context, id string) error {
	if t.tags {
		if _, err := t.d.Query(ctx).NewDelete().Table("tags").Where("resource_id = ?", id).Exec(ctx); err != nil {
			return err
		}
	}
	res, err := t.d.Query(ctx).NewDelete().Table(t.name).Where("id = ?", id).Exec(ctx)
	return db.CAS(res, err, t.absent(id))
}

// SetTags implements network.Store.
func (s *Store) SetTags(ctx context.Context, id string, tags []string) error {
	return s.d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Table("tags").Where("resource_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		for _, tag := range tags {
			if _, err := tx.NewRaw("INSERT INTO tags (resource_id, tag) VALUES (?, ?)", id, tag).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

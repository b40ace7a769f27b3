package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"nubo/internal/auth"
)

// ErrMarker says that the row a list should continue after is not there.
var ErrMarker = errors.New("marker not found")

// SortKey is one column of an order. NULL sorts before every value, and
// after it with Desc.
type SortKey struct {
	Column string
	Desc   bool
}

// Page is the part of a list that a request asks for.
type Page struct {
	Marker string // id of the last row of the page before; "" for the first page
	Limit  int    // 0 for no limit
	Sort   []SortKey
	// PageReverse asks for the page that ends before the marker. The rows come
	// in reverse; [Ordered] turns them.
	PageReverse bool
}

// Keyset says where a list's rows are.
type Keyset struct {
	Table string // the table, in which the marker is looked up
	Alias string // what the query calls it; the table's name if empty
	ID    string // the unique column that markers name; "id" if empty
	// Scope limits the rows a marker may name, usually by [Scope], so that
	// another project's id is not found. It must not use the alias.
	Scope func(*bun.SelectQuery) *bun.SelectQuery
}

// Apply orders and limits q to the page, and has it start after the marker's
// row. The columns to sort by must be the caller's own, never a request's
// words. The id is always the last key: that makes the order total. The error
// is ErrMarker if there is no such row.
func (p Page) Apply(ctx context.Context, q *bun.SelectQuery, d bun.IDB, k Keyset) (*bun.SelectQuery, error) {
	if k.ID == "" {
		k.ID = "id"
	}
	if k.Alias == "" {
		k.Alias = k.Table
	}
	keys := p.keys(k.ID)
	if p.Marker != "" {
		nulls, err := markerNulls(ctx, d, k, p.Marker, keys)
		if err != nil {
			return nil, err
		}
		q = after(q, k, p.Marker, keys, nulls)
	}
	for _, key := range keys {
		order := "?.? ASC NULLS FIRST"
		if key.Desc {
			order = "?.? DESC NULLS LAST"
		}
		if key.Column == k.ID { // never NULL, and so an index serves both engines
			order, _, _ = strings.Cut(order, " NULLS")
		}
		q = q.OrderExpr(order, bun.Ident(k.Alias), bun.Ident(key.Column))
	}
	if p.Limit > 0 {
		q = q.Limit(int64(p.Limit))
	}
	return q, nil
}

// keys is the full order: up to and with the id, in the direction of paging.
func (p Page) keys(id string) []SortKey {
	keys := slices.Clone(p.Sort)
	if i := slices.IndexFunc(keys, func(s SortKey) bool { return s.Column == id }); i >= 0 {
		keys = keys[:i+1]
	} else {
		// In the direction of the key before it one index gives the order.
		keys = append(keys, SortKey{Column: id, Desc: len(keys) > 0 && keys[len(keys)-1].Desc})
	}
	if p.PageReverse {
		for i := range keys {
			keys[i].Desc = !keys[i].Desc
		}
	}
	return keys
}

// markerNulls finds the marker's row and says which of its keys are NULL.
func markerNulls(ctx context.Context, d bun.IDB, k Keyset, marker string, keys []SortKey) ([]bool, error) {
	q := d.NewSelect().TableExpr("?", bun.Ident(k.Table)).Where("? = ?", bun.Ident(k.ID), marker)
	nulls := make([]bool, len(keys))
	dest := make([]any, len(keys))
	for i, key := range keys {
		q = q.ColumnExpr("? IS NULL", bun.Ident(key.Column))
		dest[i] = &nulls[i]
	}
	if k.Scope != nil {
		q = k.Scope(q)
	}
	err := q.Scan(ctx, dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrMarker
	}
	if err != nil {
		return nil, fmt.Errorf("look up marker: %w", err)
	}
	return nulls, nil
}

// after adds the condition that a row comes after the marker's: it is beyond
// it in some key and equal to it in all keys before. The marker's values are
// subqueries, evaluated once, so that they never pass through Go's types.
func after(q *bun.SelectQuery, k Keyset, marker string, keys []SortKey, nulls []bool) *bun.SelectQuery {
	value := func(key SortKey) schema.QueryWithArgs {
		return bun.SafeQuery("(SELECT ? FROM ? WHERE ? = ?)", bun.Ident(key.Column), bun.Ident(k.Table), bun.Ident(k.ID), marker)
	}
	column := func(key SortKey) schema.QueryWithArgs {
		return bun.SafeQuery("?.?", bun.Ident(k.Alias), bun.Ident(key.Column))
	}
	// A bound on the first key alone lets an index seek to it.
	if first := keys[0]; !nulls[0] && len(keys) > 1 {
		if first.Desc {
			q = q.Where("(? <= ? OR ? IS NULL)", column(first), value(first), column(first))
		} else {
			q = q.Where("? >= ?", column(first), value(first))
		}
	}
	return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for i, key := range keys {
			q = q.WhereGroup(" OR ", func(q *bun.SelectQuery) *bun.SelectQuery {
				for j, before := range keys[:i] {
					if nulls[j] {
						q = q.Where("? IS NULL", column(before))
					} else {
						q = q.Where("? = ?", column(before), value(before))
					}
				}
				switch {
				case nulls[i] && key.Desc:
					return q.Where("1 = 0") // NULL is the last: nothing is beyond it
				case nulls[i]:
					return q.Where("? IS NOT NULL", column(key))
				case key.Desc:
					return q.Where("(? < ? OR ? IS NULL)", column(key), value(key), column(key))
				}
				return q.Where("? > ?", column(key), value(key))
			})
		}
		return q
	})
}

// Ordered puts the rows of a page in the list's order.
func Ordered[T any](p Page, rows []T) []T {
	if p.PageReverse {
		slices.Reverse(rows)
	}
	return rows
}

// Scope limits q to the caller's project unless the caller is an admin. A
// caller without a project sees nothing.
func Scope(q *bun.SelectQuery, c *auth.Context, column string) *bun.SelectQuery {
	switch {
	case c.IsAdmin:
		return q
	case c.ProjectID == "":
		return q.Where("1 = 0")
	}
	return q.Where("? = ?", bun.Ident(column), c.ProjectID)
}

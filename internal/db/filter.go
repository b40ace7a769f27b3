package db

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// ErrFilter says that a list cannot be filtered by the named field.
var ErrFilter = errors.New("unknown filter")

// Op is how a filter compares.
type Op int

// The operations. Contains, HasPrefix and HasSuffix ignore case on both
// engines.
const (
	Equal     Op = iota // equal to any of the values
	NotEqual            // equal to none of them; NULL is
	Contains            // holds any of the values
	HasPrefix           // begins with any of the values
	HasSuffix           // ends with any of the values
	Less                // the rest compare with the first value
	LessOrEqual
	Greater
	GreaterOrEqual
	IsNull // has no value
	NotNull
)

// Filter is one condition of a list. The values must have the column's type
// (a bool for a BOOLEAN): the engines differ in what they convert.
type Filter struct {
	Column string // the field as the API names it
	Op     Op
	Values []any
}

// ApplyFilters adds the filters to q, all of which must hold. The map says
// which column a field is; a field that is not in it is ErrFilter.
func ApplyFilters(q *bun.SelectQuery, filters []Filter, columns map[string]string) (*bun.SelectQuery, error) {
	for _, f := range filters {
		column, ok := columns[f.Column]
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrFilter, f.Column)
		}
		q = f.apply(q, bun.Ident(column))
	}
	return q, nil
}

func (f Filter) apply(q *bun.SelectQuery, column bun.Ident) *bun.SelectQuery {
	switch f.Op {
	case IsNull:
		return q.Where("? IS NULL", column)
	case NotNull:
		return q.Where("? IS NOT NULL", column)
	}
	if len(f.Values) == 0 {
		if f.Op == NotEqual {
			return q
		}
		return q.Where("1 = 0")
	}
	switch f.Op {
	case Equal:
		return q.Where("? IN (?)", column, bun.List(f.Values))
	case NotEqual:
		return q.Where("(? NOT IN (?) OR ? IS NULL)", column, bun.List(f.Values), column)
	case Contains, HasPrefix, HasSuffix:
		return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			for _, v := range f.Values {
				q = q.WhereOr(`LOWER(?) LIKE LOWER(?) ESCAPE '\'`, column, f.pattern(v))
			}
			return q
		})
	}
	compare := map[Op]string{Less: "? < ?", LessOrEqual: "? <= ?", Greater: "? > ?", GreaterOrEqual: "? >= ?"}[f.Op]
	return q.Where(compare, column, f.Values[0])
}

var escapeLike = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func (f Filter) pattern(v any) string {
	p := escapeLike.Replace(fmt.Sprint(v))
	if f.Op != HasSuffix {
		p += "%"
	}
	if f.Op != HasPrefix {
		p = "%" + p
	}
	return p
}

// maxList is the longest list of one length that [List] gives.
const maxList = 128

// List is bun.List for a condition "column IN (?)", with the last value
// repeated until there are a power of two: statements with so few different
// lengths are found prepared.
func List[T any](values []T) schema.QueryAppender {
	if n := len(values); n > 0 && n < maxList {
		full := slices.Grow(slices.Clone(values), n)
		for len(full)&(len(full)-1) != 0 {
			full = append(full, values[n-1])
		}
		values = full
	}
	return bun.List(values)
}

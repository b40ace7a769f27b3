package db

import (
	"database/sql/driver"
	"errors"
	"regexp"
	"sync/atomic"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"modernc.org/sqlite"
)

// lastRegexp is the expression compiled last: a query has one for all rows.
var lastRegexp atomic.Pointer[regexp.Regexp]

// SQLite gets the REGEXP operator, with Go's expressions, which take linear
// time whatever a user writes. Like a driver it is registered once for the
// process, before the first connection.
func init() {
	sqlite.MustRegisterDeterministicScalarFunction("regexp", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		pattern, ok1 := args[0].(string)
		text, ok2 := args[1].(string)
		if !ok1 || !ok2 {
			return int64(0), nil
		}
		re := lastRegexp.Load()
		if re == nil || re.String() != pattern {
			var err error
			if re, err = regexp.Compile(pattern); err != nil {
				return nil, errors.New("regexp: " + err.Error())
			}
			lastRegexp.Store(re)
		}
		if re.MatchString(text) {
			return int64(1), nil
		}
		return int64(0), nil
	})
}

// Matches adds the condition that a column matches a regular expression. The
// caller has made sure that it compiles. With lines ^ and $ also match at the
// ends of lines.
func (d *DB) Matches(q *bun.SelectQuery, column, pattern string, lines bool) *bun.SelectQuery {
	if d.Dialect() == dialect.PG {
		if lines {
			pattern = "(?n)" + pattern
		}
		return q.Where("? ~ ?", bun.Ident(column), pattern)
	}
	if lines {
		pattern = "(?m)" + pattern
	}
	return q.Where("? REGEXP ?", bun.Ident(column), pattern)
}

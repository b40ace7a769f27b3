package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"modernc.org/sqlite"
)

// SQLite gets the REGEXP operator, with Go's expressions, which take linear
// time whatever a user writes. Like a driver it is registered once for the
// process, before the first connection.
func init() {
	var last sync.Map // the few expressions in use, compiled
	sqlite.MustRegisterDeterministicScalarFunction("regexp", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		pattern, ok1 := args[0].(string)
		text, ok2 := args[1].(string)
		if !ok1 || !ok2 {
			return int64(0), nil
		}
		re, ok := last.Load(pattern)
		if !ok {
			compiled, err := regexp.Compile(pattern)
			if err != nil {
				return nil, errors.New("regexp: " + err.Error())
			}
			last.Clear() // one list, one pattern: this is no cache of users' words
			last.Store(pattern, compiled)
			re = compiled
		}
		if re.(*regexp.Regexp).MatchString(text) {
			return int64(1), nil
		}
		return int64(0), nil
	})
}

// matches adds the condition that a column matches a regular expression.
func (s *Store) matches(q *bun.SelectQuery, column, pattern string) *bun.SelectQuery {
	operator := "REGEXP"
	if s.db.Dialect() == dialect.PG {
		operator = "~"
	}
	return q.Where(fmt.Sprintf("? %s ?", operator), bun.Ident(column), pattern)
}

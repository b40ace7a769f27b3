package db

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"nubo/internal/trace"
)

// spans records PostgreSQL's statements as spans of the request that asks for
// them; SQLite's are where they are kept prepared, see keeper.
type spans struct{}

// BeforeQuery implements bun.QueryHook.
func (spans) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

// AfterQuery implements bun.QueryHook.
func (spans) AfterQuery(ctx context.Context, e *bun.QueryEvent) {
	if trace.From(ctx) == nil || errors.Is(e.Err, sql.ErrTxDone) { // the rollback that follows a commit
		return
	}
	err := e.Err
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	trace.Note(ctx, trace.SQL, texts.one(withoutValues(e.Query)), e.StartTime, err)
}

// texts keeps each text that spans show once.
var texts = interned{all: map[string]string{}}

type interned struct {
	mu  sync.Mutex
	all map[string]string // guarded by mu
}

// maxTexts bounds them: statements with lists come in many lengths.
const maxTexts = 4000

func (i *interned) one(text string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.all[text]; ok {
		return known
	}
	if len(i.all) >= maxTexts {
		text, _, _ = strings.Cut(text, " ")
		return strings.Clone(text) + " …"
	}
	i.all[text] = text
	return text
}

// commit commits, and records how long that took.
func commit(ctx context.Context, tx bun.Tx, hooked bool) error {
	start := time.Now()
	err := tx.Commit()
	if !hooked {
		trace.Note(ctx, trace.SQL, "COMMIT", start, err)
	}
	return err
}

// turn waits for a turn to write; a wait that can be felt is a span.
func (d *DB) turn(ctx context.Context, weight int64) error {
	start := time.Now()
	err := d.writers.Acquire(ctx, weight)
	if err != nil || time.Since(start) > time.Millisecond {
		trace.Note(ctx, trace.SQL, "wait for the turn to write", start, err)
	}
	return err
}

const (
	// shownText is how much of a statement a span shows, scannedText how much
	// of it is read to find that.
	shownText   = 240
	scannedText = 8000
	// shownColumns is how long a list of columns is shown as it is.
	shownColumns = 40
)

// withoutValues gives the beginning of a statement with a question mark in
// the place of each literal: what is in them is nobody's business, and the
// statement's shape says which it is. A long list of columns is left out.
func withoutValues(query string) string {
	out := make([]byte, 0, shownText+64)
	columns := strings.HasPrefix(query, "SELECT ")
	for i := 0; i < min(len(query), scannedText) && (columns || len(out) < shownText); {
		n := 1
		switch c := query[i]; class[c] {
		case quote:
			var name string
			if name, n = quoted(query[i:]); n == 0 || c == '\'' {
				name = "?"
			}
			if out = append(out, name...); n == 0 { // without an end
				return string(out)
			}
		case digit:
			n = wordLen(query[i:])
			out = append(out, '?')
		case letter:
			n = wordLen(query[i:])
			word := query[i : i+n]
			if columns && word == "FROM" {
				if columns = false; len(out) > shownColumns {
					out = append(out[:0], "SELECT … "...)
				}
			}
			out = append(out, word...)
		default:
			out = append(out, c)
		}
		i += n
	}
	return string(out)
}

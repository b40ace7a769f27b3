package db

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
)

// JSON is a column that holds V as JSON text. NULL and the zero V are told
// apart only by V's own encoding: NULL reads as the zero V.
type JSON[T any] struct{ V T }

// JSONOf wraps a value for a JSON column.
func JSONOf[T any](v T) JSON[T] { return JSON[T]{V: v} }

// Value encodes V for the database.
func (j JSON[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(j.V)
	if err != nil {
		return nil, fmt.Errorf("encode a JSON column: %w", err)
	}
	return string(b), nil
}

// Scan decodes V from the database.
func (j *JSON[T]) Scan(src any) error {
	var zero T
	j.V = zero
	var b []byte
	switch src := src.(type) {
	case nil:
		return nil
	case string:
		b = []byte(src)
	case []byte:
		b = src
	default:
		return fmt.Errorf("decode a JSON column: it holds a %T", src)
	}
	if err := json.Unmarshal(b, &j.V); err != nil {
		return fmt.Errorf("decode a JSON column: %w", err)
	}
	return nil
}

// Package testx holds the few assertions nubo's tests share, and how they ask
// an API (answer.go).
package testx

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Equal fails the test with a diff unless got equals want.
func Equal(t testing.TB, got, want any, opts ...cmp.Option) {
	t.Helper()
	if d := cmp.Diff(want, got, opts...); d != "" {
		t.Fatalf("mismatch (-want +got):\n%s", d)
	}
}

// NoErr fails the test if err is not nil.
func NoErr(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// ErrIs fails the test unless errors.Is(err, target).
func ErrIs(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v; want %v", err, target)
	}
}

// Must returns v and fails the test if err is not nil.
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		NoErr(t, err)
		return v
	}
}

// Eventually waits until ok holds. The limit is generous on purpose: it
// bounds a broken test, it does not assert speed.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

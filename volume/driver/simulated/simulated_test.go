package simulated_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"nubo/internal/testx"
	"nubo/volume/driver"
	"nubo/volume/driver/simulated"
)

func open(t *testing.T, file string) driver.Driver {
	t.Helper()
	d := simulated.New(simulated.Config{File: file, CapacityGB: 10})
	testx.NoErr(t, d.Setup(t.Context()))
	return d
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "state", "volumes.json") }

func TestLife(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), file(t)
	d := open(t, path)
	testx.NoErr(t, d.Create(ctx, "a", 2))
	testx.NoErr(t, d.Create(ctx, "a", 2)) // again, after a kill
	testx.NoErr(t, d.CreateFromVolume(ctx, "b", 3, "a"))
	read := int64(0)
	testx.NoErr(t, d.CreateFromImage(ctx, "c", 1, strings.NewReader("image"), "raw", func(n int64) { read = n }))
	testx.Equal(t, read, int64(5))
	testx.NoErr(t, d.Extend(ctx, "c", 2))
	testx.NoErr(t, d.Extend(ctx, "c", 2))
	total, free, err := d.Capacity(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, []int{total, free}, []int{10, 3})
	conn, err := d.Export(ctx, "a", "host", false)
	testx.NoErr(t, err)
	testx.Equal(t, conn, driver.Connection{Type: "simulated", Data: map[string]any{"export": "a"}})
	testx.NoErr(t, d.Close())

	// Another process finds it all.
	d = open(t, path)
	ids, err := d.List(ctx)
	testx.NoErr(t, err)
	slices.Sort(ids)
	testx.Equal(t, ids, []string{"a", "b", "c"})
	if err := d.Delete(ctx, "a"); err == nil {
		t.Fatal("deleted what is exported")
	}
	for range 2 {
		testx.NoErr(t, d.Unexport(ctx, "a"))
		testx.NoErr(t, d.Delete(ctx, "a"))
	}
	testx.NoErr(t, d.Purge(ctx))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := open(t, file(t))
	testx.NoErr(t, d.Create(t.Context(), "a", 2))
	broken := errors.New("broken")
	for name, do := range map[string]func(context.Context) error{
		"copy of nothing":   func(ctx context.Context) error { return d.CreateFromVolume(ctx, "b", 1, "none") },
		"extend of nothing": func(ctx context.Context) error { return d.Extend(ctx, "none", 1) },
		"shrink":            func(ctx context.Context) error { return d.Extend(ctx, "a", 1) },
		"export of nothing": func(ctx context.Context) error { _, err := d.Export(ctx, "none", "host", false); return err },
		"broken image": func(ctx context.Context) error {
			return d.CreateFromImage(ctx, "b", 1, iotest.ErrReader(broken), "raw", func(int64) {})
		},
	} {
		if err := do(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	ids, err := d.List(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, ids, []string{"a"})
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "volumes.json")
	testx.NoErr(t, os.WriteFile(path, []byte("{"), 0o600))
	err := simulated.New(simulated.Config{File: path}).Setup(t.Context())
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("got %v", err)
	}
}

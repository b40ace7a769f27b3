package driver

import (
	"context"
	"io"

	"nubo/internal/trace"
)

// Traced has what a driver is asked for recorded as spans of the request it
// is asked by.
func Traced(d Driver) Driver { return traced{d} }

type traced struct{ Driver }

func (t traced) span(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, span := trace.Begin(ctx, trace.Native, t.Name()+": "+what)
	err := do(ctx)
	span.End(err)
	return err
}

// Create implements Driver.
func (t traced) Create(ctx context.Context, id string, sizeGB int) error {
	return t.span(ctx, "create", func(ctx context.Context) error { return t.Driver.Create(ctx, id, sizeGB) })
}

// CreateFromImage implements Driver.
func (t traced) CreateFromImage(ctx context.Context, id string, sizeGB int, image io.Reader, format string, progress func(written int64)) error {
	return t.span(ctx, "create from image", func(ctx context.Context) error {
		return t.Driver.CreateFromImage(ctx, id, sizeGB, image, format, progress)
	})
}

// CreateFromVolume implements Driver.
func (t traced) CreateFromVolume(ctx context.Context, id string, sizeGB int, sourceID string) error {
	return t.span(ctx, "create from volume", func(ctx context.Context) error { return t.Driver.CreateFromVolume(ctx, id, sizeGB, sourceID) })
}

// Extend implements Driver.
func (t traced) Extend(ctx context.Context, id string, sizeGB int) error {
	return t.span(ctx, "extend", func(ctx context.Context) error { return t.Driver.Extend(ctx, id, sizeGB) })
}

// Delete implements Driver.
func (t traced) Delete(ctx context.Context, id string) error {
	return t.span(ctx, "delete", func(ctx context.Context) error { return t.Driver.Delete(ctx, id) })
}

// Export implements Driver.
func (t traced) Export(ctx context.Context, id, host string, readOnly bool) (c Connection, err error) {
	err = t.span(ctx, "export", func(ctx context.Context) error {
		c, err = t.Driver.Export(ctx, id, host, readOnly)
		return err
	})
	return c, err
}

// Unexport implements Driver.
func (t traced) Unexport(ctx context.Context, id string) error {
	return t.span(ctx, "unexport", func(ctx context.Context) error { return t.Driver.Unexport(ctx, id) })
}

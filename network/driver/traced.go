package driver

import (
	"context"

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

// ApplyNetwork implements Driver.
func (t traced) ApplyNetwork(ctx context.Context, n Network) error {
	return t.span(ctx, "apply network", func(ctx context.Context) error { return t.Driver.ApplyNetwork(ctx, n) })
}

// RemoveNetwork implements Driver.
func (t traced) RemoveNetwork(ctx context.Context, id string) error {
	return t.span(ctx, "remove network", func(ctx context.Context) error { return t.Driver.RemoveNetwork(ctx, id) })
}

// ApplyPort implements Driver.
func (t traced) ApplyPort(ctx context.Context, p Port) error {
	return t.span(ctx, "apply port", func(ctx context.Context) error { return t.Driver.ApplyPort(ctx, p) })
}

// RemovePort implements Driver.
func (t traced) RemovePort(ctx context.Context, id string) error {
	return t.span(ctx, "remove port", func(ctx context.Context) error { return t.Driver.RemovePort(ctx, id) })
}

// ApplyRouter implements Driver.
func (t traced) ApplyRouter(ctx context.Context, r Router) error {
	return t.span(ctx, "apply router", func(ctx context.Context) error { return t.Driver.ApplyRouter(ctx, r) })
}

// RemoveRouter implements Driver.
func (t traced) RemoveRouter(ctx context.Context, id string) error {
	return t.span(ctx, "remove router", func(ctx context.Context) error { return t.Driver.RemoveRouter(ctx, id) })
}

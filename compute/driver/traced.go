package driver

import (
	"context"
	"time"

	"nubo/internal/trace"
)

// Traced has what a driver is asked for recorded as spans of the request it
// is asked by; name is what the spans call it: "libvirt".
func Traced(d Driver, name string) Driver { return traced{d, name + ": "} }

type traced struct {
	Driver
	name string
}

func (t traced) span(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, span := trace.Begin(ctx, trace.Native, t.name+what)
	err := do(ctx)
	span.End(err)
	return err
}

// Spawn implements Driver; each of its steps is a span of its own.
func (t traced) Spawn(ctx context.Context, s Server, progress func(step string)) error {
	return t.span(ctx, "spawn", func(ctx context.Context) error {
		step, begun := "", time.Now()
		next := func(name string, err error) {
			if step != "" {
				trace.Note(ctx, trace.Native, t.name+step, begun, err)
			}
			step, begun = name, time.Now()
		}
		err := t.Driver.Spawn(ctx, s, func(name string) {
			next(name, nil)
			progress(name)
		})
		next("", err)
		return err
	})
}

// Destroy implements Driver.
func (t traced) Destroy(ctx context.Context, id string) error {
	return t.span(ctx, "destroy", func(ctx context.Context) error { return t.Driver.Destroy(ctx, id) })
}

// Start implements Driver.
func (t traced) Start(ctx context.Context, s Server) error {
	return t.span(ctx, "start", func(ctx context.Context) error { return t.Driver.Start(ctx, s) })
}

// Stop implements Driver.
func (t traced) Stop(ctx context.Context, id string) error {
	return t.span(ctx, "stop", func(ctx context.Context) error { return t.Driver.Stop(ctx, id) })
}

// Reboot implements Driver.
func (t traced) Reboot(ctx context.Context, s Server, hard bool) error {
	return t.span(ctx, "reboot", func(ctx context.Context) error { return t.Driver.Reboot(ctx, s, hard) })
}

// AttachVolume implements Driver.
func (t traced) AttachVolume(ctx context.Context, id string, d Disk) error {
	return t.span(ctx, "attach volume", func(ctx context.Context) error { return t.Driver.AttachVolume(ctx, id, d) })
}

// DetachVolume implements Driver.
func (t traced) DetachVolume(ctx context.Context, id string, d Disk) error {
	return t.span(ctx, "detach volume", func(ctx context.Context) error { return t.Driver.DetachVolume(ctx, id, d) })
}

// AttachInterface implements Driver.
func (t traced) AttachInterface(ctx context.Context, id string, i Interface) error {
	return t.span(ctx, "attach interface", func(ctx context.Context) error { return t.Driver.AttachInterface(ctx, id, i) })
}

// DetachInterface implements Driver.
func (t traced) DetachInterface(ctx context.Context, id string, i Interface) error {
	return t.span(ctx, "detach interface", func(ctx context.Context) error { return t.Driver.DetachInterface(ctx, id, i) })
}

package volume

import (
	"context"
	"errors"
	"slices"

	"nubo/internal/fault"
)

// What the manager tells of a volume's way. Each of these is one transaction
// with its notification. A volume that was deleted or reset meanwhile is left
// as it is: that decision stands.

// unfinished are the statuses in which a manager has work to do.
var unfinished = []string{StatusCreating, StatusDownloading, StatusExtending, StatusDeleting}

// step changes a volume whose status is one of from.
func (s *Volumes) step(ctx context.Context, id string, from []string, fn func(ctx context.Context, v *Volume) error) error {
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		v, err := s.store.Volume(ctx, id)
		if err != nil {
			return err
		}
		if !slices.Contains(from, v.Status) {
			return nil
		}
		return fn(ctx, v)
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Downloading says that an image is being written to the volume.
func (s *Volumes) Downloading(ctx context.Context, id string) error {
	return s.step(ctx, id, []string{StatusCreating}, func(ctx context.Context, v *Volume) error {
		return s.setStatus(ctx, v, StatusDownloading, StatusCreating)
	})
}

// Created says that the volume is there.
func (s *Volumes) Created(ctx context.Context, id string) error {
	from := []string{StatusCreating, StatusDownloading}
	return s.step(ctx, id, from, func(ctx context.Context, v *Volume) error {
		v.Problem = ""
		if err := s.setStatus(ctx, v, StatusAvailable, from...); err != nil {
			return err
		}
		return s.notify(ctx, EventCreateEnd, v)
	})
}

// Extended says that the volume has the size that was asked for.
func (s *Volumes) Extended(ctx context.Context, id string) error {
	return s.step(ctx, id, []string{StatusExtending}, func(ctx context.Context, v *Volume) error {
		v.SizeGB, v.ExtendTo, v.Problem = max(v.SizeGB, v.ExtendTo), 0, ""
		if err := s.setStatus(ctx, v, StatusAvailable, StatusExtending); err != nil {
			return err
		}
		return s.notify(ctx, EventResizeEnd, v)
	})
}

// Deleted says that the volume's data are gone, and forgets it.
func (s *Volumes) Deleted(ctx context.Context, id string) error {
	return s.step(ctx, id, []string{StatusDeleting}, func(ctx context.Context, v *Volume) error {
		if err := s.store.DeleteVolume(ctx, id); err != nil {
			return err
		}
		return s.notify(ctx, EventDeleteEnd, v)
	})
}

// Failed ends what was unfinished with an error and its reason.
func (s *Volumes) Failed(ctx context.Context, id string, problem error) error {
	return s.step(ctx, id, unfinished, func(ctx context.Context, v *Volume) error {
		was := v.Status
		status, doing := StatusError, "create volume"
		switch was {
		case StatusDeleting:
			status, doing = StatusErrorDeleting, "delete volume"
		case StatusExtending:
			status, doing = StatusErrorExtend, "extend volume"
			v.ExtendTo = 0
		}
		v.Problem = doing + ": " + reason(problem)
		if err := s.setStatus(ctx, v, status, was); err != nil {
			return err
		}
		if status == StatusError {
			return s.notify(ctx, EventCreateError, v)
		}
		return nil
	})
}

// reason is what the volume's owner is told. What is nubo's own is for the log.
func reason(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind != fault.Internal {
		return f.Msg
	}
	return "The storage back end could not do it. The log of cinder-volume has the reason."
}

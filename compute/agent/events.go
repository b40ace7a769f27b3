package agent

import (
	"context"
	"errors"

	"nubo/compute"
)

// externalEvents takes what other services say of servers.
func (h *host) externalEvents(ctx context.Context, args compute.EventsArgs) (nothing, error) {
	// Those that somebody may be waiting for come first: what follows may
	// have to wait for him.
	for _, e := range args.Events {
		if e.Name == "network-vif-plugged" {
			h.plugs.tell(e.ServerID, e.Tag, e.Status != "failed")
		}
	}
	var errs error
	for _, e := range args.Events {
		switch e.Name {
		case "network-changed":
			errs = errors.Join(errs, h.alone(ctx, e.ServerID, func(ctx context.Context) error {
				s, err := h.current(ctx, e.ServerID)
				if err != nil || s == nil || s.TaskState == compute.Deleting {
					return err
				}
				return h.refresh(ctx, s)
			}))
		case "network-vif-deleted":
			errs = errors.Join(errs, h.alone(ctx, e.ServerID, func(ctx context.Context) error {
				s, err := h.current(ctx, e.ServerID)
				if err != nil || s == nil || s.TaskState == compute.Deleting {
					return err
				}
				return h.detachInterface(ctx, s, compute.InterfaceArgs{PortID: e.Tag})
			}))
		}
	}
	return nothing{}, errs
}

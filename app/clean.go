package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"nubo/compute/driver/libvirt"
	"nubo/network/driver/linux"
)

// cleanHost removes what a cloud made on this host, with nobody running it:
// guests first, then what they used. It goes on after a failure, so that one
// broken thing does not keep the others.
func cleanHost(ctx context.Context, set *settings) error {
	if set.host.Virt == "simulated" {
		return nil
	}
	var errs []error
	quiet := slog.New(slog.DiscardHandler)
	if err := libvirt.New(libvirtConfigOf(set, quiet)).Purge(ctx); err != nil {
		errs = append(errs, fmt.Errorf("guests: %w", err))
	}
	if err := volumeDriver(set, quiet).Purge(ctx); err != nil {
		errs = append(errs, fmt.Errorf("volumes: %w", err))
	}
	cfg, err := linuxConfigOf(set)
	if err == nil {
		cfg.Log = quiet
		var networks *linux.Driver
		if networks, err = linux.New(cfg); err == nil {
			err = networks.Purge(ctx)
		}
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("networks: %w", err))
	}
	return errors.Join(errs...)
}

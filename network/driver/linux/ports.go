package linux

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/vishvananda/netlink"

	"nubo/internal/fault"
	"nubo/internal/trace"
	"nubo/network/driver"
)

var deviceForm = regexp.MustCompile(`^[a-zA-Z][0-9a-zA-Z-]{1,14}$`)

// ApplyPort makes the port's tap, loads its rules and then plugs it.
func (d *Driver) ApplyPort(ctx context.Context, p driver.Port) error {
	if err := checkID("port", p.ID); err != nil {
		return err
	}
	if err := checkID("network", p.NetworkID); err != nil {
		return err
	}
	if !deviceForm.MatchString(p.Device) || p.Device != tapName(p.ID) {
		return fault.Invalidf("port %s: the device must be %s, not %q", p.ID, tapName(p.ID), p.Device)
	}
	name := bridgeName(p.NetworkID)
	bridge, err := d.host.link(name)
	if err != nil {
		return err
	}
	if bridge == nil {
		return fault.NotFoundf("port %s: network %s is not on this host", p.ID, p.NetworkID)
	}
	tap, err := d.applyTap(ctx, p)
	if err != nil {
		return err
	}
	if p.Secure {
		err = d.guard.applyPort(ctx, p, name)
	} else {
		err = d.guard.removePort(ctx, p.Device)
	}
	if err != nil {
		return fmt.Errorf("guard port %s: %w", p.ID, err)
	}
	if err := d.host.enslave(tap, bridge); err != nil {
		return err
	}
	if !p.AdminStateUp {
		if err := d.host.nl.LinkSetDown(tap); err != nil {
			return fmt.Errorf("take down %s: %w", p.Device, err)
		}
	}
	return nil
}

// applyTap makes the port's interface.
func (d *Driver) applyTap(ctx context.Context, p driver.Port) (tap netlink.Link, err error) {
	begun := time.Now()
	defer func() { trace.Note(ctx, trace.Native, "netlink: tap", begun, err) }()
	if tap, err = d.host.ensureTap(p.Device); err != nil {
		return nil, err
	}
	alias := d.alias(kindPort, p.ID)
	if a := tap.Attrs().Alias; a != "" && a != alias {
		return nil, fault.Conflictf("port %s: interface %s belongs to %s", p.ID, p.Device, a)
	}
	return tap, d.host.settle(tap, alias, p.MTU)
}

// RemovePort removes the port's interface, then its rules.
func (d *Driver) RemovePort(ctx context.Context, portID string) error {
	if err := checkID("port", portID); err != nil {
		return err
	}
	name := tapName(portID)
	l, err := d.host.link(name)
	if err != nil {
		return err
	}
	if l != nil {
		if a := l.Attrs().Alias; a != "" && a != d.alias(kindPort, portID) {
			return nil // the name is another's: this port is gone
		}
		if err := d.host.linkDel(l); err != nil {
			return err
		}
	}
	return d.guard.removePort(ctx, name)
}

package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"nubo/compute/driver"
	"nubo/internal/fault"
)

// A guest has stopLimit to power off, and is asked again every askAgain: it
// does not hear the button while it boots.
const (
	stopLimit = 60 * time.Second
	askAgain  = 10 * time.Second
	statePoll = 100 * time.Millisecond
)

// Spawn makes and starts a server.
func (d *Driver) Spawn(ctx context.Context, s driver.Server, progress func(step string)) error {
	if progress == nil {
		progress = func(string) {}
	}
	defer d.changing(ctx, s.ID)()
	g, err := d.Get(ctx, s.ID)
	switch {
	case err == nil && g.State == driver.Running:
		return nil
	case err == nil:
		// A spawn that was cut short between definition and start.
		return d.boot(ctx, s)
	case !errors.Is(err, driver.ErrNoGuest):
		return err
	}
	err = d.makeDisks(ctx, s, progress)
	if err == nil {
		progress("starting")
		err = d.boot(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("spawn server %s: %w", s.ID, errors.Join(err, d.remove(context.WithoutCancel(ctx), s.ID)))
	}
	return nil
}

// Start starts a stopped server.
func (d *Driver) Start(ctx context.Context, s driver.Server) error {
	defer d.changing(ctx, s.ID)()
	g, err := d.Get(ctx, s.ID)
	if err != nil && !errors.Is(err, driver.ErrNoGuest) {
		return err
	}
	if err == nil && g.State == driver.Running {
		return nil
	}
	if err := d.start(ctx, s); err != nil {
		return fmt.Errorf("start server %s: %w", s.ID, err)
	}
	return nil
}

// start boots a server whose disks exist.
func (d *Driver) start(ctx context.Context, s driver.Server) error {
	if s.Image != nil {
		// A new disk in place of a lost one would look like success.
		if _, err := os.Stat(filepath.Join(d.dir(s.ID), rootFile)); err != nil {
			return fault.New(fault.Internal, "The system disk of server %s is lost.", s.ID).WithCause(err)
		}
	}
	if err := os.MkdirAll(d.dir(s.ID), 0o755); err != nil {
		return err
	}
	if err := d.writeConfigDrive(s); err != nil {
		return err
	}
	return d.boot(ctx, s)
}

// boot defines the domain and starts it.
func (d *Driver) boot(ctx context.Context, s driver.Server) error {
	text, err := domainXML(s, host{virtType: d.virtType, cpuMode: d.cpuMode, secModels: d.secModels, home: d.cfg.InstancesPath})
	if err != nil {
		return err
	}
	if d.starts != nil {
		select {
		case d.starts <- struct{}{}:
			defer func() { <-d.starts }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return d.conn.do(ctx, func(lv *golibvirt.Libvirt) error {
		dom, err := lv.DomainDefineXMLFlags(text, 0)
		if err != nil {
			return fmt.Errorf("define domain %s: %w", s.InstanceName, err)
		}
		_, err = lv.DomainCreateWithFlags(dom, 0)
		if err == nil {
			d.log.InfoContext(ctx, "guest started", "server", s.ID, "domain", s.InstanceName)
			return nil
		}
		if g, stateErr := guest(lv, dom); stateErr == nil && g.State == driver.Running {
			return nil
		}
		return fmt.Errorf("start domain %s: %w", s.InstanceName, err)
	})
}

// Destroy stops a server at once and removes all the host holds of it.
func (d *Driver) Destroy(ctx context.Context, id string) error {
	defer d.changing(ctx, id)()
	if err := d.remove(ctx, id); err != nil {
		return fmt.Errorf("destroy server %s: %w", id, err)
	}
	return nil
}

// remove takes the domain first: a kill in between leaves files, which a
// second call removes.
func (d *Driver) remove(ctx context.Context, id string) error {
	if err := d.removeDomain(ctx, id); err != nil {
		return err
	}
	return os.RemoveAll(d.dir(id))
}

// removeDomain ends the guest and undefines its domain.
func (d *Driver) removeDomain(ctx context.Context, id string) error {
	err := d.withDomain(ctx, id, func(lv *golibvirt.Libvirt, dom golibvirt.Domain) error {
		if err := cutPower(lv, dom); err != nil {
			return err
		}
		return lv.DomainUndefineFlags(dom, golibvirt.DomainUndefineManagedSave|golibvirt.DomainUndefineSnapshotsMetadata|
			golibvirt.DomainUndefineNvram|golibvirt.DomainUndefineCheckpointsMetadata)
	})
	if errors.Is(err, driver.ErrNoGuest) {
		return nil
	}
	return err
}

// cutPower ends a guest; one that does not run is no error.
func cutPower(lv *golibvirt.Libvirt, dom golibvirt.Domain) error {
	err := lv.DomainDestroyFlags(dom, golibvirt.DomainDestroyDefault)
	if hasCode(err, golibvirt.ErrOperationInvalid) {
		return nil
	}
	return err
}

// Stop asks the guest to power off, and cuts its power when it has not.
func (d *Driver) Stop(ctx context.Context, id string) error {
	defer d.changing(ctx, id)()
	err := d.powerOff(ctx, id)
	if errors.Is(err, driver.ErrNoGuest) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop server %s: %w", id, err)
	}
	return nil
}

// powerOff ends a guest by its own means within ctx and stopLimit, else by
// force. A cancelled ctx calls it off.
func (d *Driver) powerOff(ctx context.Context, id string) error {
	within, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	off, err := d.askPowerOff(within, id)
	if off || err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	d.log.WarnContext(ctx, "guest did not power off and is cut", "server", id)
	return d.withDomain(context.WithoutCancel(ctx), id, cutPower)
}

// askPowerOff presses the power button until the guest is off or ctx ends.
func (d *Driver) askPowerOff(ctx context.Context, id string) (off bool, err error) {
	tick := time.NewTicker(statePoll)
	defer tick.Stop()
	var asked time.Time
	for {
		err := d.withDomain(ctx, id, func(lv *golibvirt.Libvirt, dom golibvirt.Domain) error {
			g, err := guest(lv, dom)
			if err != nil || g.State == driver.Shutdown || g.State == driver.Crashed {
				off = err == nil
				return err
			}
			if time.Since(asked) < askAgain {
				return nil
			}
			asked = time.Now()
			if err := lv.DomainShutdownFlags(dom, golibvirt.DomainShutdownAcpiPowerBtn); !hasCode(err, golibvirt.ErrOperationInvalid) {
				return err
			}
			return nil // it went off in between
		})
		if off || err != nil {
			return off, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick.C:
		}
	}
}

// Reboot restarts a server: by its own means, which must take no longer than
// a stop, or hard. Its definition is made anew either way.
func (d *Driver) Reboot(ctx context.Context, s driver.Server, hard bool) error {
	defer d.changing(ctx, s.ID)()
	var err error
	if hard {
		err = d.withDomain(ctx, s.ID, cutPower)
	} else {
		err = d.powerOff(ctx, s.ID)
	}
	if errors.Is(err, driver.ErrNoGuest) {
		err = nil
	}
	if err == nil {
		err = d.start(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("reboot server %s: %w", s.ID, err)
	}
	return nil
}

package libvirt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"nubo/compute/driver"
	"nubo/internal/fault"
)

// A guest lets go of a device when its kernel has noticed the request, which
// it does not while it boots: it is asked detachAttempts times.
const (
	detachAttempts = 16
	detachWait     = 5 * time.Second
)

// device is a disk or an interface that comes and goes.
type device struct {
	what string
	xml  string // how it is attached
	// find gives the XML of the device where the domain has it.
	find func(libvirtxml.Domain) (xml string, found bool, err error)
}

// AttachVolume attaches a volume, to a running guest at once.
func (d *Driver) AttachVolume(ctx context.Context, id string, disk driver.Disk) error {
	dev, err := volumeDevice(disk)
	if err == nil {
		err = d.attach(ctx, id, dev)
	}
	if err != nil {
		return fmt.Errorf("attach volume %s: %w", disk.VolumeID, err)
	}
	return nil
}

// DetachVolume detaches a volume and waits until the guest has let go of it.
func (d *Driver) DetachVolume(ctx context.Context, id string, disk driver.Disk) error {
	if err := d.detach(ctx, id, device{what: "volume", find: findDisk(disk.Serial)}); err != nil {
		return fmt.Errorf("detach volume %s: %w", disk.VolumeID, err)
	}
	return nil
}

// AttachInterface attaches a port.
func (d *Driver) AttachInterface(ctx context.Context, id string, i driver.Interface) error {
	nic := interfaceDevice(i)
	text, err := nic.Marshal()
	if err == nil {
		err = d.attach(ctx, id, device{what: "interface", xml: text, find: findInterface(i.MAC)})
	}
	if err != nil {
		return fmt.Errorf("attach port %s: %w", i.PortID, err)
	}
	return nil
}

// DetachInterface detaches a port and waits until the guest has let go of it.
func (d *Driver) DetachInterface(ctx context.Context, id string, i driver.Interface) error {
	if err := d.detach(ctx, id, device{what: "interface", find: findInterface(i.MAC)}); err != nil {
		return fmt.Errorf("detach port %s: %w", i.PortID, err)
	}
	return nil
}

func volumeDevice(d driver.Disk) (device, error) {
	disk, err := volumeDisk(d)
	if err != nil {
		return device{}, err
	}
	text, err := disk.Marshal()
	return device{what: "volume", xml: text, find: findDisk(d.Serial)}, err
}

func findDisk(serial string) func(libvirtxml.Domain) (string, bool, error) {
	return func(dom libvirtxml.Domain) (string, bool, error) {
		for _, disk := range dom.Devices.Disks {
			if disk.Serial == serial && serial != "" {
				text, err := disk.Marshal()
				return text, true, err
			}
		}
		return "", false, nil
	}
}

func findInterface(mac string) func(libvirtxml.Domain) (string, bool, error) {
	return func(dom libvirtxml.Domain) (string, bool, error) {
		for _, nic := range dom.Devices.Interfaces {
			if nic.MAC != nil && strings.EqualFold(nic.MAC.Address, mac) {
				text, err := nic.Marshal()
				return text, true, err
			}
		}
		return "", false, nil
	}
}

// presence is where a domain has a device: in the running guest, in the
// definition that the next start uses.
type presence struct {
	running     bool   // the guest runs
	live        bool   // the running guest has the device
	config      bool   // the definition has it
	liveXML     string // as the running guest has it
	configXML   string
	missingLive bool // the guest runs without it
}

func look(lv *golibvirt.Libvirt, dom golibvirt.Domain, dev device) (presence, error) {
	var p presence
	g, err := guest(lv, dom)
	if err != nil {
		return p, err
	}
	p.running = g.State == driver.Running || g.State == driver.Paused || g.State == driver.Suspended
	read := func(flags golibvirt.DomainXMLFlags) (string, bool, error) {
		text, err := lv.DomainGetXMLDesc(dom, flags)
		if err != nil {
			return "", false, err
		}
		var parsed libvirtxml.Domain
		if err := parsed.Unmarshal(text); err != nil {
			return "", false, fmt.Errorf("read the domain: %w", err)
		}
		if parsed.Devices == nil {
			return "", false, nil
		}
		return dev.find(parsed)
	}
	if p.configXML, p.config, err = read(golibvirt.DomainXMLInactive); err != nil {
		return p, err
	}
	if p.running {
		if p.liveXML, p.live, err = read(0); err != nil {
			return p, err
		}
	}
	p.missingLive = p.running && !p.live
	return p, nil
}

// attach adds the device wherever the domain has it not yet.
func (d *Driver) attach(ctx context.Context, id string, dev device) error {
	return d.withDomain(ctx, id, func(lv *golibvirt.Libvirt, dom golibvirt.Domain) error {
		p, err := look(lv, dom, dev)
		if err != nil {
			return err
		}
		var flags golibvirt.DomainDeviceModifyFlags
		if p.missingLive {
			flags |= golibvirt.DomainDeviceModifyLive
		}
		if !p.config {
			flags |= golibvirt.DomainDeviceModifyConfig
		}
		if flags == 0 {
			return nil
		}
		return lv.DomainAttachDeviceFlags(dom, dev.xml, uint32(flags))
	})
}

// detach takes the device from the running guest, and then from the
// definition: a kill in between leaves a call that can be repeated. A server
// that is gone has no device.
func (d *Driver) detach(ctx context.Context, id string, dev device) error {
	err := d.withDomain(ctx, id, func(lv *golibvirt.Libvirt, dom golibvirt.Domain) error {
		if err := d.detachLive(ctx, lv, dom, dev); err != nil {
			return err
		}
		p, err := look(lv, dom, dev)
		if err != nil || !p.config {
			return err
		}
		return lv.DomainDetachDeviceFlags(dom, p.configXML, uint32(golibvirt.DomainDeviceModifyConfig))
	})
	if errors.Is(err, driver.ErrNoGuest) {
		return nil
	}
	return err
}

func (d *Driver) detachLive(ctx context.Context, lv *golibvirt.Libvirt, dom golibvirt.Domain, dev device) error {
	removed, stop, err := deviceRemovals(ctx, lv, dom.UUID)
	if err != nil {
		return fmt.Errorf("listen for the guest's answer: %w", err)
	}
	defer stop()
	for range detachAttempts {
		p, err := look(lv, dom, dev)
		if err != nil || !p.live {
			return err
		}
		err = lv.DomainDetachDeviceFlags(dom, p.liveXML, uint32(golibvirt.DomainDeviceModifyLive))
		if err != nil && !hasCode(err, golibvirt.ErrDeviceMissing) && !stillPending(err) {
			return err
		}
		// libvirt itself waits some seconds: often it is gone by now.
		if p, err = look(lv, dom, dev); err != nil || !p.live {
			return err
		}
		d.log.InfoContext(ctx, "guest is asked to let go of a device", "server", formatUUID(dom.UUID), "device", dev.what)
		select {
		case <-removed:
		case <-time.After(detachWait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if p, err := look(lv, dom, dev); err != nil || !p.live {
		return err
	}
	return fault.Conflictf("The guest does not let go of the %s.", dev.what)
}

// stillPending tells QEMU's refusal of a second request while the guest
// works on the first.
func stillPending(err error) bool {
	return strings.Contains(err.Error(), "in the process of unplug")
}

// deviceRemovals delivers a value each time a device of the domain is gone.
func deviceRemovals(ctx context.Context, lv *golibvirt.Libvirt, uuid golibvirt.UUID) (<-chan struct{}, func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	events, err := lv.SubscribeEvents(ctx, golibvirt.DomainEventIDDeviceRemoved, nil)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	removed, done := make(chan struct{}, 1), make(chan struct{})
	go func() { // ends when cancel has closed events; reading on lets the library's goroutine end
		defer close(done)
		for e := range events {
			if m, ok := e.(*golibvirt.DomainEventCallbackDeviceRemovedMsg); ok && m.Msg.Dom.UUID == uuid {
				select {
				case removed <- struct{}{}:
				default:
				}
			}
		}
	}()
	return removed, func() { cancel(); <-done }, nil
}

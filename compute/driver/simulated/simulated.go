// Package simulated is a hypervisor without a machine: servers have true
// states, take time to change them, refuse what a real one refuses, write a
// console log, and live on when nubo's process is killed, as real guests do.
//
//	simulated.go  the driver
//	journal.go    the file that remembers the guests
//	consoles.go   who is connected to a guest's screen or serial port
//	login.go      what a guest prints when it boots, and its login prompt
//	rfb.go        its screen: a small VNC server
//	screen.go     text on that screen
package simulated

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"nubo/compute/driver"
)

// Config describes the host that is simulated.
type Config struct {
	Hostname string
	// File remembers the guests.
	File     string
	HostIP   netip.Addr
	VCPUs    int
	MemoryMB int
	DiskGB   int
	// Spawn is how long making a server takes, Step any other change; each
	// varies by half. 0 is no time.
	Spawn, Step time.Duration
	Log         *slog.Logger
}

// guest is a simulated server.
type guest struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"` // instance name
	Hostname string            `json:"hostname"`
	State    driver.PowerState `json:"state"`
	VCPUs    int               `json:"vcpus"`
	MemoryMB int               `json:"memory_mb"`
	DiskGB   int               `json:"disk_gb"`
	Boots    int               `json:"boots"`
	Disks    []string          `json:"disks,omitempty"`      // device names
	Volumes  []string          `json:"volumes,omitempty"`    // volume ids, beside Disks
	Ports    []string          `json:"interfaces,omitempty"` // port ids
}

// Driver implements driver.Driver.
type Driver struct {
	cfg Config

	mu     sync.Mutex // guards what follows
	guests map[string]*guest
	file   *journal
	events chan driver.Event             // nil until somebody listens
	opened map[string]map[io.Closer]bool // consoles in use, by guest
	users  sync.WaitGroup                // those who serve them
}

// New makes the host's driver; Setup finds the guests of before.
func New(cfg Config) *Driver {
	return &Driver{cfg: cfg, guests: map[string]*guest{}, opened: map[string]map[io.Closer]bool{}}
}

// Setup implements driver.Driver.
func (d *Driver) Setup(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file != nil {
		return nil
	}
	file, guests, err := openJournal(d.cfg.File)
	if err != nil {
		return fmt.Errorf("read the simulated host's guests: %w", err)
	}
	d.file, d.guests = file, guests
	return nil
}

// wait lets time pass, as the change would take it.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change alters one guest and remembers it. fn gets nil for one that is not
// there, and gives what is to be: nil for none.
func (d *Driver) change(id string, fn func(g *guest) (*guest, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var next *guest
	old := d.guests[id]
	if old != nil {
		c := *old
		c.Disks, c.Volumes, c.Ports = slices.Clone(c.Disks), slices.Clone(c.Volumes), slices.Clone(c.Ports)
		next = &c
	}
	next, err := fn(next)
	if err != nil {
		return err
	}
	if err := d.file.write(id, next); err != nil {
		return err
	}
	if next == nil {
		delete(d.guests, id)
	} else {
		d.guests[id] = next
	}
	if next == nil || next.State != driver.Running {
		d.endConsoles(id)
	}
	return nil
}

// existing is change for a guest that must be there.
func (d *Driver) existing(id string, fn func(g *guest) error) error {
	return d.change(id, func(g *guest) (*guest, error) {
		if g == nil {
			return nil, driver.ErrNoGuest
		}
		return g, fn(g)
	})
}

// Hypervisor implements driver.Driver.
func (d *Driver) Hypervisor(context.Context) (driver.Hypervisor, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := driver.Hypervisor{
		Hostname: d.cfg.Hostname, Type: "simulated", Version: 1000000, VirtType: "simulated", VCPUs: d.cfg.VCPUs, MemoryMB: d.cfg.MemoryMB,
		DiskGB: d.cfg.DiskGB, FreeDiskGB: d.cfg.DiskGB, HostIP: d.cfg.HostIP,
		CPUInfo: `{"arch": "x86_64", "model": "simulated", "vendor": "nubo", "features": [], "topology": {"sockets": 1, "cores": 1, "threads": 1}}`,
	}
	for _, g := range d.guests {
		h.UsedMemoryMB += g.MemoryMB
		h.FreeDiskGB -= g.DiskGB
	}
	return h, nil
}

// List implements driver.Driver.
func (d *Driver) List(context.Context) ([]driver.Guest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]driver.Guest, 0, len(d.guests))
	for _, g := range d.guests {
		out = append(out, driver.Guest{ID: g.ID, Name: g.Name, State: g.State})
	}
	return out, nil
}

// Get implements driver.Driver.
func (d *Driver) Get(_ context.Context, id string) (driver.Guest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.guests[id]
	if g == nil {
		return driver.Guest{}, driver.ErrNoGuest
	}
	return driver.Guest{ID: g.ID, Name: g.Name, State: g.State}, nil
}

// describe makes the guest of a server's description.
func describe(s driver.Server) *guest {
	g := &guest{ID: s.ID, Name: s.InstanceName, Hostname: s.Name, VCPUs: s.VCPUs, MemoryMB: s.MemoryMB, DiskGB: s.RootGB + s.EphemeralGB}
	for _, v := range s.Disks {
		g.Disks, g.Volumes = append(g.Disks, v.Device), append(g.Volumes, v.VolumeID)
	}
	for _, i := range s.Interfaces {
		g.Ports = append(g.Ports, i.PortID)
	}
	return g
}

// Spawn implements driver.Driver.
func (d *Driver) Spawn(ctx context.Context, s driver.Server, progress func(string)) error {
	if g, err := d.Get(ctx, s.ID); err == nil && g.State == driver.Running {
		return nil
	}
	if s.Image == nil && !slices.ContainsFunc(s.Disks, func(v driver.Disk) bool { return v.BootIndex == 0 }) {
		return fmt.Errorf("server %s has nothing to boot from", s.ID)
	}
	progress("spawning")
	if err := wait(ctx, d.cfg.Spawn); err != nil {
		return err
	}
	return d.change(s.ID, func(*guest) (*guest, error) {
		g := describe(s)
		g.State, g.Boots = driver.Running, 1
		return g, nil
	})
}

// Destroy implements driver.Driver.
func (d *Driver) Destroy(ctx context.Context, id string) error {
	if _, err := d.Get(ctx, id); err != nil {
		return nil
	}
	if err := wait(ctx, d.cfg.Step); err != nil {
		return err
	}
	return d.change(id, func(*guest) (*guest, error) { return nil, nil })
}

// Start implements driver.Driver.
func (d *Driver) Start(ctx context.Context, s driver.Server) error {
	if err := wait(ctx, d.cfg.Step); err != nil {
		return err
	}
	return d.change(s.ID, func(g *guest) (*guest, error) {
		if g == nil { // its definition was lost
			g = describe(s)
		}
		if g.State != driver.Running {
			g.State, g.Boots = driver.Running, g.Boots+1
		}
		return g, nil
	})
}

// Stop implements driver.Driver.
func (d *Driver) Stop(ctx context.Context, id string) error {
	if err := wait(ctx, d.cfg.Step); err != nil {
		return err
	}
	return d.existing(id, func(g *guest) error {
		g.State = driver.Shutdown
		return nil
	})
}

// Reboot implements driver.Driver.
func (d *Driver) Reboot(ctx context.Context, s driver.Server, hard bool) error {
	if err := wait(ctx, d.cfg.Step); err != nil {
		return err
	}
	return d.existing(s.ID, func(g *guest) error {
		if g.State != driver.Running && !hard {
			return fmt.Errorf("guest %s does not run, it cannot reboot itself", g.Name)
		}
		g.State, g.Boots = driver.Running, g.Boots+1
		return nil
	})
}

// AttachVolume implements driver.Driver.
func (d *Driver) AttachVolume(ctx context.Context, id string, v driver.Disk) error {
	if err := wait(ctx, d.cfg.Step); err != nil {
		return err
	}
	return d.existing(id, func(g *guest) error {
		if slices.Contains(g.Volumes, v.VolumeID) {
			return nil
		}
		if slices.Contains(g.Disks, v.Device) {
			return fmt.Errorf("guest %s has a disk %s already", g.Name, v.Device)
		}
		g.Disks, g.Volumes = append(g.Disks, v.Device), append(g.Volumes, v.VolumeID)
		return nil
	})
}

// DetachVolume implements driver.Driver.
func (d *Driver) DetachVolume(ctx context.Context, id string, v driver.Disk) error {
	if err := wait(ctx, d.cfg.Step); err != nil {
		return err
	}
	return d.existing(id, func(g *guest) error {
		if i := slices.Index(g.Volumes, v.VolumeID); i >= 0 {
			g.Disks, g.Volumes = slices.Delete(g.Disks, i, i+1), slices.Delete(g.Volumes, i, i+1)
		}
		return nil
	})
}

// AttachInterface implements driver.Driver.
func (d *Driver) AttachInterface(ctx context.Context, id string, i driver.Interface) error {
	if err := wait(ctx, d.cfg.Step); err != nil {
		return err
	}
	return d.existing(id, func(g *guest) error {
		if !slices.Contains(g.Ports, i.PortID) {
			g.Ports = append(g.Ports, i.PortID)
		}
		return nil
	})
}

// DetachInterface implements driver.Driver.
func (d *Driver) DetachInterface(ctx context.Context, id string, i driver.Interface) error {
	if err := wait(ctx, d.cfg.Step); err != nil {
		return err
	}
	return d.existing(id, func(g *guest) error {
		g.Ports = slices.DeleteFunc(g.Ports, func(p string) bool { return p == i.PortID })
		return nil
	})
}

// ConsoleLog implements driver.Driver: what such a guest would have printed.
func (d *Driver) ConsoleLog(_ context.Context, id string, lines int) ([]byte, error) {
	d.mu.Lock()
	g := d.guests[id]
	d.mu.Unlock()
	if g == nil {
		return nil, driver.ErrNoGuest
	}
	var all []string
	for boot := range g.Boots {
		all = append(all, g.bootLines(boot)...)
	}
	if lines > 0 && len(all) > lines {
		all = all[len(all)-lines:]
	}
	return []byte(strings.Join(all, "\n") + "\n"), nil
}

// Events implements driver.Driver.
func (d *Driver) Events(ctx context.Context) (<-chan driver.Event, error) {
	ch := make(chan driver.Event, 16)
	d.mu.Lock()
	d.events = ch
	d.mu.Unlock()
	context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.events == ch {
			d.events = nil
		}
		close(ch)
	})
	return ch, nil
}

// PowerOff is the guest shutting itself down, as its user may do inside.
func (d *Driver) PowerOff(id string) error {
	err := d.existing(id, func(g *guest) error {
		g.State = driver.Shutdown
		return nil
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.events != nil {
		select {
		case d.events <- driver.Event{ID: id, State: driver.Shutdown}:
		default: // as with a real hypervisor, the periodic look finds what was missed
		}
	}
	return nil
}

// Close implements driver.Driver.
func (d *Driver) Close() error {
	d.mu.Lock()
	for id := range d.opened {
		d.endConsoles(id)
	}
	d.mu.Unlock()
	d.users.Wait() // they may want to write to the file
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	err := d.file.close()
	d.file = nil
	return err
}

// Purge removes every guest: what "nubo down" does to a host.
func (d *Driver) Purge(ctx context.Context) error {
	if err := d.Setup(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	for _, g := range d.guests {
		if g.State == driver.Running {
			g.State = driver.Shutdown
			if err := d.file.write(g.ID, g); err != nil {
				d.mu.Unlock()
				return err
			}
		}
	}
	d.mu.Unlock()
	return d.Close()
}

// Package simulated is a network driver that carries no packets: it keeps in
// memory what it was told, takes as long as one asks it to, and refuses what
// a real one could not do, such as a port on a network that is not there.
//
// Nothing outlives it: after a restart the agent's full synchronisation
// applies everything again, as on a host that was booted.
package simulated

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"nubo/network/driver"
)

// Config is how the driver behaves.
type Config struct {
	// MinLatency and MaxLatency bound how long an operation takes.
	MinLatency, MaxLatency time.Duration
}

// Driver implements driver.Driver in memory.
type Driver struct {
	cfg Config

	mu       sync.Mutex // guards all below
	setUp    bool
	networks map[string]driver.Network
	ports    map[string]driver.Port
	routers  map[string]driver.Router
}

// New makes a driver of a host with nothing on it.
func New(cfg Config) *Driver {
	return &Driver{cfg: cfg, networks: map[string]driver.Network{}, ports: map[string]driver.Port{}, routers: map[string]driver.Router{}}
}

// Name implements driver.Driver, as do all methods of the interface below.
func (d *Driver) Name() string { return "simulated" }

// pause takes the time of an operation.
func (d *Driver) pause(ctx context.Context) error {
	took := d.cfg.MinLatency
	if span := d.cfg.MaxLatency - d.cfg.MinLatency; span > 0 {
		took += rand.N(span)
	}
	if took <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(took)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// do runs an operation on the state after its time has passed.
func (d *Driver) do(ctx context.Context, op func() error) error {
	if err := d.pause(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.setUp {
		return fmt.Errorf("the host is not set up")
	}
	return op()
}

// Setup prepares the host.
func (d *Driver) Setup(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setUp = true
	return nil
}

// Inventory lists what is on the host.
func (d *Driver) Inventory(context.Context) (driver.Inventory, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return driver.Inventory{
		Networks: slices.Sorted(maps.Keys(d.networks)), Ports: slices.Sorted(maps.Keys(d.ports)), Routers: slices.Sorted(maps.Keys(d.routers)),
	}, nil
}

// ApplyNetwork makes a segment.
func (d *Driver) ApplyNetwork(ctx context.Context, n driver.Network) error {
	return d.do(ctx, func() error { d.networks[n.ID] = n; return nil })
}

// RemoveNetwork removes a segment; what still needs it keeps it.
func (d *Driver) RemoveNetwork(ctx context.Context, id string) error {
	return d.do(ctx, func() error {
		for _, p := range d.ports {
			if p.NetworkID == id {
				return fmt.Errorf("network %s still has port %s", id, p.ID)
			}
		}
		for _, r := range d.routers {
			if slices.Contains(networksOf(r), id) {
				return fmt.Errorf("network %s still has router %s", id, r.ID)
			}
		}
		delete(d.networks, id)
		return nil
	})
}

// ApplyPort plugs a port.
func (d *Driver) ApplyPort(ctx context.Context, p driver.Port) error {
	return d.do(ctx, func() error {
		if _, ok := d.networks[p.NetworkID]; !ok {
			return fmt.Errorf("port %s: network %s is not on the host", p.ID, p.NetworkID)
		}
		d.ports[p.ID] = p
		return nil
	})
}

// RemovePort unplugs a port.
func (d *Driver) RemovePort(ctx context.Context, id string) error {
	return d.do(ctx, func() error { delete(d.ports, id); return nil })
}

// ApplyRouter makes a router.
func (d *Driver) ApplyRouter(ctx context.Context, r driver.Router) error {
	return d.do(ctx, func() error {
		for _, id := range networksOf(r) {
			if _, ok := d.networks[id]; !ok {
				return fmt.Errorf("router %s: network %s is not on the host", r.ID, id)
			}
		}
		d.routers[r.ID] = r
		return nil
	})
}

// RemoveRouter removes a router.
func (d *Driver) RemoveRouter(ctx context.Context, id string) error {
	return d.do(ctx, func() error { delete(d.routers, id); return nil })
}

// networksOf are the networks that a router is on.
func networksOf(r driver.Router) []string {
	var out []string
	for _, i := range r.Interfaces {
		out = append(out, i.NetworkID)
	}
	if r.Gateway != nil {
		out = append(out, r.Gateway.NetworkID)
	}
	return out
}

// Close leaves everything standing.
func (d *Driver) Close() error { return nil }

// Purge removes everything.
func (d *Driver) Purge(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.networks)
	clear(d.ports)
	clear(d.routers)
	return nil
}

// Network gives a segment as it was applied last, for tests and the curious.
func (d *Driver) Network(id string) (driver.Network, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.networks[id]
	return n, ok
}

// Port gives a port as it was applied last.
func (d *Driver) Port(id string) (driver.Port, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.ports[id]
	return p, ok
}

// Router gives a router as it was applied last.
func (d *Driver) Router(id string) (driver.Router, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.routers[id]
	return r, ok
}

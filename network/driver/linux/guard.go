package linux

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nubo/internal/trace"
	"nubo/network/driver"
)

// guard keeps the nft tables that filter all ports of the host.
type guard struct {
	host  *space
	table string

	// mu guards the mirror of what the tables hold.
	mu    sync.Mutex
	marks map[string]uint32 // by device, as in the map "to"
	zones map[string]uint32 // by bridge, as in the map "zones"
	ports map[string]guarded
	// nextMark and nextZone are never given out twice while there are
	// others, so that nothing a removed port left behind fits a new one.
	nextMark, nextZone uint32

	queueMu sync.Mutex // guards queue
	queue   []*change
	loadMu  sync.Mutex // held while nft runs
}

// guarded is what was last loaded for a port.
type guarded struct {
	text  string
	addrs []netip.Addr
	zone  uint32
}

// change is a transaction that waits for its turn. Its done and err are
// guarded by guard.loadMu.
type change struct {
	text string
	done bool
	err  error
}

func newGuard(host *space, table string) *guard {
	return &guard{host: host, table: table, ports: map[string]guarded{}}
}

// prime loads the shared rules and reads back what the tables hold from
// before, or what is left after someone else flushed them.
func (g *guard) prime(ctx context.Context) error {
	g.loadMu.Lock()
	defer g.loadMu.Unlock()
	if err := g.host.load(ctx, baseRules(g.table)); err != nil {
		return fmt.Errorf("load the shared rules: %w", err)
	}
	marks, err := g.host.numberMap(ctx, "bridge "+g.table, "to")
	if err != nil {
		return fmt.Errorf("read the ports' marks: %w", err)
	}
	zones, err := g.host.numberMap(ctx, "inet "+g.table, "zones")
	if err != nil {
		return fmt.Errorf("read the networks' zones: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.marks, g.zones = marks, zones
	for _, m := range marks {
		g.nextMark = max(g.nextMark, m)
	}
	for _, z := range zones {
		g.nextZone = max(g.nextZone, z)
	}
	return nil
}

// update commits what build renders of the mirror. If nft refuses, the mirror
// may be wrong (someone flushed the tables): it is read again, and build is
// asked once more. An empty text is nothing to do.
func (g *guard) update(ctx context.Context, build func() (string, error)) (err error) {
	ctx, span := trace.Begin(ctx, trace.Native, "rules of a port or network")
	defer func() { span.End(err) }()
	for attempt := 0; ; attempt++ {
		text, err := build()
		if err != nil || text == "" {
			return err
		}
		err = g.commit(ctx, text)
		if err == nil || attempt == 1 {
			return err
		}
		if err2 := g.prime(ctx); err2 != nil {
			return errors.Join(err, err2)
		}
	}
}

// commit loads a transaction. What waits while nft runs is loaded together
// afterwards: its cost is mostly per run, so a host that starts hundreds of
// servers plugs their ports many at a time.
func (g *guard) commit(ctx context.Context, text string) error {
	c := &change{text: text}
	g.queueMu.Lock()
	g.queue = append(g.queue, c)
	g.queueMu.Unlock()

	g.loadMu.Lock()
	defer g.loadMu.Unlock()
	if c.done {
		return c.err
	}
	g.queueMu.Lock()
	batch := g.queue
	g.queue = nil
	g.queueMu.Unlock()

	// The batch is not this caller's alone, so neither is its cancellation.
	ctx = context.WithoutCancel(ctx)
	var all strings.Builder
	for _, b := range batch {
		all.WriteString(b.text)
	}
	err := g.host.load(ctx, all.String())
	for _, b := range batch {
		if err != nil && len(batch) > 1 {
			b.err = g.host.load(ctx, b.text) // find out whose fault it is
		} else {
			b.err = err
		}
		b.done = true
	}
	return c.err
}

// addNetwork puts a bridge under the rules.
func (g *guard) addNetwork(ctx context.Context, bridge string) error {
	var zone uint32
	err := g.update(ctx, func() (string, error) {
		zone = g.zone(bridge)
		return networkRules(g.table, bridge, zone), nil
	})
	if err == nil {
		g.mu.Lock()
		g.zones[bridge] = zone
		g.mu.Unlock()
	}
	return err
}

func (g *guard) removeNetwork(ctx context.Context, bridge string) error {
	err := g.update(ctx, func() (string, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if _, ok := g.zones[bridge]; !ok {
			return "", nil
		}
		return dropNetworkRules(g.table, bridge), nil
	})
	if err == nil {
		g.mu.Lock()
		delete(g.zones, bridge)
		g.mu.Unlock()
	}
	return err
}

// applyPort replaces a port's rules. Connections that the new rules would
// not admit are forgotten, so that they end.
func (g *guard) applyPort(ctx context.Context, p driver.Port, bridge string) error {
	var mark uint32
	next := guarded{addrs: p.Addrs}
	err := g.update(ctx, func() (string, error) {
		next.zone, mark = g.zone(bridge), g.mark(p.Device)
		text, err := portRules(g.table, p, mark)
		next.text = text
		return networkRules(g.table, bridge, next.zone) + text, err
	})
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.zones[bridge], g.marks[p.Device] = next.zone, mark
	before, known := g.ports[p.Device]
	g.ports[p.Device] = next
	g.mu.Unlock()
	if known && narrower(before.text, next.text) {
		return g.forget(before)
	}
	return nil
}

// removePort removes a port's rules and connections.
func (g *guard) removePort(ctx context.Context, device string) error {
	err := g.update(ctx, func() (string, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		mark, ok := g.marks[device]
		if !ok {
			return "", nil
		}
		return dropPortRules(g.table, device, mark), nil
	})
	if err != nil {
		return err
	}
	g.mu.Lock()
	before, known := g.ports[device]
	delete(g.marks, device)
	delete(g.ports, device)
	g.mu.Unlock()
	if known {
		return g.forget(before)
	}
	return nil
}

// narrower reports whether a rule of before is missing in after.
func narrower(before, after string) bool {
	have := map[string]bool{}
	for line := range strings.Lines(after) {
		have[line] = true
	}
	for line := range strings.Lines(before) {
		if !have[line] {
			return true
		}
	}
	return false
}

// mark gives a device its number in the packet mark.
func (g *guard) mark(device string) uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m, ok := g.marks[device]; ok {
		return m
	}
	g.nextMark++
	g.marks[device] = g.nextMark
	return g.nextMark
}

// zone gives a bridge its conntrack zone, 1 to 65535.
func (g *guard) zone(bridge string) uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if z, ok := g.zones[bridge]; ok {
		return z
	}
	used := slices.Collect(maps.Values(g.zones))
	for range 1 << 16 {
		g.nextZone = g.nextZone%65535 + 1
		if !slices.Contains(used, g.nextZone) {
			break
		}
	}
	g.zones[bridge] = g.nextZone
	return g.nextZone
}

// forget deletes the tracked connections of a port.
func (g *guard) forget(p guarded) error {
	for fam, conntrackFamily := range map[bool]netlink.InetFamily{true: unix.AF_INET, false: unix.AF_INET6} {
		var filters []netlink.CustomConntrackFilter
		for _, a := range p.addrs {
			if a.Is4() != fam {
				continue
			}
			for _, side := range []netlink.ConntrackFilterType{netlink.ConntrackOrigSrcIP, netlink.ConntrackOrigDstIP} {
				f := &netlink.ConntrackFilter{}
				if err := errors.Join(f.AddIP(side, a.AsSlice()), f.AddZone(uint16(p.zone))); err != nil {
					return fmt.Errorf("choose connections of %s: %w", a, err)
				}
				filters = append(filters, f)
			}
		}
		if err := g.host.forget(conntrackFamily, filters); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes tracked connections that any of the filters matches.
func (s *space) forget(fam netlink.InetFamily, filters []netlink.CustomConntrackFilter) error {
	if len(filters) == 0 {
		return nil
	}
	// One that ended meanwhile is as good as deleted.
	_, err := s.nl.ConntrackDeleteFilters(netlink.ConntrackTable, fam, filters...)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("forget connections: %w", err)
	}
	return nil
}

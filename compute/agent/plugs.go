package agent

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"nubo/compute"
	"nubo/sdk/network"
)

// plugs tells those who wait for ports of the events about them.
type plugs struct {
	mu    sync.Mutex // guards waits and what is in them
	waits map[string]*plugWait
}

// plugWait is somebody waiting for a server's ports.
type plugWait struct {
	seen    map[string]bool // by port: true plugged, false failed
	changed chan struct{}   // has room for one: something was seen
}

func newPlugs() *plugs { return &plugs{waits: map[string]*plugWait{}} }

// watch collects what is said of a server's ports until forget is called.
// Only who works on a server watches its ports.
func (p *plugs) watch(server string) (w *plugWait, forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w = &plugWait{seen: map[string]bool{}, changed: make(chan struct{}, 1)}
	p.waits[server] = w
	return w, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waits, server)
	}
}

// tell notes that a port was plugged, or could not be.
func (p *plugs) tell(server, port string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.waits[server]
	if w == nil {
		return
	}
	w.seen[port] = ok
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// heard gives what was said of a port.
func (p *plugs) heard(w *plugWait, port string) (plugged, said bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	plugged, said = w.seen[port]
	return plugged, said
}

// errNotPlugged is Nova's word for it.
var errNotPlugged = errors.New("Virtual Interface creation failed")

const (
	firstLook = 500 * time.Millisecond
	lastLook  = 5 * time.Second
)

// awaitPlugged waits until the network's agent has plugged all ports. It is
// told by events, and looks by itself now and then: events can get lost.
func (h *host) awaitPlugged(ctx context.Context, s *compute.Server, ports []network.Port, w *plugWait) error {
	missing := map[string]bool{}
	for _, p := range ports {
		if p.Status != network.PortActive {
			missing[p.ID] = true
		}
	}
	deadline := time.NewTimer(h.cfg.VIFPluggingTimeout)
	defer deadline.Stop()
	wait := firstLook
	look := time.NewTimer(wait)
	defer look.Stop()
	for {
		for id := range missing {
			plugged, said := h.plugs.heard(w, id)
			switch {
			case plugged:
				delete(missing, id)
			case said && h.cfg.VIFPluggingIsFatal:
				return final(fmt.Errorf("%w: port %s could not be plugged", errNotPlugged, id))
			}
		}
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.changed:
		case <-look.C:
			if now, err := h.deps.Network.ListPorts(ctx, url.Values{"device_id": {s.ID}}); err == nil {
				for _, p := range now {
					if p.Status == network.PortActive {
						delete(missing, p.ID)
					}
				}
			}
			wait = min(2*wait, lastLook)
			look.Reset(wait)
		case <-deadline.C:
			return h.pluggedLate(ctx, s, missing)
		}
	}
}

// pluggedLate says what becomes of a server whose ports are not plugged.
func (h *host) pluggedLate(ctx context.Context, s *compute.Server, missing map[string]bool) error {
	var ids []string
	for id := range missing {
		ids = append(ids, id)
	}
	if h.cfg.VIFPluggingIsFatal {
		return final(fmt.Errorf("%w: no word within %s that ports were plugged: %s", errNotPlugged, h.cfg.VIFPluggingTimeout, strings.Join(ids, ", ")))
	}
	h.log.WarnContext(ctx, "a server starts although its ports are not plugged", "server", s.ID, "ports", ids)
	return nil
}

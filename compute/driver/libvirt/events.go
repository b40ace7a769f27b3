package libvirt

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"nubo/compute/driver"
)

// reconnectPause is between two attempts to listen to libvirtd.
const reconnectPause = time.Second

// powerStates is what is known of the guests' power, so that Events reports
// only what others did.
type powerStates struct {
	mu    sync.Mutex // guards both maps
	busy  map[string]int
	known map[string]driver.PowerState
}

// begin marks a guest as being changed by the driver: events of it are the
// driver's own doing until end.
func (p *powerStates) begin(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == nil {
		p.busy = map[string]int{}
	}
	p.busy[id]++
}

func (p *powerStates) end(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[id]--; p.busy[id] == 0 {
		delete(p.busy, id)
	}
}

// learn takes note of a guest's state and reports whether it is news: other
// than before, and not the driver's doing. gone is a guest without a domain.
func (p *powerStates) learn(id string, state driver.PowerState, gone bool) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]driver.PowerState{}
	}
	before, had := p.known[id]
	busy := p.busy[id] > 0
	if gone {
		delete(p.known, id)
		return had && !busy
	}
	p.known[id] = state
	return !busy && (!had || before != state)
}

// changing brackets an operation on a guest's power. At its end, what the
// guest is then becomes known as the driver's doing: the operation's events
// may come later, and are no news then.
func (d *Driver) changing(ctx context.Context, id string) (done func()) {
	d.states.begin(id)
	return func() {
		g, err := d.Get(context.WithoutCancel(ctx), id)
		if err == nil || errors.Is(err, driver.ErrNoGuest) {
			d.states.learn(id, g.State, err != nil)
		}
		d.states.end(id)
	}
}

// Events delivers power changes the driver did not cause, until ctx ends.
// Changes while libvirtd was away are delivered when it is back.
func (d *Driver) Events(ctx context.Context) (<-chan driver.Event, error) {
	guests, err := d.domains(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range guests {
		d.states.learn(g.ID, g.State, false)
	}
	out := make(chan driver.Event)
	go func() {
		defer close(out)
		for {
			if err := d.listen(ctx, out); err != nil && ctx.Err() == nil {
				d.log.WarnContext(ctx, "libvirt's events are interrupted", slog.Any("error", err))
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(reconnectPause):
			}
		}
	}()
	return out, nil
}

// listen forwards the events of one connection until it ends.
func (d *Driver) listen(ctx context.Context, out chan<- driver.Event) error {
	ctx, cancel := context.WithCancel(ctx)
	var events <-chan golibvirt.DomainEventLifecycleMsg
	err := d.conn.do(ctx, func(lv *golibvirt.Libvirt) (err error) {
		events, err = lv.LifecycleEvents(ctx)
		return err
	})
	if err != nil {
		cancel()
		return err
	}
	defer func() { // the library's goroutine ends when its channel is drained
		cancel()
		for range events {
		}
	}()
	guests, err := d.domains(ctx)
	if err != nil {
		return err
	}
	for _, g := range guests {
		if err := d.report(ctx, out, g.ID); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-events:
			if !ok {
				return errors.New("the connection to libvirt ended")
			}
			if err := d.report(ctx, out, formatUUID(e.Dom.UUID)); err != nil {
				return err
			}
		}
	}
}

// report delivers a guest's state if it is news. The state is read now: the
// event may be older than what the driver did since.
func (d *Driver) report(ctx context.Context, out chan<- driver.Event, id string) error {
	g, err := d.Get(ctx, id)
	if err != nil && !errors.Is(err, driver.ErrNoGuest) {
		return err
	}
	if !d.states.learn(id, g.State, err != nil) {
		return nil
	}
	select {
	case out <- driver.Event{ID: id, State: g.State}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

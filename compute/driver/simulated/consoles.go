package simulated

import (
	"context"
	"fmt"
	"io"
	"net"

	"nubo/compute/driver"
)

// OpenConsole implements driver.Driver.
func (d *Driver) OpenConsole(_ context.Context, id string, kind driver.ConsoleKind) (io.ReadWriteCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.guests[id]
	switch {
	case g == nil:
		return nil, driver.ErrNoGuest
	case g.State != driver.Running:
		return nil, fmt.Errorf("guest %s does not run", g.Name)
	}
	ours, theirs := net.Pipe()
	if d.opened[id] == nil {
		d.opened[id] = map[io.Closer]bool{}
	}
	d.opened[id][ours] = true
	now := *g // as it is when it is looked at
	d.users.Go(func() {
		defer d.leaveConsole(id, ours)
		prompt := &login{prompt: now.prompt()}
		if kind == driver.Serial {
			serveSerial(ours, now.greeting(), prompt)
			return
		}
		s := &rfbServer{conn: ours, name: now.Name, screen: newScreen(), keys: prompt}
		s.restart = func() string { return d.restart(id) }
		s.screen.print(now.greeting())
		s.serve()
	})
	return theirs, nil
}

// restart is what Ctrl-Alt-Del does; it gives what the guest prints then.
func (d *Driver) restart(id string) (printed string) {
	err := d.existing(id, func(g *guest) error {
		g.Boots++
		printed = g.greeting()
		return nil
	})
	if err != nil {
		return ""
	}
	return printed
}

// endConsoles disconnects everybody from a guest. mu is held.
func (d *Driver) endConsoles(id string) {
	for c := range d.opened[id] {
		_ = c.Close() // a pipe
	}
	delete(d.opened, id)
}

func (d *Driver) leaveConsole(id string, c io.Closer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.opened[id], c)
	_ = c.Close() // a pipe
}

// serveSerial is a guest's serial port.
func serveSerial(port io.ReadWriter, greeting string, keys *login) {
	if _, err := io.WriteString(port, greeting); err != nil {
		return
	}
	buf := make([]byte, 256)
	for {
		n, err := port.Read(buf)
		if err != nil {
			return
		}
		var out string
		for _, b := range buf[:n] {
			out += keys.typed(b)
		}
		if _, err := io.WriteString(port, out); err != nil {
			return
		}
	}
}

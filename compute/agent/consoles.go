package agent

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"nubo/compute"
	"nubo/compute/driver"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/wsx"
)

// Consoles says where the hosts of a process serve consoles.
type Consoles struct {
	// Listen is an address with a port; empty for any port of 127.0.0.1.
	Listen string
	// Address is what the proxy knows the host by; empty for 127.0.0.1.
	Address string
}

// consoles serves the consoles of a process's servers to the console proxy.
// The hypervisor's own ports are open to the host alone. Who wants a console
// says CONNECT and a path nobody guesses, which the agent gave away for a
// while: what Nova calls the internal access path.
type consoles struct {
	cfg   Consoles
	clock clock.Clock
	log   *slog.Logger

	mu      sync.Mutex           // guards what follows
	port    int                  // 0 until the agent listens
	grants  map[string]grant     // by path
	serials map[string]io.Closer // who uses a server's serial port
}

// grant is a console somebody may use.
type grant struct {
	driver  driver.Driver
	server  string
	kind    driver.ConsoleKind
	expires time.Time
}

// askLimit is how long one who connects may take to say what he wants.
const askLimit = 10 * time.Second

func newConsoles(cfg Consoles, c clock.Clock, log *slog.Logger) *consoles {
	cfg.Listen, cfg.Address = cmp.Or(cfg.Listen, "127.0.0.1:0"), cmp.Or(cfg.Address, "127.0.0.1")
	return &consoles{cfg: cfg, clock: c, log: log, grants: map[string]grant{}, serials: map[string]io.Closer{}}
}

// listen opens the port.
func (c *consoles) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", c.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the console proxy: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.port = l.Addr().(*net.TCPAddr).Port
	return l, nil
}

// serve takes connections until ctx ends.
func (c *consoles) serve(ctx context.Context, l net.Listener) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // Accept tells
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close() // nobody is served any more
			}
			return
		}
		if err != nil { // too many files are open
			c.log.WarnContext(ctx, "a console cannot be served", "error", err)
			if pause(ctx, time.Second) != nil {
				return
			}
			continue
		}
		wg.Go(func() { c.connect(ctx, conn) })
	}
}

// give lets somebody use a console for a while.
func (c *consoles) give(g grant, ttl time.Duration) compute.ConsoleAddress {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	path, now := "/"+hex.EncodeToString(b), c.clock.Now()
	g.expires = now.Add(ttl)
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, other := range c.grants {
		if !now.Before(other.expires) {
			delete(c.grants, old)
		}
	}
	c.grants[path] = g
	return compute.ConsoleAddress{Host: c.cfg.Address, Port: c.port, InternalAccessPath: path}
}

// granted gives the console of a path.
func (c *consoles) granted(path string) (grant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g, ok := c.grants[path]
	return g, ok && c.clock.Now().Before(g.expires)
}

// asked is a connection whose first bytes are read already.
type asked struct {
	net.Conn
	in *bufio.Reader
}

// Read implements io.Reader.
func (a asked) Read(p []byte) (int, error) { return a.in.Read(p) }

// connect serves a console on a connection.
func (c *consoles) connect(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // it was left anyway
	defer stop()
	defer conn.Close() //nolint:errcheck // Join may have closed it
	if err := conn.SetDeadline(time.Now().Add(askLimit)); err != nil {
		return
	}
	in := bufio.NewReader(conn)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	say := func(code int) error {
		_, err := fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n\r\n", code, http.StatusText(code))
		return err
	}
	g, ok := c.granted(r.RequestURI)
	if r.Method != http.MethodConnect || !ok {
		_ = say(http.StatusNotFound) // whoever it was
		return
	}
	console, err := g.driver.OpenConsole(ctx, g.server, g.kind)
	if err != nil {
		c.log.WarnContext(ctx, "a console cannot be opened", "server", g.server, "kind", g.kind, "error", err)
		_ = say(http.StatusBadGateway) // the proxy ends, too
		return
	}
	if g.kind == driver.Serial {
		defer c.takeSerial(g.server, console)()
	}
	if say(http.StatusOK) != nil || conn.SetDeadline(time.Time{}) != nil {
		_ = console.Close() // nobody is there
		return
	}
	wsx.Join(ctx, asked{conn, in}, console)
}

// takeSerial ends who used the serial port before: it serves one, and the
// last to come is the one who is there.
func (c *consoles) takeSerial(server string, console io.Closer) (leave func()) {
	c.mu.Lock()
	old := c.serials[server]
	c.serials[server] = console
	c.mu.Unlock()
	if old != nil {
		_ = old.Close() // it may have left by itself
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.serials[server] == console {
			delete(c.serials, server)
		}
	}
}

// remoteConsole gives the address of a console of a running server.
func (h *host) remoteConsole(ctx context.Context, args compute.RemoteConsoleArgs) (compute.ConsoleAddress, error) {
	kind := driver.VNC
	if args.Type == compute.ConsoleSerial {
		kind = driver.Serial
	}
	g, err := h.driver.Get(ctx, args.Server.ID)
	switch {
	case errors.Is(err, driver.ErrNoGuest), err == nil && g.State != driver.Running && g.State != driver.Paused:
		return compute.ConsoleAddress{}, compute.NotReady(args.Server.ID)
	case err != nil:
		return compute.ConsoleAddress{}, fault.Unavailablef("The hypervisor of instance %s does not answer.", args.Server.ID).WithCause(err)
	}
	return h.consoles.give(grant{driver: h.driver, server: args.Server.ID, kind: kind}, args.TTL), nil
}

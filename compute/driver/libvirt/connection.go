package libvirt

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"

	"nubo/internal/fault"
)

// DefaultSocket is where libvirtd serves and virsh looks for it.
const DefaultSocket = "/run/libvirt/libvirt-sock"

const dialTimeout = 5 * time.Second

// connection is the driver's connection to libvirtd. It is made when needed
// and made again when libvirtd went away, so that a restart of libvirtd costs
// at most the calls under way.
type connection struct {
	socket string
	daemon *daemon // nil: libvirtd is not nubo's to start

	mu     sync.Mutex // guards what follows
	lv     *golibvirt.Libvirt
	closed bool // for good: nothing may start libvirtd again
}

// do calls use with a live connection. A failure of the connection, as
// opposed to a refusal by libvirt, is Unavailable.
func (c *connection) do(ctx context.Context, use func(*golibvirt.Libvirt) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	lv, err := c.get(ctx)
	if err != nil {
		return err
	}
	err = use(lv)
	if err != nil && !lv.IsConnected() {
		return c.unavailable(err)
	}
	return err
}

func (c *connection) get(ctx context.Context) (*golibvirt.Libvirt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, c.unavailable(net.ErrClosed)
	}
	if c.lv != nil && c.lv.IsConnected() {
		return c.lv, nil
	}
	if c.daemon != nil && !c.answers() {
		if err := c.daemon.start(ctx); err != nil {
			return nil, c.unavailable(err)
		}
	}
	lv := golibvirt.NewWithDialer(dialers.NewLocal(dialers.WithSocket(c.socket), dialers.WithLocalTimeout(dialTimeout)))
	if err := lv.ConnectToURI(golibvirt.QEMUSystem); err != nil {
		return nil, c.unavailable(err)
	}
	c.lv = lv
	return lv, nil
}

func (c *connection) unavailable(err error) error {
	return fault.Unavailablef("libvirt does not answer on %s", c.socket).WithCause(err)
}

// answers reports whether a libvirtd serves.
func (c *connection) answers() bool { return dials(c.socket) }

func dials(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, dialTimeout)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func (c *connection) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.lv == nil || !c.lv.IsConnected() {
		return nil
	}
	lv := c.lv
	c.lv = nil
	if err := lv.Disconnect(); err != nil && lv.IsConnected() {
		return err
	}
	return nil
}

// hasCode reports whether err is libvirt's error of that number.
func hasCode(err error, code golibvirt.ErrorNumber) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(code)
}

package loadgen

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// blocking is a connection whose calls block in the kernel, which wakes them
// sooner than Go's poller does: what is measured with it is more the broker's
// time and less the client's.
type blocking struct {
	net.Conn // its descriptor is another's by now; only its addresses are used
	fd       int
	once     sync.Once
}

// block makes the link's connection a blocking one.
func (l *link) block() error {
	tcp, ok := l.nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	b := &blocking{Conn: l.nc}
	var failed error
	if err := raw.Control(func(fd uintptr) { b.fd, failed = syscall.Dup(int(fd)) }); err != nil || failed != nil {
		return fmt.Errorf("duplicate a connection: %w", errors.Join(err, failed))
	}
	limit := syscall.NsecToTimeval(int64(patience))
	err = errors.Join(
		syscall.SetNonblock(b.fd, false),
		syscall.SetsockoptTimeval(b.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit),
		syscall.SetsockoptTimeval(b.fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit),
		l.nc.Close(), // the poller must not look at it any more
	)
	l.nc = b
	return err
}

func (b *blocking) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(b.fd, p)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case errors.Is(err, syscall.EAGAIN):
			return 0, os.ErrDeadlineExceeded
		case !errors.Is(err, syscall.EINTR):
			return 0, os.NewSyscallError("read", err)
		}
	}
}

func (b *blocking) Write(p []byte) (int, error) {
	for {
		n, err := syscall.Write(b.fd, p)
		switch {
		case n >= 0 && err == nil:
			return n, nil
		case errors.Is(err, syscall.EAGAIN):
			return 0, os.ErrDeadlineExceeded
		case !errors.Is(err, syscall.EINTR):
			return 0, os.NewSyscallError("write", err)
		}
	}
}

// Close lets a call that blocks return.
func (b *blocking) Close() (err error) {
	b.once.Do(func() {
		err = errors.Join(syscall.Shutdown(b.fd, syscall.SHUT_RDWR), syscall.Close(b.fd))
	})
	return err
}

// SetReadDeadline does nothing: reading takes as long as patience lasts.
func (b *blocking) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: as for reading.
func (b *blocking) SetWriteDeadline(time.Time) error { return nil }

package libvirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"
	"libvirt.org/go/libvirtxml"

	"nubo/compute/driver"
)

// A console log gives at most its last consoleTail bytes. A guest can write
// without end, so all before the last consoleKeep bytes is given back to the
// file system from time to time.
const (
	consoleTail  = 100 << 10
	consoleKeep  = 1 << 20
	trimInterval = 30 * time.Second
)

// ConsoleLog gives the last lines of the serial console.
func (d *Driver) ConsoleLog(ctx context.Context, id string, lines int) ([]byte, error) {
	if _, err := d.Get(ctx, id); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(d.dir(id), consoleFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // it never ran
	}
	if err != nil {
		return nil, fmt.Errorf("read the console of server %s: %w", id, err)
	}
	defer f.Close()
	text, err := tail(f, consoleTail)
	if err != nil {
		return nil, fmt.Errorf("read the console of server %s: %w", id, err)
	}
	return lastLines(text, lines), nil
}

// tail gives the last max bytes of a file.
func tail(f *os.File, max int64) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := st.Size() - max
	if from < 0 {
		from = 0
	}
	return io.ReadAll(io.NewSectionReader(f, from, max))
}

// lastLines gives the last n lines, an unfinished one included; n <= 0: all.
func lastLines(text []byte, n int) []byte {
	if n <= 0 {
		return text
	}
	end := len(bytes.TrimSuffix(text, []byte("\n")))
	for at := end; n > 0; n-- {
		at = bytes.LastIndexByte(text[:at], '\n')
		if at < 0 {
			return text
		}
		if n == 1 {
			return text[at+1:]
		}
	}
	return text
}

// takeCare trims the console logs until ctx ends.
func (d *Driver) takeCare(ctx context.Context) {
	defer close(d.done)
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := d.trimConsoles(); err != nil {
			d.log.WarnContext(ctx, "console logs cannot be trimmed", slog.Any("error", err))
		}
	}
}

func (d *Driver) trimConsoles() error {
	entries, err := os.ReadDir(d.cfg.InstancesPath)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := trim(filepath.Join(d.cfg.InstancesPath, e.Name(), consoleFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// trim makes a hole of all but the end of a log. QEMU appends to it
// meanwhile: no byte moves, so none is lost.
func trim(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() <= consoleKeep {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, st.Size()-consoleKeep)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a file system without holes keeps it all
	}
	return err
}

// maxSocketPath is how long the path of a Unix socket can be.
const maxSocketPath = 107

// serialSource is where a server's serial port ends: at a socket, which
// somebody may connect to, or where its path would be too long, at a
// pseudo-terminal.
func serialSource(dir string) *libvirtxml.DomainChardevSource {
	path := filepath.Join(dir, serialFile)
	if len(path) > maxSocketPath {
		return &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}}
	}
	return &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind", Path: path}}
}

// OpenConsole connects to a running server's screen or serial port, where its
// domain says they are.
func (d *Driver) OpenConsole(ctx context.Context, id string, kind driver.ConsoleKind) (io.ReadWriteCloser, error) {
	var dom libvirtxml.Domain
	err := d.withDomain(ctx, id, func(lv *golibvirt.Libvirt, found golibvirt.Domain) error {
		text, err := lv.DomainGetXMLDesc(found, 0)
		if err != nil {
			return err
		}
		return dom.Unmarshal(text)
	})
	if err == nil && dom.Devices == nil {
		err = driver.ErrNoGuest
	}
	if err != nil {
		return nil, fmt.Errorf("look for the consoles of server %s: %w", id, err)
	}
	open := openScreen
	if kind == driver.Serial {
		open = openSerial
	}
	console, err := open(ctx, dom.Devices)
	if err != nil {
		return nil, fmt.Errorf("open the %s console of server %s: %w", kind, id, err)
	}
	return console, nil
}

func openScreen(ctx context.Context, devices *libvirtxml.DomainDeviceList) (io.ReadWriteCloser, error) {
	for _, g := range devices.Graphics {
		if g.VNC != nil && g.VNC.Port > 0 {
			return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(vncListen, strconv.Itoa(g.VNC.Port)))
		}
	}
	return nil, errors.New("it is not running")
}

func openSerial(ctx context.Context, devices *libvirtxml.DomainDeviceList) (io.ReadWriteCloser, error) {
	for _, s := range devices.Serials {
		switch {
		case s.Source == nil:
		case s.Source.UNIX != nil:
			return new(net.Dialer).DialContext(ctx, "unix", s.Source.UNIX.Path)
		case s.Source.Pty != nil && s.Source.Pty.Path != "":
			return os.OpenFile(s.Source.Pty.Path, os.O_RDWR|unix.O_NOCTTY, 0)
		}
	}
	return nil, errors.New("it has none, or is not running")
}

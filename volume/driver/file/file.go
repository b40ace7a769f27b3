// Package file keeps volumes as qcow2 files and exports them over NBD.
//
// The files are named volume-ID.qcow2 in one directory. Exports are served by
// qemu-storage-daemon, one process for the guests of this host (a Unix socket)
// and one for other hosts (TCP), each started when first needed. They are
// detached processes: guests keep their disks while nubo is restarted or was
// killed. What is exported is written down beside the sockets, one file an
// export, so that a daemon that died is started again with all its exports.
//
// NBD over TCP has neither encryption nor authentication here: its address
// belongs on a network that only hosts can reach.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nubo/internal/fault"
	"nubo/internal/qemuimg"
	"nubo/volume/driver"
)

// Config is where the volumes are and where they are served.
type Config struct {
	Name     string // the back end's name, the part behind @ in the service's host
	Dir      string // the volumes' directory
	StateDir string // sockets, pid files and the list of exports
	// Host is this host's name: a volume for it is served on a Unix socket,
	// one for any other host on Address:Port.
	Host    string
	Address netip.Addr
	Port    int
	Log     *slog.Logger
}

const gib = 1 << 30

// tmpPrefix marks files that are not volumes yet.
const tmpPrefix = ".new-"

// Driver implements driver.Driver.
type Driver struct {
	cfg Config
	log *slog.Logger

	// mu guards the daemons' control sockets, which serve one client at a
	// time, and the export records.
	mu     sync.Mutex
	local  *storageDaemon
	remote *storageDaemon

	stop context.CancelFunc // ends the watch, nil before Setup
	done chan struct{}      // closed when it has ended
}

var _ driver.Driver = (*Driver)(nil)

// New makes the driver; Setup starts it.
func New(cfg Config) *Driver {
	d := &Driver{cfg: cfg, log: cfg.Log}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.local = newStorageDaemon(cfg.StateDir, "local", map[string]any{"type": "unix", "path": d.socket()})
	d.remote = newStorageDaemon(cfg.StateDir, "remote", map[string]any{
		"type": "inet", "host": cfg.Address.String(), "port": fmt.Sprint(cfg.Port)})
	return d
}

// socket is where this host's exports are served.
func (d *Driver) socket() string { return filepath.Join(d.cfg.StateDir, "nbd.sock") }

// Name gives the back end's name.
func (d *Driver) Name() string { return d.cfg.Name }

// Setup removes what a kill left half made, starts the daemons that have
// exports to serve, and watches over them.
func (d *Driver) Setup(ctx context.Context) error {
	if n := len(d.socket()); n > 107 {
		return fmt.Errorf("the path %s is too long for a socket (%d bytes, at most 107): choose a shorter data directory", d.socket(), n)
	}
	for _, dir := range []string{d.cfg.Dir, d.recordDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("prepare the volume store: %w", err)
		}
	}
	entries, err := os.ReadDir(d.cfg.Dir)
	if err != nil {
		return fmt.Errorf("prepare the volume store: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			if err := os.Remove(filepath.Join(d.cfg.Dir, e.Name())); err != nil {
				return fmt.Errorf("clean the volume store: %w", err)
			}
		}
	}
	if err := d.restore(ctx); err != nil {
		return err
	}
	if d.stop == nil {
		watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		d.stop, d.done = stop, make(chan struct{})
		go d.watch(watchCtx)
	}
	return nil
}

// watch starts a daemon that died again: guests reconnect by themselves.
func (d *Driver) watch(ctx context.Context) {
	defer close(d.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := d.restore(ctx); err != nil && ctx.Err() == nil {
			d.log.ErrorContext(ctx, "volume exports are down", slog.Any("error", err))
		}
	}
}

// Close ends the watch; the exports go on.
func (d *Driver) Close() error {
	if d.stop != nil {
		d.stop()
		<-d.done
		d.stop = nil
	}
	return nil
}

// Purge stops the daemons, and with them all exports. The records stay: the
// next Setup exports again.
func (d *Driver) Purge(ctx context.Context) error {
	if err := d.Close(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.local.stop(ctx), d.remote.stop(ctx))
}

// Capacity is the file system's.
func (d *Driver) Capacity(context.Context) (totalGB, freeGB int, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.cfg.Dir, &st); err != nil {
		return 0, 0, fmt.Errorf("read the free space of %s: %w", d.cfg.Dir, err)
	}
	size := uint64(st.Bsize)
	return int(st.Blocks * size / gib), int(st.Bavail * size / gib), nil
}

// List gives the ids of all volumes in the store.
func (d *Driver) List(context.Context) ([]string, error) {
	entries, err := os.ReadDir(d.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("list the volumes: %w", err)
	}
	var ids []string
	for _, e := range entries {
		id, isVolume := strings.CutPrefix(e.Name(), "volume-")
		if id, ok := strings.CutSuffix(id, ".qcow2"); ok && isVolume {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// idForm is what may become part of a file name, a socket path or a URI.
var idForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$`)

func checkID(id string) error {
	if !idForm.MatchString(id) {
		return fault.Invalidf("Invalid volume id %q.", id)
	}
	return nil
}

func (d *Driver) path(id string) string {
	return filepath.Join(d.cfg.Dir, "volume-"+id+".qcow2")
}

func (d *Driver) tmp(id, what string) string {
	return filepath.Join(d.cfg.Dir, tmpPrefix+id+"."+what)
}

func (d *Driver) exists(id string) bool {
	_, err := os.Stat(d.path(id))
	return err == nil
}

// Create makes an empty volume.
func (d *Driver) Create(ctx context.Context, id string, sizeGB int) error {
	return d.build(ctx, id, sizeGB, func(tmp string) error {
		return qemuimg.Create(ctx, tmp, "qcow2", int64(sizeGB)*gib)
	})
}

// CreateFromImage makes a volume with an image's content.
func (d *Driver) CreateFromImage(ctx context.Context, id string, sizeGB int, image io.Reader, format string, progress func(written int64)) error {
	return d.build(ctx, id, sizeGB, func(tmp string) error {
		download := d.tmp(id, "image")
		defer os.Remove(download)
		if err := fetch(ctx, download, image, sizeGB, progress); err != nil {
			return err
		}
		info, err := qemuimg.InspectUntrusted(ctx, download, format)
		if err != nil {
			return err
		}
		if info.VirtualSize > int64(sizeGB)*gib {
			return tooLarge(info.VirtualSize, sizeGB)
		}
		return qemuimg.Convert(ctx, download, format, tmp, "qcow2")
	})
}

// CreateFromVolume makes a copy of another volume. A volume in use is copied
// as it is at one moment.
func (d *Driver) CreateFromVolume(ctx context.Context, id string, sizeGB int, sourceID string) error {
	if err := checkID(sourceID); err != nil {
		return err
	}
	return d.build(ctx, id, sizeGB, func(tmp string) error {
		if !d.exists(sourceID) {
			return fault.NotFoundf("Volume %s could not be found.", sourceID)
		}
		if rec, err := d.record(sourceID); err != nil {
			return err
		} else if rec != nil && !rec.ReadOnly {
			return d.copyExported(ctx, *rec, id, tmp)
		}
		return qemuimg.Convert(ctx, d.path(sourceID), "qcow2", tmp, "qcow2")
	})
}

// build makes a volume by means of fill, which writes a qcow2 file of at most
// the volume's size to the path it is given. The volume exists only when it
// is complete.
func (d *Driver) build(ctx context.Context, id string, sizeGB int, fill func(tmp string) error) error {
	if err := checkID(id); err != nil {
		return err
	}
	if d.exists(id) {
		return d.Extend(ctx, id, sizeGB)
	}
	tmp := d.tmp(id, "qcow2")
	defer os.Remove(tmp)
	if err := fill(tmp); err != nil {
		return fmt.Errorf("create volume %s: %w", id, err)
	}
	if err := grow(ctx, tmp, sizeGB); err != nil {
		return fmt.Errorf("create volume %s: %w", id, err)
	}
	if err := publish(tmp, d.path(id)); err != nil {
		return fmt.Errorf("create volume %s: %w", id, err)
	}
	return nil
}

// Extend grows a volume that is not exported: an NBD server cannot tell its
// clients of a new size.
func (d *Driver) Extend(ctx context.Context, id string, sizeGB int) error {
	if err := checkID(id); err != nil {
		return err
	}
	if !d.exists(id) {
		return fault.NotFoundf("Volume %s could not be found.", id)
	}
	info, err := qemuimg.Inspect(ctx, d.path(id), "qcow2")
	if err == nil && info.VirtualSize >= int64(sizeGB)*gib {
		return nil
	}
	rec, recErr := d.record(id)
	if rec != nil {
		return fault.Conflictf("Volume %s is in use and this back end cannot extend it online.", id)
	}
	if err = errors.Join(err, recErr); err == nil {
		err = qemuimg.Resize(ctx, d.path(id), "qcow2", int64(sizeGB)*gib)
	}
	if err != nil {
		return fmt.Errorf("extend volume %s: %w", id, err)
	}
	return nil
}

// Delete removes a volume with its export.
func (d *Driver) Delete(ctx context.Context, id string) error {
	if err := d.Unexport(ctx, id); err != nil {
		return err
	}
	if err := os.Remove(d.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete volume %s: %w", id, err)
	}
	return nil
}

// grow makes an image sizeGB large if it is smaller.
func grow(ctx context.Context, path string, sizeGB int) error {
	info, err := qemuimg.Inspect(ctx, path, "qcow2")
	if err != nil {
		return err
	}
	if info.VirtualSize >= int64(sizeGB)*gib {
		return nil
	}
	return qemuimg.Resize(ctx, path, "qcow2", int64(sizeGB)*gib)
}

// publish makes a finished file durable under its name.
func publish(tmp, path string) error {
	for _, step := range []func() error{
		func() error { return syncPath(tmp) },
		func() error { return os.Rename(tmp, path) },
		func() error { return syncPath(filepath.Dir(path)) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// fetch writes the image to path. It gives up on one that is larger than any
// image that fits: the format's own tables get an eighth.
func fetch(ctx context.Context, path string, image io.Reader, sizeGB int, progress func(written int64)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	limit := int64(sizeGB)*gib + int64(sizeGB)*gib/8
	buf := make([]byte, 1<<20)
	var written int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := image.Read(buf)
		if _, err := f.Write(buf[:n]); err != nil {
			return err
		}
		if written += int64(n); written > limit {
			return tooLarge(written, sizeGB)
		}
		if n > 0 && progress != nil {
			progress(written)
		}
		if errors.Is(err, io.EOF) {
			return f.Close()
		}
		if err != nil {
			return fmt.Errorf("read the image: %w", err)
		}
	}
}

func tooLarge(size int64, sizeGB int) error {
	return fault.Invalidf("Image virtual size is %dGB and doesn't fit in a volume of size %dGB: it exceeds the volume size.",
		(size+gib-1)/gib, sizeGB)
}

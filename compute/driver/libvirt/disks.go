package libvirt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/kdomanski/iso9660"

	"nubo/compute/driver"
	"nubo/internal/fault"
	"nubo/internal/qemuimg"
)

// tmpPrefix marks files that are not finished.
const tmpPrefix = ".new-"

// imageCache keeps images as they were downloaded. A file in it is complete,
// was checked, and never changes: system disks are overlays on it.
type imageCache struct {
	dir string

	mu    sync.Mutex               // guards locks
	locks map[string]chan struct{} // one for each image being fetched; closed when that is over
}

// clean removes downloads that a kill cut short.
func (c *imageCache) clean() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			if err := os.Remove(filepath.Join(c.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// get gives the path of an image, fetching it where it is not there. Servers
// that need the same image wait for one download; when that fails, the next
// of them tries.
func (c *imageCache) get(ctx context.Context, image driver.Image) (string, error) {
	sum := sha256.Sum256([]byte(image.ID + " " + image.Checksum + " " + image.Format))
	key := hex.EncodeToString(sum[:16])
	path := filepath.Join(c.dir, key)
	unlock, err := c.lock(ctx, key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	tmp := filepath.Join(c.dir, tmpPrefix+key)
	defer os.Remove(tmp)
	if err := image.Fetch(ctx, tmp); err != nil {
		return "", err
	}
	if _, err := qemuimg.InspectUntrusted(ctx, tmp, image.Format); err != nil {
		return "", err
	}
	if err := os.Chmod(tmp, 0o444); err != nil {
		return "", err
	}
	return path, publish(tmp, path)
}

// lock waits for the image's turn.
func (c *imageCache) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		c.mu.Lock()
		busy, taken := c.locks[key]
		if !taken {
			if c.locks == nil {
				c.locks = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			c.locks[key] = mine
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				delete(c.locks, key)
				c.mu.Unlock()
				close(mine)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// makeDisks makes the files of a server that are not there yet. Each appears
// under its name when it is complete.
func (d *Driver) makeDisks(ctx context.Context, s driver.Server, progress func(string)) error {
	dir := d.dir(s.ID)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if s.Image != nil {
		progress("fetching the image")
		base, err := d.cache.get(ctx, *s.Image)
		if err != nil {
			return fmt.Errorf("fetch image %s: %w", s.Image.ID, err)
		}
		size, err := rootSize(ctx, base, s)
		if err != nil {
			return err
		}
		err = makeFile(filepath.Join(dir, rootFile), func(tmp string) error {
			return qemuimg.CreateOverlay(ctx, tmp, base, s.Image.Format, size)
		})
		if err != nil {
			return err
		}
	}
	progress("making disks")
	if s.EphemeralGB > 0 {
		err := makeFile(filepath.Join(dir, ephemeralFile), func(tmp string) error {
			return formatted(ctx, tmp, int64(s.EphemeralGB)*gib, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "ephemeral0")
		})
		if err != nil {
			return err
		}
	}
	if s.SwapMB > 0 {
		err := makeFile(filepath.Join(dir, swapFile), func(tmp string) error {
			return formatted(ctx, tmp, int64(s.SwapMB)<<20, "mkswap")
		})
		if err != nil {
			return err
		}
	}
	return d.writeConfigDrive(s)
}

// rootSize is the flavor's, or for a flavor without one the image's.
func rootSize(ctx context.Context, base string, s driver.Server) (int64, error) {
	info, err := qemuimg.Inspect(ctx, base, s.Image.Format)
	if err != nil {
		return 0, err
	}
	size := int64(s.RootGB) * gib
	if size == 0 {
		return info.VirtualSize, nil
	}
	if info.VirtualSize > size {
		return 0, fault.Invalidf("Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", size, info.VirtualSize)
	}
	return size, nil
}

// writeConfigDrive renders the config drive anew; its content may have changed.
func (d *Driver) writeConfigDrive(s driver.Server) error {
	if s.ConfigDrive == nil {
		return nil
	}
	w, err := iso9660.NewWriter()
	if err != nil {
		return fmt.Errorf("make the config drive: %w", err)
	}
	defer w.Cleanup()
	for path, content := range s.ConfigDrive {
		if err := w.AddFile(bytes.NewReader(content), path); err != nil {
			return fmt.Errorf("make the config drive: %w", err)
		}
	}
	path := filepath.Join(d.dir(s.ID), configFile)
	tmp := filepath.Join(d.dir(s.ID), tmpPrefix+configFile)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make the config drive: %w", err)
	}
	err = errors.Join(w.WriteTo(f, "config-2"), f.Close())
	if err == nil {
		err = publish(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("make the config drive: %w", err)
	}
	return nil
}

// makeFile makes one file unless it is there.
func makeFile(path string, fill func(tmp string) error) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	tmp := filepath.Join(filepath.Dir(path), tmpPrefix+filepath.Base(path))
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	return publish(tmp, path)
}

// formatted makes a sparse raw disk and has a program format it.
func formatted(ctx context.Context, path string, size int64, program ...string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program[0], append(program[1:], path)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// publish makes a finished file durable under its name.
func publish(tmp, path string) error {
	f, err := os.Open(tmp)
	if err != nil {
		return err
	}
	err = errors.Join(f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

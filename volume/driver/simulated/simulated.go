// Package simulated keeps volumes that hold no data: their sizes and exports
// are real, survive the process in one small file, and illegal steps are
// refused as a real store would.
package simulated

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"nubo/volume/driver"
)

// Config says where the state is and how large the store is.
type Config struct {
	File       string
	CapacityGB int
}

type record struct {
	SizeGB   int    `json:"size_gb"`
	Exported string `json:"exported,omitempty"` // the host it is exported to
}

// Driver implements driver.Driver.
type Driver struct {
	cfg Config

	mu      sync.Mutex // guards volumes and the file
	volumes map[string]record
}

// New makes the driver.
func New(cfg Config) *Driver { return &Driver{cfg: cfg, volumes: map[string]record{}} }

// Setup implements driver.Driver.
func (d *Driver) Setup(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := os.ReadFile(d.cfg.File)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(filepath.Dir(d.cfg.File), 0o700)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &d.volumes); err != nil {
		return fmt.Errorf("%s is damaged: %w", d.cfg.File, err)
	}
	return nil
}

// Name implements driver.Driver.
func (d *Driver) Name() string { return "simulated" }

// Capacity implements driver.Driver.
func (d *Driver) Capacity(context.Context) (int, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	free := d.cfg.CapacityGB
	for _, v := range d.volumes {
		free -= v.SizeGB
	}
	return d.cfg.CapacityGB, free, nil
}

// List implements driver.Driver.
func (d *Driver) List(context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := []string{}
	for id := range d.volumes {
		ids = append(ids, id)
	}
	return ids, nil
}

// change alters the volumes and writes them down before it returns.
func (d *Driver) change(fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := fn(); err != nil {
		return err
	}
	b, err := json.Marshal(d.volumes)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.cfg.File+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(d.cfg.File+".new", d.cfg.File)
}

// Create implements driver.Driver.
func (d *Driver) Create(_ context.Context, id string, sizeGB int) error {
	return d.change(func() error {
		d.volumes[id] = record{SizeGB: sizeGB, Exported: d.volumes[id].Exported}
		return nil
	})
}

// CreateFromImage implements driver.Driver: the image is read, as a real
// store would, and forgotten.
func (d *Driver) CreateFromImage(ctx context.Context, id string, sizeGB int, image io.Reader, _ string, progress func(int64)) error {
	n, err := io.Copy(io.Discard, image)
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	progress(n)
	return d.Create(ctx, id, sizeGB)
}

// CreateFromVolume implements driver.Driver.
func (d *Driver) CreateFromVolume(ctx context.Context, id string, sizeGB int, sourceID string) error {
	d.mu.Lock()
	_, ok := d.volumes[sourceID]
	d.mu.Unlock()
	if !ok {
		return fmt.Errorf("there is no volume %s to copy", sourceID)
	}
	return d.Create(ctx, id, sizeGB)
}

// Extend implements driver.Driver.
func (d *Driver) Extend(_ context.Context, id string, sizeGB int) error {
	return d.change(func() error {
		v, ok := d.volumes[id]
		if !ok || sizeGB < v.SizeGB {
			return fmt.Errorf("volume %s cannot become %d GiB", id, sizeGB)
		}
		v.SizeGB = sizeGB
		d.volumes[id] = v
		return nil
	})
}

// Delete implements driver.Driver.
func (d *Driver) Delete(_ context.Context, id string) error {
	return d.change(func() error {
		if d.volumes[id].Exported != "" {
			return fmt.Errorf("volume %s is exported to %s", id, d.volumes[id].Exported)
		}
		delete(d.volumes, id)
		return nil
	})
}

// Export implements driver.Driver.
func (d *Driver) Export(_ context.Context, id, host string, _ bool) (driver.Connection, error) {
	err := d.change(func() error {
		v, ok := d.volumes[id]
		if !ok {
			return fmt.Errorf("there is no volume %s", id)
		}
		v.Exported = host
		d.volumes[id] = v
		return nil
	})
	return driver.Connection{Type: "simulated", Data: map[string]any{"export": id}}, err
}

// Unexport implements driver.Driver.
func (d *Driver) Unexport(_ context.Context, id string) error {
	return d.change(func() error {
		if v, ok := d.volumes[id]; ok {
			v.Exported = ""
			d.volumes[id] = v
		}
		return nil
	})
}

// Close implements driver.Driver.
func (d *Driver) Close() error { return nil }

// Purge implements driver.Driver: nothing runs.
func (d *Driver) Purge(context.Context) error { return nil }

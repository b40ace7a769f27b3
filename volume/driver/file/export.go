package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nubo/internal/fault"
	"nubo/internal/qemuimg"
	"nubo/volume/driver"
)

func (d *Driver) recordDir() string { return filepath.Join(d.cfg.StateDir, "exports") }

func (d *Driver) recordPath(id string) string { return filepath.Join(d.recordDir(), id+".json") }

func (d *Driver) record(id string) (*exportRecord, error) { return readRecord(d.recordPath(id)) }

// records gives what one of the daemons has to serve.
func (d *Driver) records(daemon *storageDaemon) ([]exportRecord, error) {
	entries, err := os.ReadDir(d.recordDir())
	if err != nil {
		return nil, err
	}
	var list []exportRecord
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			continue
		}
		rec, err := readRecord(filepath.Join(d.recordDir(), e.Name()))
		if err != nil {
			return nil, err
		}
		if rec != nil && d.daemonFor(*rec) == daemon {
			list = append(list, *rec)
		}
	}
	return list, nil
}

func (d *Driver) writeRecord(rec exportRecord) error {
	text, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	tmp := filepath.Join(d.recordDir(), tmpPrefix+rec.VolumeID)
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return publish(tmp, d.recordPath(rec.VolumeID))
}

func (d *Driver) daemonFor(rec exportRecord) *storageDaemon {
	if rec.Host == d.cfg.Host {
		return d.local
	}
	return d.remote
}

func (d *Driver) connection(rec exportRecord) driver.Connection {
	data := map[string]any{"export": rec.VolumeID, "format": "raw"}
	if d.daemonFor(rec) == d.local {
		data["socket"] = d.socket()
	} else {
		data["host"], data["port"] = d.cfg.Address.String(), d.cfg.Port
	}
	return driver.Connection{Type: "nbd", Data: data}
}

// restore starts each daemon that has exports to serve and does not run.
func (d *Driver) restore(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, daemon := range []*storageDaemon{d.local, d.remote} {
		if daemon.running() {
			continue
		}
		records, err := d.records(daemon)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			continue
		}
		if err := d.ensure(ctx, daemon); err != nil {
			return err
		}
		d.log.InfoContext(ctx, "volumes are exported again", "count", len(records))
	}
	return nil
}

// ensure has the daemon running and serving all it is to serve. It holds mu.
func (d *Driver) ensure(ctx context.Context, daemon *storageDaemon) error {
	if daemon.running() {
		return nil
	}
	if err := daemon.start(ctx); err != nil {
		return err
	}
	records, err := d.records(daemon)
	if err != nil {
		return err
	}
	return daemon.talk(ctx, func(q *qmp) error {
		for _, rec := range records {
			if !d.exists(rec.VolumeID) {
				continue
			}
			if err := serve(q, d.path(rec.VolumeID), rec); err != nil {
				// One bad volume must not keep the others from their guests.
				d.log.ErrorContext(ctx, "a volume cannot be exported", "volume", rec.VolumeID, "error", err)
			}
		}
		return nil
	})
}

// Export makes the volume reachable from host. A volume has one export: one
// for another host replaces it.
func (d *Driver) Export(ctx context.Context, id, host string, readOnly bool) (driver.Connection, error) {
	if err := checkID(id); err != nil {
		return driver.Connection{}, err
	}
	if !d.exists(id) {
		return driver.Connection{}, fault.NotFoundf("Volume %s could not be found.", id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	rec := exportRecord{VolumeID: id, Host: host, ReadOnly: readOnly}
	before, err := d.record(id)
	if err != nil {
		return driver.Connection{}, err
	}
	if before != nil && *before != rec {
		if err := d.unexport(ctx, *before); err != nil {
			return driver.Connection{}, err
		}
	}
	daemon := d.daemonFor(rec)
	if err := d.writeRecord(rec); err != nil {
		return driver.Connection{}, fmt.Errorf("export volume %s: %w", id, err)
	}
	err = d.ensure(ctx, daemon)
	if err == nil {
		err = daemon.talk(ctx, func(q *qmp) error { return serve(q, d.path(id), rec) })
	}
	if err != nil {
		if before == nil || *before != rec {
			err = errors.Join(err, os.Remove(d.recordPath(id)))
		}
		return driver.Connection{}, fmt.Errorf("export volume %s: %w", id, err)
	}
	return d.connection(rec), nil
}

// Unexport ends a volume's export.
func (d *Driver) Unexport(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	rec, err := d.record(id)
	if err != nil || rec == nil {
		return err
	}
	return d.unexport(ctx, *rec)
}

// unexport holds mu. The record goes last: a kill before leaves an export
// that the next call finds.
func (d *Driver) unexport(ctx context.Context, rec exportRecord) error {
	if daemon := d.daemonFor(rec); daemon.running() {
		err := daemon.talk(ctx, func(q *qmp) error { return withdraw(ctx, q, rec.VolumeID) })
		if err != nil {
			return fmt.Errorf("end the export of volume %s: %w", rec.VolumeID, err)
		}
	}
	if err := os.Remove(d.recordPath(rec.VolumeID)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("end the export of volume %s: %w", rec.VolumeID, err)
	}
	return nil
}

// withExport talks to the daemon that serves the volume.
func (d *Driver) withExport(ctx context.Context, rec exportRecord, say func(*qmp) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	daemon := d.daemonFor(rec)
	if err := d.ensure(ctx, daemon); err != nil {
		return err
	}
	return daemon.talk(ctx, say)
}

// copyExported copies a volume whose file the daemon holds open to the new
// file tmp, as it is at one moment, however long the copy takes.
func (d *Driver) copyExported(ctx context.Context, rec exportRecord, targetID, tmp string) (err error) {
	info, err := qemuimg.Inspect(ctx, d.path(rec.VolumeID), "qcow2")
	if err != nil {
		return err
	}
	// A copy that a kill cut short may still hold the file.
	if err := d.finishCopy(ctx, rec, targetID); err != nil {
		return err
	}
	if err := qemuimg.Create(ctx, tmp, "qcow2", info.VirtualSize); err != nil {
		return err
	}
	err = d.withExport(ctx, rec, func(q *qmp) error { return backup(q, rec.VolumeID, targetID, tmp) })
	defer func() { err = errors.Join(err, d.finishCopy(context.WithoutCancel(ctx), rec, targetID)) }()
	for err == nil {
		var j *job
		err = d.withExport(ctx, rec, func(q *qmp) error {
			var err error
			j, err = findJob(q, nodeName("c", targetID))
			return err
		})
		switch {
		case err != nil:
		case j == nil:
			err = errors.New("the storage daemon was restarted during the copy")
		case j.Error != "":
			err = fmt.Errorf("copy volume %s: %s", rec.VolumeID, j.Error)
		case j.Status == "concluded":
			return nil
		default:
			err = pause(ctx)
		}
	}
	return err
}

// finishCopy removes a copy's job from the daemon.
func (d *Driver) finishCopy(ctx context.Context, rec exportRecord, targetID string) error {
	for {
		var over bool
		err := d.withExport(ctx, rec, func(q *qmp) error {
			var err error
			over, err = endBackup(q, targetID)
			return err
		})
		if err != nil || over {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

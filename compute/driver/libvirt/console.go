package libvirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
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

package wal

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// faultFS is a directory in memory that can lose what was not synced, tear
// writes, flip bits, be full and fail.
type faultFS struct {
	mu    sync.Mutex
	files map[string]*faultFile
	dead  bool  // the machine is off: nothing works any more
	space int64 // what Allocate may still take; -1 is no limit
	fail  error // what syncs and writes return
	full  bool  // writes fail for want of space
	lost  error // what syncs alone return
}

type faultFile struct {
	fs      *faultFS
	data    []byte
	durable []byte
	writes  []faultWrite // since the last sync
}

type faultWrite struct {
	off  int64
	data []byte
}

var errOff = errors.New("the machine is off")

func newFaultFS() *faultFS { return &faultFS{files: make(map[string]*faultFile), space: -1} }

// crash turns the machine off and returns the directory as it is found later.
func (d *faultFS) crash(rnd *rand.Rand) *faultFS {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	after := newFaultFS()
	for name, f := range d.files {
		data := slices.Clone(f.durable)
		for _, w := range f.writes {
			n := len(w.data)
			switch rnd.IntN(3) {
			case 0:
				continue
			case 1:
				n = rnd.IntN(n + 1)
			}
			copy(data[w.off:], w.data[:n])
		}
		after.files[name] = &faultFile{fs: after, data: data, durable: slices.Clone(data)}
	}
	return after
}

// set changes what goes wrong.
func (d *faultFS) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// check returns why nothing works. mu is held.
func (d *faultFS) check() error {
	if d.dead {
		return errOff
	}
	return d.fail
}

func (d *faultFS) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for n := range d.files {
		names = append(names, n)
	}
	return names, nil
}

func (d *faultFS) Open(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return nil, err
	}
	f := d.files[name]
	if f == nil {
		f = &faultFile{fs: d}
		d.files[name] = f
	}
	return f, nil
}

func (d *faultFS) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return err
	}
	d.files[to] = d.files[from]
	delete(d.files, from)
	return nil
}

func (d *faultFS) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return err
	}
	if f := d.files[name]; f != nil && d.space >= 0 {
		d.space += int64(len(f.data))
	}
	delete(d.files, name)
	return nil
}

func (d *faultFS) Sync() error { return nil }

func (d *faultFS) Lock() (func() error, error) { return func() error { return nil }, nil }

func (f *faultFile) Close() error { return nil }

func (f *faultFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *faultFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *faultFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.check(); err != nil {
		return 0, err
	}
	if f.fs.full { // half of it is there all the same
		f.grow(off + int64(len(b)))
		copy(f.data[off:], b[:len(b)/2])
		f.writes = append(f.writes, faultWrite{off, slices.Clone(b[:len(b)/2])})
		return len(b) / 2, unix.ENOSPC
	}
	f.grow(off + int64(len(b)))
	copy(f.data[off:], b)
	f.writes = append(f.writes, faultWrite{off, slices.Clone(b)})
	return len(b), nil
}

// grow makes the file longer, which is durable at once. mu is held.
func (f *faultFile) grow(size int64) {
	if n := size - int64(len(f.data)); n > 0 {
		f.data = append(f.data, make([]byte, n)...)
		f.durable = append(f.durable, make([]byte, n)...)
	}
}

func (f *faultFile) Allocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.check(); err != nil {
		return err
	}
	if n := size - int64(len(f.data)); n > 0 && f.fs.space >= 0 {
		if f.fs.space < n {
			return unix.ENOSPC
		}
		f.fs.space -= n
	}
	f.grow(size)
	return nil
}

func (f *faultFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.check(); err != nil {
		return err
	}
	f.grow(size)
	f.data, f.durable = f.data[:size], f.durable[:size]
	f.writes = slices.DeleteFunc(f.writes, func(w faultWrite) bool { return w.off+int64(len(w.data)) > size })
	return nil
}

func (f *faultFile) Datasync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.check(); err != nil {
		return err
	}
	if f.fs.lost != nil {
		return f.fs.lost
	}
	for _, w := range f.writes {
		copy(f.durable[w.off:], w.data)
	}
	f.writes = nil
	return nil
}

package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// File is what the log needs of a file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Allocate sets space aside so that the file has at least size octets.
	Allocate(size int64) error
	// Datasync makes what was written durable.
	Datasync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// FS is what the log needs of a directory.
type FS interface {
	// List returns the names of the files.
	List() ([]string, error)
	// Open opens a file for reading and writing, made if it is not there.
	Open(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes names durable.
	Sync() error
	// Lock keeps others out until the returned function is called.
	Lock() (unlock func() error, err error)
}

// dir is an FS of the operating system.
type dir string

type osFile struct{ *os.File }

// Dir returns the directory of a name, made if it is not there.
func Dir(name string) (FS, error) {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	return dir(name), nil
}

func (d dir) List() ([]string, error) {
	list, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d dir) Open(name string) (File, error) {
	f, err := os.OpenFile(filepath.Join(string(d), name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d dir) Rename(from, to string) error {
	return os.Rename(filepath.Join(string(d), from), filepath.Join(string(d), to))
}

func (d dir) Remove(name string) error { return os.Remove(filepath.Join(string(d), name)) }

func (d dir) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d dir) Lock() (func() error, error) {
	f, err := os.OpenFile(filepath.Join(string(d), "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.New("another broker uses the directory")
		}
		return nil, err
	}
	// A child that is being started holds the descriptor too until its program
	// runs, so closing alone would not free the directory at once.
	return func() error { return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close()) }, nil
}

func (f osFile) Allocate(size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		if n, err := f.Size(); err != nil || n >= size {
			return err
		}
		return f.Truncate(size)
	}
	return err
}

func (f osFile) Datasync() error { return unix.Fdatasync(int(f.Fd())) }

func (f osFile) Size() (int64, error) {
	i, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

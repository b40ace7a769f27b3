package fernet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Repository is a folder of keys as Keystone keeps it: files named by number.
// The highest is the primary, which seals; 0 is staged, the next primary;
// all open. Rotation therefore never makes a token of before unreadable, and
// another process can open what this one will seal after the next rotation.
type Repository struct {
	dir string
	// MaxActive is how many keys are kept; older ones are removed.
	maxActive int

	mu     sync.Mutex // guards what follows
	keys   []Key      // the primary first
	read   time.Time  // when the folder was read
	stamp  time.Time  // the folder's modification time then; zero if it may change yet with no other time
	minAge time.Duration
}

// tempPrefix begins the names of keys that are being written.
const tempPrefix = ".new-"

// OpenRepository opens the folder, makes its first keys if it is empty and
// ends a rotation that was killed.
func OpenRepository(dir string, maxActive int) (*Repository, error) {
	if maxActive < 3 {
		return nil, fmt.Errorf("fernet: %d active keys are too few, at least 3 are needed to rotate", maxActive)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &Repository{dir: dir, maxActive: maxActive, minAge: time.Second}
	return r, r.alone(r.repair)
}

// alone calls fn, after which the keys are read, while no other process
// changes the folder.
func (r *Repository) alone(fn func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, err := os.Open(r.dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing was written to it
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", r.dir, err)
	}
	defer syscall.Flock(int(d.Fd()), syscall.LOCK_UN) //nolint:errcheck // it goes with the descriptor too
	if err := fn(); err != nil {
		return err
	}
	if err := d.Sync(); err != nil { // a key must not seal before it is there for good
		return fmt.Errorf("sync %s: %w", r.dir, err)
	}
	return r.reloadLocked()
}

// repair makes the keys of a new folder, and key 0 where a rotation was killed
// before it had staged one; what a killed process was writing is removed. The
// caller is alone.
func (r *Repository) repair() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err := os.Remove(filepath.Join(r.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	numbers, err := r.numbers()
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		if err := r.write(1, NewKey()); err != nil {
			return err
		}
	}
	if len(numbers) == 0 || numbers[0] != 0 {
		return r.write(0, NewKey())
	}
	return nil
}

// Keys gives the keys, the primary first. Keys that another process rotated
// are noticed within a second.
func (r *Repository) Keys() []Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.read) > r.minAge {
		if info, err := os.Stat(r.dir); err == nil && !info.ModTime().Equal(r.stamp) {
			r.reloadLocked() //nolint:errcheck // the keys known so far still open every token of theirs
		}
		r.read = time.Now()
	}
	return r.keys
}

// Rotate makes the staged key the primary, stages a new one and removes the
// oldest beyond the limit.
func (r *Repository) Rotate() error { return r.alone(r.rotate) }

func (r *Repository) rotate() error {
	if err := r.repair(); err != nil {
		return err
	}
	numbers, err := r.numbers()
	if err != nil {
		return err
	}
	next := numbers[len(numbers)-1] + 1
	if err := os.Rename(r.path(0), r.path(next)); err != nil {
		return err
	}
	if err := r.write(0, NewKey()); err != nil {
		return err
	}
	numbers = append(numbers[1:], next)
	for len(numbers)+1 > r.maxActive {
		if err := os.Remove(r.path(numbers[0])); err != nil {
			return err
		}
		numbers = numbers[1:]
	}
	return nil
}

func (r *Repository) path(n int) string { return filepath.Join(r.dir, strconv.Itoa(n)) }

// write puts a key in place at once and for good: a half-written key would
// make tokens unreadable.
func (r *Repository) write(n int, k Key) error {
	f, err := os.CreateTemp(r.dir, tempPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	if _, err := f.WriteString(k.String()); err != nil {
		f.Close() //nolint:errcheck // the write's error says more
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), r.path(n))
}

// numbers lists the keys' numbers in order.
func (r *Repository) numbers() ([]int, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n >= 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// settled is how old a folder's modification time has to be for the next
// change to have another one: clocks of file systems tick.
const settled = 100 * time.Millisecond

// reloadLocked reads the folder; r.mu is held.
func (r *Repository) reloadLocked() error {
	info, err := os.Stat(r.dir)
	if err != nil {
		return err
	}
	numbers, err := r.numbers()
	if err != nil {
		return err
	}
	slices.Reverse(numbers)
	var keys []Key
	for _, n := range numbers {
		b, err := os.ReadFile(r.path(n))
		if err != nil {
			return err
		}
		k, err := ParseKey(string(b))
		if err != nil {
			return fmt.Errorf("%s: %w", r.path(n), err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return fmt.Errorf("fernet: no keys in %s", r.dir)
	}
	r.keys, r.stamp, r.read = keys, info.ModTime(), time.Now()
	if r.read.Sub(r.stamp) < settled {
		r.stamp = time.Time{}
	}
	return nil
}

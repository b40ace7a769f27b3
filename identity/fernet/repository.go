package fernet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
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
	stamp  time.Time  // the folder's modification time then
	minAge time.Duration
}

// OpenRepository opens the folder and makes its first keys if it is empty.
func OpenRepository(dir string, maxActive int) (*Repository, error) {
	if maxActive < 3 {
		return nil, fmt.Errorf("fernet: %d active keys are too few, at least 3 are needed to rotate", maxActive)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &Repository{dir: dir, maxActive: maxActive, minAge: time.Second}
	numbers, err := r.numbers()
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		for _, n := range []int{0, 1} {
			if err := r.write(n, NewKey()); err != nil {
				return nil, err
			}
		}
	}
	return r, r.reload()
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
func (r *Repository) Rotate() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	numbers, err := r.numbers()
	if err != nil {
		return err
	}
	if len(numbers) == 0 || numbers[0] != 0 {
		return errors.New("fernet: there is no staged key 0 to promote")
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
	return r.reloadLocked()
}

func (r *Repository) path(n int) string { return filepath.Join(r.dir, strconv.Itoa(n)) }

// write puts a key in place at once and for good: a half-written key would
// make tokens unreadable.
func (r *Repository) write(n int, k Key) error {
	f, err := os.CreateTemp(r.dir, ".new-")
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

func (r *Repository) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reloadLocked()
}

// reloadLocked reads the folder; r.mu is held. A rotation that was killed
// between its steps leaves no key 0: it is made again here.
func (r *Repository) reloadLocked() error {
	info, err := os.Stat(r.dir)
	if err != nil {
		return err
	}
	numbers, err := r.numbers()
	if err != nil {
		return err
	}
	if len(numbers) > 0 && numbers[0] != 0 {
		if err := r.write(0, NewKey()); err != nil {
			return err
		}
		numbers = append([]int{0}, numbers...)
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
	return nil
}

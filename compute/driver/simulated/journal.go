package simulated

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// journal is the file of a host's guests: a line for each change, the newest
// last; a line without a guest is its end. It survives the process, not the
// machine: nothing of a simulated host would.
type journal struct{ f *os.File }

type entry struct {
	ID    string `json:"id"`
	Guest *guest `json:"guest,omitempty"`
}

// openJournal reads the guests, and begins the file anew with just them.
func openJournal(path string) (*journal, map[string]*guest, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	guests, err := readJournal(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	j := &journal{f}
	for id, g := range guests {
		if err := j.write(id, g); err != nil {
			return nil, nil, errors.Join(err, f.Close())
		}
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return j, guests, nil
}

// readJournal plays the file. A last line that a kill cut short is a change
// nobody was told of.
func readJournal(path string) (map[string]*guest, error) {
	guests := map[string]*guest{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return guests, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan(); n++ {
		var e entry
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			if in.Scan() {
				return nil, fmt.Errorf("%s:%d: %w", path, n, err)
			}
			break
		}
		if e.Guest == nil {
			delete(guests, e.ID)
		} else {
			guests[e.ID] = e.Guest
		}
	}
	return guests, in.Err()
}

func (j *journal) write(id string, g *guest) error {
	b, err := json.Marshal(entry{id, g})
	if err != nil {
		return err
	}
	_, err = j.f.Write(append(b, '\n'))
	return err
}

func (j *journal) close() error { return j.f.Close() }

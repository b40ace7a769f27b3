package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// runState is what DATA/nubo.run says of the process that holds its lock, or
// of the one that held it last.
type runState struct {
	PID     int               `json:"pid"`
	Flags   map[string]string `json:"flags"` // configuration given on the command line
	Config  string            `json:"config,omitempty"`
	Started time.Time         `json:"started"`
}

// runFile is the locked file of a running cloud. The kernel drops the lock
// with the process, however it ends.
type runFile struct{ f *os.File }

var errRunning = errors.New("running")

// openRun takes the data directory for this process; errRunning if another
// has it.
func openRun(path string) (*runFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close() //nolint:errcheck // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errRunning
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &runFile{f}, nil
}

func (r *runFile) write(s runState) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := r.f.Truncate(0); err != nil {
		return err
	}
	_, err = r.f.WriteAt(b, 0)
	return err
}

// close gives the lock up, also if a child that is being started has the
// descriptor too; the file stays, so that "nubo down" knows how the cloud was
// started.
func (r *runFile) close() {
	syscall.Flock(int(r.f.Fd()), syscall.LOCK_UN) //nolint:errcheck // it goes with the file too
	r.f.Close()                                   //nolint:errcheck // nothing is to be written
}

func readRun(path string) (runState, error) {
	var s runState
	b, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return s, nil
}

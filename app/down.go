package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

type downCommand struct {
	DataDir string `placeholder:"DIR" help:"The data directory of the cloud to stop."`
	Config  string `placeholder:"FILE" help:"Configuration file, if the cloud was started with one that has moved."`
	Purge   bool   `help:"Delete the data, too."`
}

// stopLimit is how long the process may take to stop before it is killed.
const stopLimit = 30 * time.Second

// Run stops the process, however it was started, and removes what it made on
// the host; after a kill -9, too.
func (d downCommand) Run(ctx context.Context, o output) error {
	set, err := load(options{DataDir: d.DataDir, Config: d.Config})
	if err != nil {
		return err
	}
	file := set.path("nubo.run")
	state, err := readRun(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no cloud with data directory %s", set.def.DataDir)
	}
	if err != nil {
		return err
	}
	run, err := stopProcess(ctx, file, state.PID)
	if err != nil {
		return err
	}
	defer run.close()
	// From here on nobody can start a cloud on this data directory.
	if set, err = loadAs(state, d.Config); err != nil {
		return err
	}
	if err := cleanHost(ctx, set); err != nil {
		return fmt.Errorf("remove what the cloud made on this host: %w", err)
	}
	if d.Purge {
		if err := os.RemoveAll(set.def.DataDir); err != nil {
			return err
		}
	} else if err := os.Remove(file); err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.out, "nubo is down")
	return err
}

// loadAs reads the configuration as the stopped process had it.
func loadAs(state runState, file string) (*settings, error) {
	if file == "" {
		file = state.Config
	}
	return loadWith(file, state.Flags)
}

// stopProcess ends the process that holds the lock, and takes the lock.
func stopProcess(ctx context.Context, file string, pid int) (*runFile, error) {
	run, err := openRun(file)
	if err == nil || !errors.Is(err, errRunning) {
		return run, err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return nil, fmt.Errorf("stop process %d: %w", pid, err)
	}
	killAt := time.Now().Add(stopLimit)
	for {
		if run, err := openRun(file); err == nil || !errors.Is(err, errRunning) {
			return run, err
		}
		if time.Now().After(killAt) {
			syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it may have ended this moment
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

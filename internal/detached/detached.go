// Package detached runs the helper daemons that must outlive nubo's process
// (libvirtd, qemu-storage-daemon): guests go on while nubo is restarted,
// upgraded or killed.
//
// A daemon is found again by its pid file. The file is written by the daemon's
// own process before it becomes the daemon, so that no kill of nubo can leave
// one running that no pid file names; and the daemon carries the file's path
// in its environment, so that a reused pid is never taken for it.
package detached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Daemon is a helper daemon.
type Daemon struct {
	PIDFile string
	LogFile string   // its standard output and error
	Args    []string // the program, which stays in the foreground, and its arguments
}

// marker is the environment variable by which a process is known as ours.
const marker = "NUBO_PIDFILE"

// stopGrace is how long a daemon may take to end before it is killed.
const stopGrace = 10 * time.Second

// becomeDaemon writes the pid file ($0) and turns into the daemon.
const becomeDaemon = `echo $$ > "$0.new" && mv "$0.new" "$0" && exec "$@"`

// Start starts the daemon unless it runs, and returns its pid. It does not
// wait until the daemon serves.
func (d Daemon) Start() (int, error) {
	if pid := d.PID(); pid != 0 {
		return pid, nil
	}
	// The shell would report a missing program only to the log.
	if _, err := exec.LookPath(d.Args[0]); err != nil {
		return 0, fmt.Errorf("start %s: %w", d.Args[0], err)
	}
	for _, f := range []string{d.PIDFile, d.LogFile} {
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			return 0, err
		}
	}
	log, err := os.OpenFile(d.LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", becomeDaemon, d.PIDFile}, d.Args...)...)
	// Not nubo's own environment: it may hold passwords.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", marker + "=" + d.PIDFile}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", d.Args[0], err)
	}
	go func() { _ = cmd.Wait() }() // buries it, should it end before nubo
	return cmd.Process.Pid, nil
}

// PID is the running daemon's, or 0.
func (d Daemon) PID() int {
	text, err := os.ReadFile(d.PIDFile)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 || !d.is(pid) {
		return 0
	}
	return pid
}

// is reports whether the process lives and is this daemon.
func (d Daemon) is(pid int) bool {
	env := environ(pid)
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if string(kv) == marker+"="+d.PIDFile {
			return true
		}
	}
	return false
}

// execTries bounds how often a process without an environment is looked at, a
// millisecond apart, if it may be in the midst of becoming another program.
const execTries = 100

// environ is a process's environment; none if it has ended.
func environ(pid int) []byte {
	for range execTries {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || len(env) > 0 || zombie(pid) {
			return env
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// zombie reports whether a process has ended, and its parent has not noted it.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	state := bytes.TrimLeft(stat[bytes.LastIndexByte(stat, ')')+1:], " ") // behind the name, which may hold anything
	return err != nil || bytes.HasPrefix(state, []byte("Z")) || bytes.HasPrefix(state, []byte("X"))
}

// Stop ends the daemon, by force when it does not end by itself, and removes
// the pid file. A daemon that does not run is no error.
func (d Daemon) Stop(ctx context.Context) error {
	pid := d.PID()
	if pid == 0 {
		return remove(d.PIDFile)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	deadline := time.Now().Add(stopGrace)
	killed := false
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for d.is(pid) {
		if !killed && time.Now().After(deadline) {
			killed = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop process %d: %w", pid, ctx.Err())
		case <-tick.C:
		}
	}
	return remove(d.PIDFile)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

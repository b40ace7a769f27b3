package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"nubo/internal/obs"
)

type upCommand struct {
	options `embed:""`
	Role    string `enum:"all,controller" default:"all" help:"all, or controller: everything but this host's compute and network agents."`
	Detach  bool   `help:"Return when the cloud is ready; it goes on in the background."`
}

// startLimit is how long a start may take before it counts as failed.
const startLimit = 2 * time.Minute

// readyVar names the file descriptor on which a detached child tells its
// parent that it is ready.
const readyVar = "NUBO_READY_FD"

// Run starts the cloud.
func (u upCommand) Run(ctx context.Context, o output) error {
	set, err := load(u.options)
	if err != nil {
		return err
	}
	if u.Detach {
		return detach(ctx, o, set)
	}
	targets := allModules
	if u.Role == "controller" {
		targets = controllerModules
	}
	started := time.Now()
	return runCloud(ctx, u.options, set, targets, func(sec *secrets) error {
		if err := writeClients(set, sec); err != nil {
			return err
		}
		return sayReady(o, fmt.Sprintf("nubo is ready (%.2f s): %s; the administrator's access is in %s",
			time.Since(started).Seconds(), set.url(portIdentity, "/v3"), set.path("openrc")))
	})
}

// sayReady prints the line, and tells a waiting parent.
func sayReady(o output, line string) error {
	if _, err := fmt.Fprintln(o.out, line); err != nil {
		return err
	}
	if os.Getenv(readyVar) == "" {
		return nil
	}
	f := os.NewFile(3, "ready")
	defer f.Close() //nolint:errcheck // the line is through or nobody waits
	_, err := fmt.Fprintln(f, line)
	return err
}

// runCloud runs modules in this process until ctx ends. ready is called once,
// when all of them serve.
func runCloud(ctx context.Context, o options, set *settings, targets []string, ready func(*secrets) error) error {
	// Others may pass through, not look: the system's QEMU runs as a user of
	// its own and must reach its disks. What is secret is 0600 itself.
	if err := os.MkdirAll(set.def.DataDir, 0o711); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	run, err := openRun(set.path("nubo.run"))
	if errors.Is(err, errRunning) {
		state, _ := readRun(set.path("nubo.run"))
		return fmt.Errorf("a cloud with data directory %s runs already (pid %d); stop it with: nubo down --data-dir %s", set.def.DataDir, state.PID, set.def.DataDir)
	}
	if err != nil {
		return err
	}
	defer run.close()
	if err := run.write(runState{PID: os.Getpid(), Flags: o.overrides(), Config: absolute(o.Config), Started: time.Now().UTC()}); err != nil {
		return err
	}
	log, closeLog, err := openLog(set)
	if err != nil {
		return err
	}
	defer closeLog() //nolint:errcheck // the last line is written
	sec, changed, err := ensureSecrets(set.path("secrets.json"), os.Getenv("NUBO_ADMIN_PASSWORD"))
	if err != nil {
		return err
	}
	if set.messaging.URL != "" { // another broker is configured
		targets = slices.DeleteFunc(slices.Clone(targets), func(n string) bool { return n == "broker" })
	}
	c := newCloud(set, sec, log, slices.Contains(targets, "broker"))
	c.newAdminPassword, c.hashesApart = changed, true
	c.addModules(targets)
	return c.run(ctx, targets, func() error { return ready(sec) })
}

// run runs the targets until ctx ends or they do not get ready.
func (c *cloud) run(ctx context.Context, targets []string, ready func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !slices.Contains(targets, "dashboard") { // who shows traces is elsewhere
		telling := make(chan struct{})
		go func() { defer close(telling); c.bus.SendTraces(ctx, c.trace) }()
		defer func() { cancel(); <-telling }()
	}
	done := make(chan error, 1)
	go func() { done <- c.manager.Run(ctx, targets...) }()
	limit, stop := context.WithTimeout(ctx, startLimit)
	defer stop()
	err := c.manager.Ready(limit)
	if err == nil {
		err = ready()
	}
	if err != nil {
		cancel()
		<-done
		c.bus.Close(context.WithoutCancel(ctx))
		if errors.Is(err, context.Canceled) {
			return nil // stopped by the user while it started
		}
		return fmt.Errorf("the cloud did not get ready: %w; the log is %s", err, c.set.logFile())
	}
	err = <-done
	c.bus.Close(context.WithoutCancel(ctx))
	return err
}

func absolute(file string) string {
	if file == "" {
		return ""
	}
	if abs, err := filepath.Abs(file); err == nil {
		return abs
	}
	return file
}

func (s *settings) logFile() string {
	switch s.def.LogFile {
	case "":
		return s.path("log", "nubo.log")
	case "-":
		return "standard error"
	}
	return s.def.LogFile
}

// openLog makes the process's logger.
func openLog(set *settings) (*slog.Logger, func() error, error) {
	opts := obs.Options{JSON: set.def.LogJSON, Level: slog.LevelInfo}
	if set.def.Debug {
		opts.Level = slog.LevelDebug
	}
	if set.def.LogFile == "-" {
		return slog.New(obs.NewHandler(os.Stderr, opts)), func() error { return nil }, nil
	}
	file := set.logFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return slog.New(obs.NewHandler(f, opts)), f.Close, nil
}

// detach starts the same command in the background and waits until it says
// that it is ready.
func detach(ctx context.Context, o output, set *settings) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close() //nolint:errcheck // nothing more is read
	if err := os.MkdirAll(set.path("log"), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(set.path("log", "nubo.out"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // the child has its own
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool { return a == "--detach" || strings.HasPrefix(a, "--detach=") })
	child := exec.Command(self, args...)
	child.Stdout, child.Stderr = out, out
	child.ExtraFiles = []*os.File{write}
	child.Env = append(os.Environ(), readyVar+"=3")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return err
	}
	write.Close() //nolint:errcheck // the child's end decides
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(read).ReadString('\n')
		line <- text
	}()
	select {
	case text := <-line:
		if text != "" {
			_, err := io.WriteString(o.out, text)
			return errors.Join(err, child.Process.Release())
		}
	case <-ctx.Done():
		child.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	}
	child.Wait() //nolint:errcheck // what it printed says more
	said, _ := os.ReadFile(out.Name())
	return failure{errors.New(strings.TrimPrefix(strings.TrimSpace(string(said)), "nubo: "))}
}

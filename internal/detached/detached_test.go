package detached

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nubo/internal/testx"
)

func sleeper(t *testing.T, args ...string) Daemon {
	dir := t.TempDir()
	if len(args) == 0 {
		args = []string{"sleep", "600"}
	}
	d := Daemon{PIDFile: filepath.Join(dir, "pid"), LogFile: filepath.Join(dir, "log"), Args: args}
	t.Cleanup(func() { testx.NoErr(t, d.Stop(context.WithoutCancel(t.Context()))) })
	return d
}

func started(t *testing.T, d Daemon) int {
	pid, err := d.Start()
	testx.NoErr(t, err)
	testx.Eventually(t, "the daemon writes its pid file", func() bool { return d.PID() == pid })
	return pid
}

func TestStartFindStop(t *testing.T) {
	t.Parallel()
	d := sleeper(t)
	testx.Equal(t, d.PID(), 0)
	pid := started(t, d)
	again, err := d.Start()
	testx.NoErr(t, err)
	testx.Equal(t, again, pid)
	// Another instance, as after a restart of nubo, finds the same process.
	testx.Equal(t, Daemon{PIDFile: d.PIDFile}.PID(), pid)
	testx.NoErr(t, d.Stop(t.Context()))
	testx.Equal(t, d.PID(), 0)
	testx.Eventually(t, "the process is buried", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	testx.NoErr(t, d.Stop(t.Context()))
}

func TestKilledDaemonIsStartedAgain(t *testing.T) {
	t.Parallel()
	d := sleeper(t)
	pid := started(t, d)
	testx.NoErr(t, syscall.Kill(pid, syscall.SIGKILL))
	testx.Eventually(t, "the death is seen", func() bool { return d.PID() == 0 })
	if again := started(t, d); again == pid {
		t.Fatalf("pid %d again", pid)
	}
}

// TestExecIsNoEnd finds the daemon also in the midst of an exec, when a process
// has no environment for a moment.
func TestExecIsNoEnd(t *testing.T) {
	t.Parallel()
	d := sleeper(t, "/bin/sh", "-c", `exec /bin/sh -c "$0" "$0"`, `exec /bin/sh -c "$0" "$0"`)
	pid := started(t, d)
	for n := range 20_000 {
		if got := d.PID(); got != pid {
			t.Fatalf("look %d: the process is %d, not %d", n, got, pid)
		}
	}
}

func TestForeignProcessIsNotOurs(t *testing.T) {
	t.Parallel()
	d := sleeper(t)
	testx.NoErr(t, os.WriteFile(d.PIDFile, []byte(strconv.Itoa(os.Getpid())), 0o600))
	testx.Equal(t, d.PID(), 0)
	testx.NoErr(t, d.Stop(t.Context())) // must not end this test
	for _, text := range []string{"", "x", "1", "-1", "0"} {
		testx.NoErr(t, os.WriteFile(d.PIDFile, []byte(text), 0o600))
		testx.Equal(t, d.PID(), 0)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	d := sleeper(t, "/no/such/program")
	_, err := d.Start()
	testx.ErrIs(t, err, os.ErrNotExist)
}

func TestEnvironmentIsNotInherited(t *testing.T) {
	t.Setenv("NUBO_ADMIN_PASSWORD", "secret")
	d := sleeper(t)
	pid := started(t, d)
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	testx.NoErr(t, err)
	if strings.Contains(string(env), "secret") {
		t.Fatalf("environment %q", env)
	}
}

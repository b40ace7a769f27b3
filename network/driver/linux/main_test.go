package linux

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// insideVar is set for the process that runs inside namespaces of its own.
const insideVar = "NUBO_TEST_INSIDE_NAMESPACES"

// TestMain runs the tests in a network and a mount namespace made for them,
// so that nothing of the machine's own is touched. Only root can; without it
// the tests of real packets do not run, and that is said loudly.
func TestMain(m *testing.M) {
	switch {
	case inside():
		if err := isolate(); err != nil {
			fmt.Fprintln(os.Stderr, "isolate the tests:", err)
			os.Exit(1)
		}
		goleak.VerifyTestMain(m)
	case os.Geteuid() == 0:
		os.Exit(runInside())
	default:
		fmt.Fprintln(os.Stderr, "=== NOT RUN: network/driver/linux: all tests of real packets (DHCP, security groups,\n"+
			"=== routers, floating IPs, overlays, removal), because they need root")
		goleak.VerifyTestMain(m)
	}
}

func runInside() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "start the tests in namespaces:", err)
		return 1
	}
	return 0
}

func isolate() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", netnsDir, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", netnsDir, err)
	}
	return nil
}

// inside tells whether the tests may make real interfaces.
func inside() bool { return os.Getenv(insideVar) != "" }

func needRoot(t *testing.T) {
	t.Helper()
	if !inside() {
		t.Skip("NOT RUN: needs root")
	}
}

package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nubo/internal/clock"
	"nubo/internal/detached"
)

// daemon is a libvirtd that nubo starts where the host runs none: in
// containers, in network namespaces, on machines without systemd.
//
// libvirtd has its paths compiled in, so it runs in a mount namespace of its
// own in which they are directories under root. The socket is the exception:
// where it is the default one, the run directory is the host's, so that
// virsh finds the guests. The cache of QEMU's capabilities stays the host's
// too, because filling it takes seconds.
type daemon struct {
	root   string
	socket string
	proc   detached.Daemon
}

const (
	daemonStartLimit = 30 * time.Second

	// libvirtd.conf: one local socket for its own user.
	daemonConf = `listen_tls = 0
listen_tcp = 0
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "%s"
log_outputs = "3:stderr"
`
	// qemu.conf: no helper daemon for logs, and nothing that needs cgroups,
	// udev or a security module.
	qemuConf = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
security_default_confined = 0
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
vnc_listen = "127.0.0.1"
`
	// $1 is the root; the pairs after it are what to mount where.
	daemonScript = `set -e
root=$1; shift
while [ "$1" != -- ]; do mkdir -p "$2"; mount --bind "$root/$1" "$2"; shift 2; done
shift
exec "$@"`
)

// PrivateSocket is the socket of a managed libvirtd that shares nothing with
// the host, so that several can run on one machine.
func PrivateSocket(stateDir string) string {
	return filepath.Join(stateDir, "libvirt", "run", "libvirt-sock")
}

func newDaemon(stateDir, socket string) *daemon {
	m := &daemon{root: filepath.Join(stateDir, "libvirt"), socket: socket}
	args := []string{"unshare", "--mount", "--propagation", "slave", "sh", "-c", daemonScript, "libvirtd", m.root,
		"etc", "/etc/libvirt", "lib", "/var/lib/libvirt", "log", "/var/log/libvirt"}
	if socket != DefaultSocket {
		args = append(args, "run", "/run/libvirt")
	}
	m.proc = detached.Daemon{
		PIDFile: filepath.Join(m.root, "nubo.pid"),
		LogFile: filepath.Join(m.root, "log", "libvirtd.log"),
		Args:    append(args, "--", "libvirtd", "-f", "/etc/libvirt/libvirtd.conf", "-p", filepath.Join(m.root, "libvirtd.pid")),
	}
	return m
}

// start starts libvirtd and waits until it serves.
func (m *daemon) start(ctx context.Context) error {
	if m.socket != DefaultSocket && m.socket != filepath.Join(m.root, "run", "libvirt-sock") {
		return fmt.Errorf("no libvirtd answers, and nubo can start one only on %s or %s",
			DefaultSocket, filepath.Join(m.root, "run", "libvirt-sock"))
	}
	if n := len(m.socket); n > 107 {
		return fmt.Errorf("the path %s is too long for a socket (%d bytes, at most 107): choose a shorter data directory", m.socket, n)
	}
	if os.Geteuid() != 0 {
		return errors.New("no libvirtd answers, and only root can start one")
	}
	if err := m.writeConf(); err != nil {
		return fmt.Errorf("configure libvirtd: %w", err)
	}
	if _, err := m.proc.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, daemonStartLimit)
	defer cancel()
	for !dials(m.socket) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("libvirtd does not come up (see %s): %w", m.proc.LogFile, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
		if m.proc.PID() == 0 && m.ended() {
			return fmt.Errorf("libvirtd ended at once: %s", m.lastWords())
		}
	}
	return nil
}

// ended tells a daemon that has died from one that is not up yet: only the
// former has left its pid file.
func (m *daemon) ended() bool {
	_, err := os.Stat(m.proc.PIDFile)
	return err == nil && m.proc.PID() == 0
}

func (m *daemon) lastWords() string {
	text, err := os.ReadFile(m.proc.LogFile)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

func (m *daemon) writeConf() error {
	for _, dir := range []string{"etc", "lib", "log", "run"} {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o755); err != nil {
			return err
		}
	}
	etc := filepath.Join(m.root, "etc")
	if err := os.WriteFile(filepath.Join(etc, "qemu.conf"), []byte(qemuConf), 0o600); err != nil {
		return err
	}
	path := filepath.Join(etc, "libvirtd.conf")
	if _, err := os.Stat(path); err == nil {
		return nil // the host's UUID in it must not change
	}
	return os.WriteFile(path, fmt.Appendf(nil, daemonConf, clock.NewID()), 0o600)
}

// stop ends the libvirtd that nubo started, if it did.
func (m *daemon) stop(ctx context.Context) error {
	if err := m.proc.Stop(ctx); err != nil {
		return fmt.Errorf("stop libvirtd: %w", err)
	}
	return nil
}

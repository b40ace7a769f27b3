package linux

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where `ip netns` keeps named namespaces.
const netnsDir = "/run/netns"

// space is a network namespace to work in: the host's, a router's or DHCP's.
type space struct {
	ns netns.NsHandle
	nl *netlink.Handle
}

// hostSpace is the namespace of the calling thread.
func hostSpace() (*space, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ns, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open the host's network namespace: %w", err)
	}
	return newSpace(ns)
}

func newSpace(ns netns.NsHandle) (*space, error) {
	nl, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER)
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &space{ns: ns, nl: nl}, nil
}

// close gives the handles back; the namespace itself stays.
func (s *space) close() {
	s.nl.Close()
	s.ns.Close()
}

// do runs fn on a thread that is inside the namespace. Sockets opened and
// processes started by fn belong to it. fn must not start goroutines.
func (s *space) do(fn func() error) error {
	return onThread(func() error { return netns.Set(s.ns) }, fn)
}

// onThread locks a thread, lets enter change its namespace, runs fn and
// brings the thread back. A thread that cannot be brought back stays locked,
// so that the runtime ends it with its goroutine and never uses it again.
func onThread(enter, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- fmt.Errorf("open the thread's network namespace: %w", err)
			return
		}
		defer home.Close()
		if err := enter(); err != nil {
			done <- fmt.Errorf("enter a network namespace: %w", err)
			return
		}
		err = fn()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// sysctl writes values under /proc/sys/net, which shows the writing thread's
// namespace. Keys are relative to it: "ipv4/ip_forward".
func (s *space) sysctl(values map[string]string) error {
	return s.do(func() error {
		for key, value := range values {
			path := filepath.Join("/proc/sys/net", key)
			if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
				// A kernel without IPv6 has nothing to set there.
				if strings.HasPrefix(key, "ipv6/") && errors.Is(err, os.ErrNotExist) {
					continue
				}
				return fmt.Errorf("set sysctl %s: %w", key, err)
			}
		}
		return nil
	})
}

// openNamed opens a named namespace; ok is false where there is none,
// or only the file a killed process left before it was mounted.
func openNamed(name string) (s *space, ok bool, err error) {
	if !namedExists(name) {
		return nil, false, nil
	}
	ns, err := netns.GetFromName(name)
	if err != nil {
		return nil, false, fmt.Errorf("open namespace %s: %w", name, err)
	}
	s, err = newSpace(ns)
	return s, err == nil, err
}

func namedExists(name string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(filepath.Join(netnsDir, name), &fs) == nil && fs.Type == unix.NSFS_MAGIC
}

// ensureNamed opens a named namespace and makes it where it is missing.
func ensureNamed(name string) (*space, error) {
	if s, ok, err := openNamed(name); ok || err != nil {
		return s, err
	}
	path := filepath.Join(netnsDir, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the remains of namespace %s: %w", name, err)
	}
	var made netns.NsHandle
	err := onThread(func() error { return nil }, func() (err error) {
		made, err = netns.NewNamed(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", name, err)
	}
	s, err := newSpace(made)
	if err != nil {
		return nil, err
	}
	lo, err := s.nl.LinkByName("lo")
	if err == nil {
		err = s.nl.LinkSetUp(lo)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("bring up lo in namespace %s: %w", name, err)
	}
	return s, nil
}

// deleteNamed removes a named namespace; absence is no error.
func deleteNamed(name string) error {
	path := filepath.Join(netnsDir, name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil &&
		!errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove namespace %s: %w", name, err)
	}
	return nil
}

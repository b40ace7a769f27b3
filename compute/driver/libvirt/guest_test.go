package libvirt

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/crypto/ssh"

	"nubo/compute/driver"
	"nubo/internal/testx"
)

// inNamespace marks the child that has a network and mount namespace of its own.
const inNamespace = "NUBO_TEST_IN_NAMESPACE"

// bootLimit bounds a broken boot: emulated, on a busy machine.
const bootLimit = 5 * time.Minute

// userData tells on the console, line by line, which disks and interfaces
// come and go.
const userData = `#!/bin/sh
(seen=
while sleep 0.2; do
  now=$(for d in /sys/block/vd*; do echo "disk ${d##*/} $(cat $d/serial)"; done; for n in /sys/class/net/*; do echo "nic $(cat $n/address)"; done)
  [ "$now" = "$seen" ] && continue
  echo "devices: $(echo $now)" > /dev/console
  seen=$now
done) &
`

// TestGuest boots nubo-mini under a libvirtd of its own and takes it through
// its life. It runs as a child in its own namespaces, so that no mount or
// interface outlives it; processes do if it is killed.
func TestGuest(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		runInNamespace(t, "libvirtd", "qemu-system-x86_64", "qemu-nbd", "unshare", "ip", "busybox")
		return
	}
	l := newLab(t)
	t.Run("hypervisor", l.hypervisor)
	l.spawn(t)
	t.Run("ssh", l.ssh)
	t.Run("consoles", l.consoles)
	t.Run("volume", l.volume)
	t.Run("interface", l.interfaces)
	t.Run("power", l.power)
	t.Run("libvirtd dies", l.libvirtdDies)
	t.Run("foreign domains", l.foreign)
	t.Run("purge", l.purge)
	t.Run("destroy", l.destroy)
}

// TestDefaultSocket shows that virsh finds a managed libvirtd without being
// told where.
func TestDefaultSocket(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		runInNamespace(t, "libvirtd", "virsh", "qemu-system-x86_64", "unshare")
		return
	}
	run(t, "mount", "-t", "tmpfs", "tmpfs", "/run") // a machine on which no libvirtd runs
	root := t.TempDir()
	d := New(Config{ManageDaemon: true, StateDir: root, VirtType: "auto",
		InstancesPath: filepath.Join(root, "instances"), ImageCachePath: filepath.Join(root, "images")})
	testx.NoErr(t, d.Setup(t.Context()))
	out, err := exec.Command("virsh", "list", "--all").CombinedOutput()
	if err != nil {
		t.Errorf("virsh: %v: %s", err, out)
	}
	testx.NoErr(t, d.Close())
	if !d.conn.answers() {
		t.Error("libvirtd ended with the driver")
	}
	testx.NoErr(t, New(d.cfg).Purge(t.Context()))
	if d.conn.answers() {
		t.Error("libvirtd outlived Purge")
	}
}

// runInNamespace runs the test in a child process of its own namespaces.
func runInNamespace(t *testing.T, tools ...string) {
	if testing.Short() {
		t.Skip("NOT RUN: no real guest is booted with -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: booting a real guest needs root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT RUN: %s is missing; install the packages in tools/packages/compute.txt", tool)
		}
	}
	image := t.TempDir()
	if out, err := exec.Command("../../../tools/guest/build.sh", image).CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: the test guest cannot be built: %s", out)
	}
	cmd := exec.Command("unshare", "--net", "--mount", "--propagation", "private",
		os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=20m")
	cmd.Env = append(os.Environ(), inNamespace+"="+filepath.Join(image, "nubo-mini.qcow2"))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("in the namespace: %v", err)
	}
}

// lab is a host with one server.
type lab struct {
	d      *Driver
	server driver.Server
	events <-chan driver.Event
	disk   driver.Disk // a volume, served by qemu-nbd
	key    ssh.Signer  // the server's key pair
	// restartNBD restarts the volume's server.
	restartNBD func()
}

func newLab(t *testing.T) *lab {
	run(t, "ip", "link", "set", "lo", "up")
	for _, tap := range []string{"tap0", "tap1"} {
		run(t, "ip", "tuntap", "add", tap, "mode", "tap")
		run(t, "ip", "link", "set", tap, "up")
	}
	root, err := os.MkdirTemp("", "nubo-libvirt") // short: it becomes a socket's path
	testx.NoErr(t, err)
	serveDHCP(t, root)
	d := New(Config{Socket: PrivateSocket(root), ManageDaemon: true, StateDir: root,
		InstancesPath: filepath.Join(root, "instances"), ImageCachePath: filepath.Join(root, "images"),
		VirtType: "auto", Hostname: "compute1", HostIP: netip.MustParseAddr("192.0.2.1"),
		Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))})
	t.Cleanup(func() {
		testx.NoErr(t, d.Purge(context.Background()))
		testx.Equal(t, d.daemon.proc.PID(), 0)
		testx.NoErr(t, os.RemoveAll(root))
	})
	took(t, "start libvirtd and connect", func() { testx.NoErr(t, d.Setup(t.Context())) })
	ctx, cancel := context.WithCancel(context.Background())
	events, err := d.Events(ctx)
	testx.NoErr(t, err)
	t.Cleanup(func() { // before Purge: nothing may ask libvirtd back
		cancel()
		for range events {
		}
	})
	image := os.Getenv(inNamespace)
	_, private, err := ed25519.GenerateKey(nil)
	testx.NoErr(t, err)
	key, err := ssh.NewSignerFromKey(private)
	testx.NoErr(t, err)
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	restart, disk := newVolume(t, root)
	return &lab{d: d, key: key, events: events, disk: disk, restartNBD: restart, server: driver.Server{
		ID: testID, InstanceName: "instance-00000001", Name: "web", ProjectID: "project", UserID: "user", FlavorName: "m1.tiny",
		VCPUs: 1, MemoryMB: 192, RootGB: 1,
		Interfaces: []driver.Interface{{PortID: "p0", MAC: "fa:16:3e:00:00:01", Device: "tap0", MTU: 1450}},
		Image: &driver.Image{ID: "nubo-mini", Format: "qcow2", Fetch: func(_ context.Context, path string) error {
			return exec.Command("cp", image, path).Run()
		}},
		ConfigDrive: map[string][]byte{
			"openstack/latest/meta_data.json": []byte(`{"uuid": "` + testID + `", "hostname": "web.novalocal", "public_keys": {"k": "` + public + `"}}`),
			"openstack/latest/user_data":      []byte(userData)},
	}}
}

// guestAddress is what DHCP gives the guest on tap0.
const guestAddress = "192.0.2.10"

func serveDHCP(t *testing.T, root string) {
	run(t, "ip", "addr", "add", "192.0.2.1/24", "dev", "tap0")
	leases, conf := filepath.Join(root, "leases"), filepath.Join(root, "udhcpd.conf")
	testx.NoErr(t, os.WriteFile(leases, nil, 0o600))
	testx.NoErr(t, os.WriteFile(conf, fmt.Appendf(nil, "start %s\nend %s\ninterface tap0\nlease_file %s\npidfile %s.pid\noption subnet 255.255.255.0\n",
		guestAddress, guestAddress, leases, leases), 0o600))
	cmd := exec.Command("busybox", "udhcpd", "-f", conf)
	testx.NoErr(t, cmd.Start())
	t.Cleanup(func() {
		testx.NoErr(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
	})
}

// sh runs a command in the guest as the user cirros.
func (l *lab) sh(t *testing.T, command string) string {
	t.Helper()
	client, err := ssh.Dial("tcp", guestAddress+":22", &ssh.ClientConfig{User: "cirros",
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, // what the guest has; it would make others first
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(l.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	testx.NoErr(t, err)
	defer client.Close()
	session, err := client.NewSession()
	testx.NoErr(t, err)
	defer session.Close()
	out, err := session.CombinedOutput(command)
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	return string(out)
}

func (l *lab) ssh(t *testing.T) {
	testx.Equal(t, l.sh(t, `id -un; sudo id -un; sudo sh -c 'echo "$0"' "it's"`), "cirros\nroot\nit's\n")
}

// consoles holds that the screen speaks RFB, and that the serial port takes
// what is typed while the log goes on.
func (l *lab) consoles(t *testing.T) {
	screen, err := l.d.OpenConsole(t.Context(), testID, driver.VNC)
	testx.NoErr(t, err)
	hello := make([]byte, 12)
	_, err = io.ReadFull(screen, hello)
	testx.NoErr(t, err)
	testx.Equal(t, string(hello), "RFB 003.008\n")
	testx.NoErr(t, screen.Close())
	for i := range 2 { // it is free again when one has left
		port, err := l.d.OpenConsole(t.Context(), testID, driver.Serial)
		testx.NoErr(t, err)
		hung := time.AfterFunc(bootLimit, func() { port.Close() })
		// login throws away what is typed before it asks.
		l.waitConsole(t, "a prompt", func(text string) bool { return strings.Count(text, "login: ") > i })
		name := fmt.Sprintf("nobody%d", i)
		_, err = io.WriteString(port, name+"\r")
		testx.NoErr(t, err)
		var shown []byte
		for b := make([]byte, 100); !strings.Contains(string(shown), name+"\r\nPassword:"); {
			n, err := port.Read(b)
			if err != nil {
				t.Fatalf("after %q: %v", shown, err)
			}
			shown = append(shown, b[:n]...)
		}
		_, err = io.WriteString(port, "wrong\r")
		testx.NoErr(t, err)
		l.waitConsole(t, "what was typed", func(text string) bool {
			_, after, ok := strings.Cut(text, name)
			return ok && strings.Contains(after, "incorrect")
		})
		hung.Stop()
		testx.NoErr(t, port.Close())
	}
}

// newVolume gives a volume, and a function that restarts what serves it.
func newVolume(t *testing.T, root string) (restart func(), volume driver.Disk) {
	const id = "0b5e7a8e-1111-4222-8333-944445555666"
	path, socket := filepath.Join(root, "volume"), filepath.Join(root, "nbd")
	testx.NoErr(t, os.WriteFile(path, nil, 0o600))
	testx.NoErr(t, os.Truncate(path, gib))
	var cmd *exec.Cmd
	kill := func() {
		testx.NoErr(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
	}
	serve := func() {
		cmd = exec.Command("qemu-nbd", "--format=raw", "--socket="+socket, "--export-name="+id, "--shared=4", "--persistent", path)
		testx.NoErr(t, cmd.Start())
		testx.Eventually(t, "the volume is served", func() bool { return dials(socket) })
	}
	serve()
	t.Cleanup(kill)
	return func() { kill(); serve() }, driver.Disk{VolumeID: id, Serial: id, Device: "vdb", BootIndex: -1,
		Connection: driver.Connection{Type: "nbd", Data: driver.ConnectionData{Socket: socket, Export: id, Format: "raw"}}}
}

// testWriter sends a log to the test's.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// took logs how long a step took; it is no assertion.
func took(t *testing.T, what string, do func()) {
	t.Helper()
	start := time.Now()
	do()
	t.Logf("TOOK %s: %.2f s", what, time.Since(start).Seconds())
}

func (l *lab) console(t *testing.T) string {
	t.Helper()
	text, err := l.d.ConsoleLog(t.Context(), testID, 0)
	testx.NoErr(t, err)
	return string(text)
}

// waitConsole waits until the console satisfies ok.
func (l *lab) waitConsole(t *testing.T, what string, ok func(text string) bool) {
	t.Helper()
	deadline := time.Now().Add(bootLimit)
	for !ok(l.console(t)) {
		if time.Now().After(deadline) {
			t.Fatalf("never on the console: %s\n%s", what, l.console(t))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (l *lab) waitReady(t *testing.T, boots int) {
	t.Helper()
	took(t, fmt.Sprintf("boot %d to READY", boots), func() {
		t.Helper()
		l.waitConsole(t, fmt.Sprintf("READY %d times", boots), func(text string) bool {
			return strings.Count(text, "nubo-mini READY") >= boots
		})
	})
}

// lastDevices is the guest's newest word on what it has.
func lastDevices(text string) string {
	at := strings.LastIndex(text, "devices: ")
	if at < 0 {
		return ""
	}
	line, _, _ := strings.Cut(text[at:], "\n")
	return line
}

func (l *lab) state(t *testing.T) driver.PowerState {
	t.Helper()
	g, err := l.d.Get(t.Context(), testID)
	testx.NoErr(t, err)
	return g.State
}

func (l *lab) noEvent(t *testing.T) {
	t.Helper()
	select {
	case e := <-l.events:
		t.Fatalf("event %+v of what the driver did itself", e)
	default:
	}
}

func (l *lab) hypervisor(t *testing.T) {
	h, err := l.d.Hypervisor(t.Context())
	testx.NoErr(t, err)
	t.Logf("%+v", h)
	if h.VCPUs < 1 || h.MemoryMB < 512 || h.UsedMemoryMB < 1 || h.UsedMemoryMB > h.MemoryMB || h.DiskGB < 1 ||
		h.Version < 1000000 || h.Type != "QEMU" || h.Hostname != "compute1" || !strings.Contains(h.CPUInfo, `"arch":"x86_64"`) {
		t.Fatalf("got %+v", h)
	}
}

func (l *lab) spawn(t *testing.T) {
	_, err := l.d.Get(t.Context(), testID)
	testx.ErrIs(t, err, driver.ErrNoGuest)
	took(t, "spawn", func() { testx.NoErr(t, l.d.Spawn(t.Context(), l.server, nil)) })
	testx.NoErr(t, l.d.Spawn(t.Context(), l.server, nil))
	guests, err := l.d.List(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, guests, []driver.Guest{{ID: testID, Name: "instance-00000001", State: driver.Running}})
	l.waitReady(t, 1)
	if text := l.console(t); !strings.Contains(text, "datasource=config-drive instance-id="+testID+" hostname=web") {
		t.Fatalf("the guest did not read its config drive:\n%s", text)
	}
	lines, err := l.d.ConsoleLog(t.Context(), testID, 2)
	testx.NoErr(t, err)
	if n := strings.Count(strings.TrimSuffix(string(lines), "\n"), "\n"); n != 1 {
		t.Fatalf("two lines of console: %q", lines)
	}
}

func (l *lab) volume(t *testing.T) {
	// A virtio disk's serial has 20 characters.
	seen := "disk vdc " + l.disk.Serial[:20]
	for range 2 {
		took(t, "attach a volume", func() { testx.NoErr(t, l.d.AttachVolume(t.Context(), testID, l.disk)) })
	}
	l.waitConsole(t, "the new disk", func(text string) bool { return strings.Contains(lastDevices(text), seen) })
	// The disk works again after what serves it was started again.
	l.sh(t, "sudo dd if=/dev/zero of=/dev/vdc bs=1M count=8 oflag=direct 2>&1")
	l.restartNBD()
	took(t, "read a volume whose server is new", func() {
		l.sh(t, "for n in $(seq 100); do sudo dd if=/dev/vdc of=/dev/null bs=1M count=8 iflag=direct 2>&1 && exit; sleep 0.1; done; exit 1")
	})
	for range 2 {
		took(t, "detach a volume", func() { testx.NoErr(t, l.d.DetachVolume(t.Context(), testID, l.disk)) })
	}
	l.waitConsole(t, "the disk goes", func(text string) bool { return !strings.Contains(lastDevices(text), seen) })
}

func (l *lab) interfaces(t *testing.T) {
	nic := driver.Interface{PortID: "p1", MAC: "fa:16:3e:00:00:02", Device: "tap1", MTU: 1450}
	for range 2 {
		took(t, "attach an interface", func() { testx.NoErr(t, l.d.AttachInterface(t.Context(), testID, nic)) })
	}
	l.waitConsole(t, "the new interface", func(text string) bool { return strings.Contains(lastDevices(text), nic.MAC) })
	for range 2 {
		took(t, "detach an interface", func() { testx.NoErr(t, l.d.DetachInterface(t.Context(), testID, nic)) })
	}
	l.waitConsole(t, "the interface goes", func(text string) bool { return !strings.Contains(lastDevices(text), nic.MAC) })
}

func (l *lab) power(t *testing.T) {
	ctx := t.Context()
	for range 2 {
		took(t, "stop", func() { testx.NoErr(t, l.d.Stop(ctx, testID)) })
	}
	testx.Equal(t, l.state(t), driver.Shutdown)

	// A volume attached to a stopped server is there when it starts.
	testx.NoErr(t, l.d.AttachVolume(ctx, testID, l.disk))
	withVolume := l.server
	withVolume.Disks = []driver.Disk{l.disk}
	for range 2 {
		took(t, "start", func() { testx.NoErr(t, l.d.Start(ctx, withVolume)) })
	}
	l.waitReady(t, 2)
	testx.NoErr(t, l.d.DetachVolume(ctx, testID, l.disk))

	took(t, "reboot, soft", func() { testx.NoErr(t, l.d.Reboot(ctx, l.server, false)) })
	l.waitReady(t, 3)
	took(t, "reboot, hard", func() { testx.NoErr(t, l.d.Reboot(ctx, l.server, true)) })
	testx.Equal(t, l.state(t), driver.Running)
	testx.NoErr(t, l.d.AttachVolume(ctx, testID, l.disk))
	took(t, "detach a volume while the guest boots", func() { testx.NoErr(t, l.d.DetachVolume(ctx, testID, l.disk)) })
	boots := strings.Count(l.console(t), "nubo-mini READY")
	took(t, "reboot, hard", func() { testx.NoErr(t, l.d.Reboot(ctx, l.server, true)) })

	// It boots and does not hear the button: with little time, it is cut.
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	took(t, "stop with a limit of 1 s", func() { testx.NoErr(t, l.d.Stop(short, testID)) })
	testx.Equal(t, l.state(t), driver.Shutdown)
	l.noEvent(t)

	testx.NoErr(t, l.d.Start(ctx, l.server))
	testx.NoErr(t, l.d.withDomain(ctx, testID, cutPower)) // as virsh destroy does
	testx.Equal(t, <-l.events, driver.Event{ID: testID, State: driver.Shutdown})
	testx.NoErr(t, l.d.Start(ctx, l.server))
	l.waitReady(t, boots+1)
	l.noEvent(t)
}

func (l *lab) libvirtdDies(t *testing.T) {
	pid := l.d.daemon.proc.PID()
	testx.NoErr(t, syscall.Kill(pid, syscall.SIGKILL))
	testx.Eventually(t, "libvirtd is started again and knows the guest", func() bool {
		g, err := l.d.Get(t.Context(), testID)
		return err == nil && g.State == driver.Running && l.d.daemon.proc.PID() != pid
	})
	testx.Eventually(t, "events flow again", func() bool {
		testx.NoErr(t, l.d.withDomain(t.Context(), testID, cutPower))
		select {
		case e := <-l.events:
			return e == driver.Event{ID: testID, State: driver.Shutdown}
		default:
			return false
		}
	})
}

func (l *lab) foreign(t *testing.T) {
	const id = "11111111-2222-4333-8444-555555555555"
	other := New(Config{Socket: l.d.cfg.Socket, InstancesPath: "/elsewhere", ImageCachePath: t.TempDir()})
	other.virtType, other.cpuMode = "qemu", "maximum"
	defer func() { testx.NoErr(t, other.Close()) }()
	foreign := driver.Server{ID: id, InstanceName: "instance-00000009", VCPUs: 1, MemoryMB: 64}
	text, err := domainXML(foreign, host{virtType: "qemu", cpuMode: "maximum", home: "/elsewhere"})
	testx.NoErr(t, err)
	testx.NoErr(t, other.conn.do(t.Context(), func(lv *golibvirt.Libvirt) error {
		_, err := lv.DomainDefineXMLFlags(text, 0)
		return err
	}))
	guests, err := l.d.List(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, len(guests), 1)
	testx.NoErr(t, l.d.Destroy(t.Context(), id))
	testx.NoErr(t, l.d.Stop(t.Context(), id))
	g, err := other.Get(t.Context(), id)
	testx.NoErr(t, err)
	testx.Equal(t, g.State, driver.Shutdown)
	testx.NoErr(t, other.removeDomain(t.Context(), id))
}

// qemuPID finds the server's process, and not that of a test that was killed.
func (l *lab) qemuPID(t *testing.T) int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	testx.NoErr(t, err)
	for _, p := range paths {
		if text, err := os.ReadFile(p); err == nil && bytes.Contains(text, []byte(l.d.dir(testID))) && bytes.Contains(text, []byte("qemu-system")) {
			pid, err := strconv.Atoi(strings.Split(p, "/")[2])
			testx.NoErr(t, err)
			return pid
		}
	}
	t.Fatal("no QEMU process runs")
	return 0
}

// awaitEnd waits until a process has ended, whether or not the init process
// has taken note of it by then.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	testx.Eventually(t, "the end of a process", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty for a zombie
		return err != nil || len(text) == 0
	})
}

// drain forgets what was told so far.
func (l *lab) drain() {
	for {
		select {
		case <-l.events:
		default:
			return
		}
	}
}

// purge is what "nubo down" does after nubo was killed: another process
// finds everything and ends it, but for the disks.
func (l *lab) purge(t *testing.T) {
	ctx := t.Context()
	testx.NoErr(t, l.d.Start(ctx, l.server))
	qemu, libvirtd := l.qemuPID(t), l.d.daemon.proc.PID()
	other := New(l.d.cfg)
	took(t, "purge", func() { testx.NoErr(t, other.Purge(ctx)) })
	awaitEnd(t, qemu)
	awaitEnd(t, libvirtd)
	_, err := os.Stat(filepath.Join(l.d.dir(testID), rootFile))
	testx.NoErr(t, err)
	// Stopped and undefined by another; libvirtd may have ended before it told
	// of the latter.
	if e := <-l.events; e.ID != testID || e.State != driver.NoState && e.State != driver.Shutdown {
		t.Errorf("event %+v", e)
	}
	guests, err := l.d.List(ctx) // libvirtd is back
	testx.NoErr(t, err)
	testx.Equal(t, guests, []driver.Guest{{ID: testID}})
	l.drain()
}

func (l *lab) destroy(t *testing.T) {
	ctx := t.Context()
	testx.NoErr(t, l.d.Start(ctx, l.server))
	qemu := l.qemuPID(t)
	for range 2 {
		took(t, "destroy", func() { testx.NoErr(t, l.d.Destroy(ctx, testID)) })
	}
	awaitEnd(t, qemu)
	_, err := l.d.Get(ctx, testID)
	testx.ErrIs(t, err, driver.ErrNoGuest)
	entries, err := os.ReadDir(l.d.cfg.InstancesPath)
	testx.NoErr(t, err)
	testx.Equal(t, len(entries), 0)
	// What a kill in the middle of a spawn leaves is listed and removed.
	testx.NoErr(t, os.Mkdir(l.d.dir(testID), 0o755))
	guests, err := l.d.List(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, guests, []driver.Guest{{ID: testID}})
	testx.NoErr(t, l.d.Destroy(ctx, testID))
	// A spawn that fails leaves nothing.
	broken := l.server
	broken.Interfaces = []driver.Interface{{MAC: "fa:16:3e:00:00:01", Device: "no-such-tap"}}
	if err := l.d.Spawn(ctx, broken, nil); err == nil || !strings.Contains(err.Error(), "specified dev doesn't exist") {
		t.Fatalf("spawned without its tap: %v", err)
	}
	guests, err = l.d.List(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, len(guests), 0)
	l.noEvent(t)
}

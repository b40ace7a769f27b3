package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/qemuimg"
	"nubo/internal/testx"
	"nubo/internal/trace"
	"nubo/volume/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newDriver makes a driver whose directories have short paths, as sockets
// need, and which leaves no process behind.
func newDriver(t *testing.T) *Driver {
	for _, tool := range []string{"qemu-img", "qemu-io", "qemu-storage-daemon", "prlimit"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT RUN: %s is missing; install the packages in tools/packages/compute.txt", tool)
		}
	}
	dir, err := os.MkdirTemp("", "nubo-volumes")
	testx.NoErr(t, err)
	t.Cleanup(func() { testx.NoErr(t, os.RemoveAll(dir)) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	testx.NoErr(t, listener.Close())
	d := New(Config{Name: "file", Dir: filepath.Join(dir, "volumes"), StateDir: filepath.Join(dir, "state"),
		Host: "here", Address: netip.MustParseAddr("127.0.0.1"), Port: port})
	testx.NoErr(t, d.Setup(t.Context()))
	t.Cleanup(func() { testx.NoErr(t, d.Purge(context.Background())) })
	return d
}

func size(t *testing.T, d *Driver, id string) int64 {
	t.Helper()
	info, err := qemuimg.Inspect(t.Context(), d.path(id), "qcow2")
	testx.NoErr(t, err)
	return info.VirtualSize
}

// uri is where a connection's volume is.
func uri(t *testing.T, c driver.Connection) string {
	testx.Equal(t, c.Type, "nbd")
	if socket, ok := c.Data["socket"]; ok {
		return "nbd+unix:///" + c.Data["export"].(string) + "?socket=" + socket.(string)
	}
	return "nbd://" + net.JoinHostPort(c.Data["host"].(string), strconv.Itoa(c.Data["port"].(int))) + "/" + c.Data["export"].(string)
}

// qemuIO runs a command of qemu-io on a volume and reports whether it passed.
func qemuIO(t *testing.T, format, where, command string) error {
	args := []string{"-f", format, "-c", command, where}
	if strings.HasPrefix(command, "read") {
		args = append([]string{"-r"}, args...)
	}
	out, err := exec.CommandContext(t.Context(), "qemu-io", args...).CombinedOutput()
	if err != nil {
		return err
	}
	if bytes.Contains(out, []byte("failed")) || bytes.Contains(out, []byte("error")) {
		return errors.New(string(out))
	}
	return nil
}

func TestLifeOfAVolume(t *testing.T) {
	t.Parallel()
	d, ctx := newDriver(t), t.Context()
	id := clock.NewID()
	for range 2 { // each call may come twice
		testx.NoErr(t, d.Create(ctx, id, 1))
	}
	testx.Equal(t, size(t, d, id), int64(gib))
	for range 2 {
		testx.NoErr(t, d.Extend(ctx, id, 2))
	}
	testx.Equal(t, size(t, d, id), int64(2*gib))
	ids, err := d.List(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, ids, []string{id})
	for range 2 {
		testx.NoErr(t, d.Delete(ctx, id))
	}
	entries, err := os.ReadDir(d.cfg.Dir)
	testx.NoErr(t, err)
	testx.Equal(t, len(entries), 0)
	total, free, err := d.Capacity(ctx)
	testx.NoErr(t, err)
	if total <= 0 || free < 0 || free > total {
		t.Fatalf("capacity %d GB, free %d", total, free)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d, ctx := newDriver(t), t.Context()
	missing := clock.NewID()
	_, exportErr := d.Export(ctx, missing, "here", false)
	for name, tc := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"id with a path":    {d.Create(ctx, "../x", 1), fault.Invalid},
		"empty id":          {d.Delete(ctx, ""), fault.Invalid},
		"extend of none":    {d.Extend(ctx, missing, 1), fault.NotFound},
		"copy of none":      {d.CreateFromVolume(ctx, clock.NewID(), 1, missing), fault.NotFound},
		"export of none":    {exportErr, fault.NotFound},
		"copy of a bad id":  {d.CreateFromVolume(ctx, clock.NewID(), 1, "a/b"), fault.Invalid},
		"image of a format": {d.CreateFromImage(ctx, clock.NewID(), 1, strings.NewReader("x"), "vmdk", nil), fault.Invalid},
	} {
		if !fault.Is(tc.err, tc.kind) {
			t.Errorf("%s: got %v; want kind %v", name, tc.err, tc.kind)
		}
	}
	testx.NoErr(t, d.Unexport(ctx, missing))
	ids, err := d.List(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, len(ids), 0)
}

func TestCreateFromImage(t *testing.T) {
	t.Parallel()
	d, ctx, dir := newDriver(t), t.Context(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	testx.NoErr(t, qemuimg.Create(ctx, at("good"), "qcow2", 64<<20))
	testx.NoErr(t, qemuIO(t, "qcow2", at("good"), "write -P 0x5a 1M 64k"))
	testx.NoErr(t, qemuimg.Convert(ctx, at("good"), "qcow2", at("raw"), "raw"))
	testx.NoErr(t, qemuimg.Create(ctx, at("large"), "qcow2", 2*gib))
	testx.NoErr(t, qemuimg.CreateOverlay(ctx, at("backed"), at("good"), "qcow2", 64<<20))
	for _, tc := range []struct{ file, format, want string }{
		{"good", "qcow2", ""},
		{"raw", "raw", ""},
		{"large", "qcow2", "exceeds the volume size"},
		{"backed", "qcow2", "backing file"},
		{"raw", "qcow2", "does not read it as qcow2"},
	} {
		image, err := os.Open(at(tc.file))
		testx.NoErr(t, err)
		id := clock.NewID()
		var written int64
		err = d.CreateFromImage(ctx, id, 1, image, tc.format, func(n int64) { written = n })
		testx.NoErr(t, image.Close())
		if tc.want != "" {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.want) || d.exists(id) {
				t.Errorf("%s as %s: got %v; want %q", tc.file, tc.format, err, tc.want)
			}
			continue
		}
		testx.NoErr(t, err)
		st, err := os.Stat(at(tc.file))
		testx.NoErr(t, err)
		testx.Equal(t, written, st.Size())
		testx.Equal(t, size(t, d, id), int64(gib))
		testx.NoErr(t, qemuIO(t, "qcow2", d.path(id), "read -P 0x5a 1M 64k"))
	}
	assertNoTemporaries(t, d)
}

// endless is an image that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestCreateFromImageGivesUp(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	broken := io.MultiReader(strings.NewReader("begin"), cutOff{})
	if err := d.CreateFromImage(t.Context(), clock.NewID(), 1, broken, "raw", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("broken stream: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := d.CreateFromImage(ctx, clock.NewID(), 100, endless{}, "raw", func(n int64) {
		if n > 8<<20 {
			cancel()
		}
	})
	testx.ErrIs(t, err, context.Canceled)
	assertNoTemporaries(t, d)
}

// cutOff is the end of a broken stream.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func assertNoTemporaries(t *testing.T, d *Driver) {
	t.Helper()
	entries, err := os.ReadDir(d.cfg.Dir)
	testx.NoErr(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestSetupRemovesHalfMadeVolumes(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	testx.NoErr(t, os.WriteFile(d.tmp("x", "qcow2"), nil, 0o600))
	testx.NoErr(t, d.Setup(t.Context()))
	assertNoTemporaries(t, d)
}

func TestExport(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"here", "elsewhere"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			d, ctx, id := newDriver(t), t.Context(), clock.NewID()
			testx.NoErr(t, d.Create(ctx, id, 1))
			c, err := d.Export(ctx, id, host, false)
			testx.NoErr(t, err)
			again, err := d.Export(ctx, id, host, false)
			testx.NoErr(t, err)
			testx.Equal(t, again, c)
			testx.NoErr(t, qemuIO(t, "raw", uri(t, c), "write -P 0x11 0 64k"))
			if err := d.Extend(ctx, id, 2); !fault.Is(err, fault.Conflict) {
				t.Fatalf("extended while exported: %v", err)
			}

			c, err = d.Export(ctx, id, host, true)
			testx.NoErr(t, err)
			if qemuIO(t, "raw", uri(t, c), "write -P 0x22 0 64k") == nil {
				t.Fatal("wrote to a read-only export")
			}
			testx.NoErr(t, qemuIO(t, "raw", uri(t, c), "read -P 0x11 0 64k"))
			for range 2 {
				testx.NoErr(t, d.Unexport(ctx, id))
			}
			if qemuIO(t, "raw", uri(t, c), "read 0 512") == nil {
				t.Fatal("still exported")
			}
			testx.NoErr(t, d.Extend(ctx, id, 2))
			testx.NoErr(t, d.Delete(ctx, id))
		})
	}
}

// TestSpansOfAnExport holds that a request's trace has what the storage daemon
// and qemu-img were told for it.
func TestSpansOfAnExport(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	rec := trace.New("h")
	ctx, span := trace.Root(trace.With(auth.With(t.Context(), &auth.Context{RequestID: "req-1"}), rec, "volume-manager"), trace.Handle, "attachment_update", "", false)
	id := clock.NewID()
	testx.NoErr(t, d.Create(ctx, id, 1))
	_, err := d.Export(ctx, id, "here", false)
	testx.NoErr(t, err)
	span.End(nil)
	var names []string
	for _, s := range rec.Trace("req-1") {
		names = append(names, string(s.Kind)+" "+s.Name)
	}
	for _, want := range []string{"native qemu-img create", "native qemu-storage-daemon: blockdev-add", "native qemu-storage-daemon: block-export-add"} {
		if !slices.Contains(names, want) {
			t.Errorf("no span %s among %v", want, names)
		}
	}
}

func TestExportMovesToAnotherHost(t *testing.T) {
	t.Parallel()
	d, ctx, id := newDriver(t), t.Context(), clock.NewID()
	testx.NoErr(t, d.Create(ctx, id, 1))
	here, err := d.Export(ctx, id, "here", false)
	testx.NoErr(t, err)
	there, err := d.Export(ctx, id, "elsewhere", false)
	testx.NoErr(t, err)
	testx.NoErr(t, qemuIO(t, "raw", uri(t, there), "write 0 512"))
	if qemuIO(t, "raw", uri(t, here), "read 0 512") == nil {
		t.Fatal("exported twice")
	}
	testx.NoErr(t, d.Delete(ctx, id)) // also while it is exported
	if qemuIO(t, "raw", uri(t, there), "read 0 512") == nil {
		t.Fatal("still exported")
	}
}

func TestExportsSurviveRestartsAndDeaths(t *testing.T) {
	t.Parallel()
	d, ctx, id := newDriver(t), t.Context(), clock.NewID()
	testx.NoErr(t, d.Create(ctx, id, 1))
	c, err := d.Export(ctx, id, "here", false)
	testx.NoErr(t, err)
	readable := func() bool { return qemuIO(t, "raw", uri(t, c), "read 0 512") == nil }

	testx.NoErr(t, d.Close())
	if !readable() {
		t.Fatal("the export ended with the driver")
	}
	next := New(d.cfg)
	pid := next.local.proc.PID()
	testx.NoErr(t, next.Setup(ctx))
	testx.Equal(t, next.local.proc.PID(), pid)

	testx.NoErr(t, syscall.Kill(pid, syscall.SIGKILL)) // the watch starts it again
	testx.Eventually(t, "the volume is served again", readable)
	testx.NoErr(t, next.Purge(ctx))
	testx.Equal(t, next.local.proc.PID(), 0)

	testx.NoErr(t, d.Setup(ctx)) // nubo is started again later
	if !readable() {
		t.Fatal("Setup did not export again")
	}
}

func TestCreateFromVolume(t *testing.T) {
	t.Parallel()
	d, ctx := newDriver(t), t.Context()
	source, idle, used := clock.NewID(), clock.NewID(), clock.NewID()
	testx.NoErr(t, d.Create(ctx, source, 1))
	testx.NoErr(t, qemuIO(t, "qcow2", d.path(source), "write -P 0x33 1M 64k"))
	testx.NoErr(t, d.CreateFromVolume(ctx, idle, 2, source))
	testx.Equal(t, size(t, d, idle), int64(2*gib))
	testx.NoErr(t, qemuIO(t, "qcow2", d.path(idle), "read -P 0x33 1M 64k"))

	c, err := d.Export(ctx, source, "here", false)
	testx.NoErr(t, err)
	testx.NoErr(t, qemuIO(t, "raw", uri(t, c), "write -P 0x44 1M 64k"))
	testx.NoErr(t, d.CreateFromVolume(ctx, used, 1, source))
	testx.NoErr(t, qemuIO(t, "qcow2", d.path(used), "read -P 0x44 1M 64k"))
	assertNoTemporaries(t, d)
	// The daemon let go of the copy: it can be exported.
	_, err = d.Export(ctx, used, "here", false)
	testx.NoErr(t, err)
}

func FuzzParseQMP(f *testing.F) {
	f.Add([]byte(`{"QMP": {"version": {}}}`))
	f.Add([]byte(`{"return": {}}`))
	f.Add([]byte(`{"error": {"class": "GenericError", "desc": "no"}}`))
	f.Add([]byte(`{"event": "BLOCK_EXPORT_DELETED", "data": {"id": "x"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := parseQMP(line)
		if err == nil && m.Greeting == nil && m.Event == "" && m.Return == nil && m.Error == nil {
			t.Fatalf("took %q", line)
		}
	})
}

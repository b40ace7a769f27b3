package libvirt

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kdomanski/iso9660"
	"go.uber.org/goleak"
	"libvirt.org/go/libvirtxml"

	"nubo/compute/driver"
	"nubo/internal/fault"
	"nubo/internal/qemuimg"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite the golden files")

const testID = "6f70656e-7374-4163-8b20-6e75626f2e2e"

func nbd(volume, device string, bootIndex int) driver.Disk {
	return driver.Disk{VolumeID: volume, Serial: volume, Device: device, BootIndex: bootIndex,
		Connection: driver.Connection{Type: "nbd", Data: driver.ConnectionData{Socket: "/state/nbd.sock", Export: volume, Format: "raw"}}}
}

func TestDomainXML(t *testing.T) {
	t.Parallel()
	image := &driver.Image{ID: "image", Format: "qcow2"}
	base := driver.Server{ID: testID, InstanceName: "instance-0000002a", Name: `<web> & "co"`,
		ProjectID: "project", UserID: "user", FlavorName: "m1.tiny", VCPUs: 1, MemoryMB: 256, RootGB: 1, Image: image}
	emulated := host{virtType: "qemu", cpuMode: "maximum", home: "/instances"}
	full := base
	full.VCPUs, full.MemoryMB, full.EphemeralGB, full.SwapMB = 4, 4096, 10, 512
	full.Disks = []driver.Disk{nbd("volume-c", "vdc", -1), nbd("volume-b", "vdb", -1)}
	full.Disks[0].ReadOnly = true
	full.Disks[1].Data = driver.ConnectionData{Host: "192.0.2.7", Port: 10809, Export: "volume-b", Format: "raw"}
	full.Interfaces = []driver.Interface{
		{PortID: "p1", MAC: "fa:16:3e:00:00:01", Device: "tap11111111-11", MTU: 1450},
		{PortID: "p2", MAC: "fa:16:3e:00:00:02", Device: "tap22222222-22"}}
	full.ConfigDrive = map[string][]byte{}
	fromVolume := base
	fromVolume.Image, fromVolume.Disks = nil, []driver.Disk{nbd("volume-a", "vda", 0)}
	for name, tc := range map[string]struct {
		server driver.Server
		host   host
	}{
		"image":  {base, emulated},
		"volume": {fromVolume, emulated},
		"full":   {full, host{virtType: "kvm", cpuMode: "host-model", home: "/instances", secModels: []string{"apparmor", "dac"}}},
	} {
		got, err := domainXML(tc.server, tc.host)
		testx.NoErr(t, err)
		golden := filepath.Join("testdata", name+".xml")
		if *update {
			testx.NoErr(t, os.WriteFile(golden, []byte(got+"\n"), 0o644))
		}
		want, err := os.ReadFile(golden)
		testx.NoErr(t, err)
		testx.Equal(t, got+"\n", string(want))

		var parsed libvirtxml.Domain
		testx.NoErr(t, parsed.Unmarshal(got))
		testx.Equal(t, metadataHome(parsed.Metadata.XML), tc.host.home)
	}
}

func TestDomainXMLRefuses(t *testing.T) {
	t.Parallel()
	local := nbd("v", "vdb", -1)
	local.Type = "iscsi"
	for name, s := range map[string]driver.Server{
		"connection type":  {ID: testID, Disks: []driver.Disk{local}},
		"two system disks": {ID: testID, Image: &driver.Image{}, Disks: []driver.Disk{nbd("v", "vda", 0)}},
	} {
		if got, err := domainXML(s, host{}); err == nil {
			t.Errorf("%s: took it: %s", name, got)
		}
	}
}

func TestChooseVirtType(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	device := filepath.Join(dir, "kvm")
	testx.NoErr(t, os.WriteFile(device, nil, 0o600))
	modules := func(names ...string) string {
		root := t.TempDir()
		for _, n := range names {
			testx.NoErr(t, os.Mkdir(filepath.Join(root, n), 0o755))
		}
		return root
	}
	for name, tc := range map[string]struct {
		configured string
		host       kvmPaths
		want       string
	}{
		"no device":            {"auto", kvmPaths{filepath.Join(dir, "none"), modules("kvm", "kvm_intel")}, "qemu"},
		"device alone":         {"auto", kvmPaths{device, modules("kvm", "kvm_pvm")}, "qemu"},
		"intel":                {"auto", kvmPaths{device, modules("kvm", "kvm_intel")}, "kvm"},
		"amd, nothing said":    {"", kvmPaths{device, modules("kvm_amd")}, "kvm"},
		"configured emulation": {"qemu", kvmPaths{device, modules("kvm_amd")}, "qemu"},
		"configured kvm":       {"kvm", kvmPaths{filepath.Join(dir, "none"), modules()}, "kvm"},
	} {
		got, reason, err := chooseVirtType(tc.configured, tc.host)
		testx.NoErr(t, err)
		if got != tc.want || reason == "" {
			t.Errorf("%s: got %s (%s); want %s", name, got, reason, tc.want)
		}
	}
	if _, _, err := chooseVirtType("xen", hostKVM); !fault.Is(err, fault.Invalid) {
		t.Errorf("xen: got %v", err)
	}
}

func TestUUIDs(t *testing.T) {
	t.Parallel()
	u, err := parseUUID(testID)
	testx.NoErr(t, err)
	testx.Equal(t, formatUUID(u), testID)
	for _, id := range []string{"", "../../etc", testID + "0", strings.ToUpper(testID), strings.ReplaceAll(testID, "-", "")} {
		if _, err := parseUUID(id); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"a\nb\nc\n", 0, "a\nb\nc\n"},
		{"a\nb\nc\n", 1, "c\n"},
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc\n", 9, "a\nb\nc\n"},
		{"a\nb\nc", 1, "c"},
		{"a\n\n", 1, "\n"},
		{"", 3, ""},
		{"\n", 1, "\n"},
	} {
		testx.Equal(t, string(lastLines([]byte(tc.text), tc.n)), tc.want)
	}
}

func FuzzLastLines(f *testing.F) {
	f.Add([]byte("a\nb\n"), 1)
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		got := lastLines(text, n)
		if !bytes.HasSuffix(text, got) || n > 0 && bytes.Count(bytes.TrimSuffix(got, []byte("\n")), []byte("\n")) > n-1 {
			t.Fatalf("lastLines(%q, %d) = %q", text, n, got)
		}
	})
}

func TestConsoleIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	text := bytes.Repeat([]byte("0123456789abcde\n"), 3<<20/16)
	testx.NoErr(t, os.WriteFile(path, text, 0o600))
	testx.NoErr(t, trim(path))
	f, err := os.Open(path)
	testx.NoErr(t, err)
	defer f.Close()
	got, err := tail(f, consoleTail)
	testx.NoErr(t, err)
	testx.Equal(t, len(got), consoleTail)
	if !bytes.HasSuffix(text, got) {
		t.Fatal("the end of the log changed")
	}
	out, err := exec.Command("du", "-k", path).Output()
	testx.NoErr(t, err)
	var kib int
	_, err = fmt.Sscan(string(out), &kib)
	testx.NoErr(t, err)
	if kib > 2<<10 {
		t.Fatalf("a trimmed log takes %d KiB", kib)
	}
}

func needQEMUImg(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("NOT RUN: qemu-img is missing; install the packages in tools/packages/compute.txt")
	}
}

func TestImageCacheFetchesOnce(t *testing.T) {
	t.Parallel()
	needQEMUImg(t)
	cache := imageCache{dir: t.TempDir()}
	var fetched atomic.Int32
	image := driver.Image{ID: "i", Checksum: "c", Format: "qcow2", Fetch: func(ctx context.Context, path string) error {
		if fetched.Add(1) == 1 {
			return errors.New("the first download breaks")
		}
		return qemuimg.Create(ctx, path, "qcow2", 1<<20)
	}}
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range 8 {
		wg.Go(func() {
			if _, err := cache.get(t.Context(), image); err != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	testx.Equal(t, fetched.Load(), int32(2))
	testx.Equal(t, failed.Load(), int32(1))
	changed := image
	changed.Checksum = "d"
	_, err := cache.get(t.Context(), changed)
	testx.NoErr(t, err)
	testx.Equal(t, fetched.Load(), int32(3))
}

func TestImageCacheRefusesBackingFiles(t *testing.T) {
	t.Parallel()
	needQEMUImg(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	testx.NoErr(t, os.WriteFile(secret, make([]byte, 1<<20), 0o600))
	cache := imageCache{dir: t.TempDir()}
	_, err := cache.get(t.Context(), driver.Image{ID: "i", Format: "qcow2", Fetch: func(ctx context.Context, path string) error {
		return qemuimg.CreateOverlay(ctx, path, secret, "raw", 1<<20)
	}})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "backing file") {
		t.Fatalf("got %v", err)
	}
	entries, err := os.ReadDir(cache.dir)
	testx.NoErr(t, err)
	testx.Equal(t, len(entries), 0)
}

func TestMakeDisks(t *testing.T) {
	t.Parallel()
	needQEMUImg(t)
	root := t.TempDir()
	d := New(Config{InstancesPath: filepath.Join(root, "instances"), ImageCachePath: filepath.Join(root, "cache")})
	testx.NoErr(t, os.MkdirAll(d.cfg.ImageCachePath, 0o755))
	s := driver.Server{ID: testID, RootGB: 1, EphemeralGB: 2, SwapMB: 64,
		Image: &driver.Image{ID: "i", Format: "qcow2", Fetch: func(ctx context.Context, path string) error {
			return qemuimg.Create(ctx, path, "qcow2", 64<<20)
		}},
		ConfigDrive: map[string][]byte{"openstack/latest/meta_data.json": []byte(`{"uuid": "x"}`), "openstack/latest/user_data": {0, 1, 255}}}
	for range 2 {
		testx.NoErr(t, d.makeDisks(t.Context(), s, func(string) {}))
	}
	info, err := qemuimg.Inspect(t.Context(), filepath.Join(d.dir(testID), rootFile), "qcow2")
	testx.NoErr(t, err)
	testx.Equal(t, info.VirtualSize, int64(gib))
	for file, want := range map[string]int64{ephemeralFile: 2 * gib, swapFile: 64 << 20} {
		st, err := os.Stat(filepath.Join(d.dir(testID), file))
		testx.NoErr(t, err)
		testx.Equal(t, st.Size(), want)
	}
	small := s
	small.ID, small.RootGB = strings.Replace(testID, "6", "7", 1), 0
	testx.NoErr(t, d.makeDisks(t.Context(), small, func(string) {}))
	info, err = qemuimg.Inspect(t.Context(), filepath.Join(d.dir(small.ID), rootFile), "qcow2")
	testx.NoErr(t, err)
	testx.Equal(t, info.VirtualSize, int64(64<<20))
	assertConfigDrive(t, filepath.Join(d.dir(testID), configFile), s.ConfigDrive)

	large := s
	large.Image = &driver.Image{ID: "large", Format: "qcow2", Fetch: func(ctx context.Context, path string) error {
		return qemuimg.Create(ctx, path, "qcow2", 2*gib)
	}}
	if err := d.makeDisks(t.Context(), large, func(string) {}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "Flavor's disk is too small") {
		t.Fatalf("got %v", err)
	}
}

func assertConfigDrive(t *testing.T, path string, want map[string][]byte) {
	t.Helper()
	f, err := os.Open(path)
	testx.NoErr(t, err)
	defer f.Close()
	image, err := iso9660.OpenImage(f)
	testx.NoErr(t, err)
	label, err := image.Label()
	testx.NoErr(t, err)
	testx.Equal(t, label, "config-2")
	got := map[string][]byte{}
	dir, err := image.RootDir()
	testx.NoErr(t, err)
	var walk func(prefix string, f *iso9660.File)
	walk = func(prefix string, f *iso9660.File) {
		children, err := f.GetChildren()
		testx.NoErr(t, err)
		for _, c := range children {
			if c.IsDir() {
				walk(prefix+c.Name()+"/", c)
				continue
			}
			var b bytes.Buffer
			_, err := b.ReadFrom(c.Reader())
			testx.NoErr(t, err)
			got[prefix+c.Name()] = b.Bytes()
		}
	}
	walk("", dir)
	testx.Equal(t, got, want)
}

func TestPowerStates(t *testing.T) {
	t.Parallel()
	var p powerStates
	p.learn("a", driver.Running, false)
	testx.Equal(t, p.learn("a", driver.Running, false), false)
	testx.Equal(t, p.learn("a", driver.Shutdown, false), true) // powered off by its user
	testx.Equal(t, p.learn("a", driver.Shutdown, false), false)

	p.begin("a") // the driver starts it
	testx.Equal(t, p.learn("a", driver.Running, false), false)
	p.end("a")
	testx.Equal(t, p.learn("a", driver.Running, false), false) // a late event
	testx.Equal(t, p.learn("a", driver.Crashed, false), true)

	testx.Equal(t, p.learn("a", 0, true), true) // undefined by another
	testx.Equal(t, p.learn("a", 0, true), false)
	testx.Equal(t, p.learn("foreign", 0, true), false)
}

func TestMemory(t *testing.T) {
	t.Parallel()
	total, used, err := memory([]byte("MemTotal:  4194304 kB\nMemFree: 1 kB\nMemAvailable:  1048576 kB\nodd\n"))
	testx.NoErr(t, err)
	testx.Equal(t, []int{total, used}, []int{4096, 3072})
	if _, _, err := memory([]byte("MemTotal: x kB\n")); err == nil {
		t.Fatal("took it")
	}
}

func TestNoLibvirtd(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := New(Config{Socket: filepath.Join(root, "none"), InstancesPath: filepath.Join(root, "i"), ImageCachePath: filepath.Join(root, "c"), VirtType: "qemu"})
	err := d.Setup(t.Context())
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "libvirt does not answer on") {
		t.Fatalf("got %v", err)
	}
	if _, err := d.Get(t.Context(), testID); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v", err)
	}
	testx.NoErr(t, d.Purge(t.Context())) // nothing to end
}

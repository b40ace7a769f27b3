package inspect

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nubo/internal/testx"
)

const mib = 1 << 20

// image makes one with qemu-img, which is part of what nubo needs to run.
func image(t testing.TB, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "PATH", path)
	}
	for {
		out, err := exec.Command("qemu-img", args...).CombinedOutput()
		if err == nil {
			break
		}
		// To choose LUKS's iterations qemu-img measures its own speed, which
		// fails now and then where the clock of processor time is coarse.
		if !bytes.Contains(out, []byte("Unable to get accurate CPU usage")) {
			t.Fatalf("qemu-img %v: %v: %s (package qemu-utils)", args, err, out)
		}
		os.Remove(path) //nolint:errcheck // it may not have come so far
	}
	b, err := os.ReadFile(path)
	testx.NoErr(t, err)
	return b
}

// read examines bytes as a stream and as a file, which has to be the same.
func read(t testing.TB, b []byte) Result {
	t.Helper()
	r, err := Read(bytes.NewReader(b))
	testx.NoErr(t, err)
	f, err := File(bytes.NewReader(b))
	testx.NoErr(t, err)
	testx.Equal(t, f, r)
	return r
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want Result
	}{
		"qcow2":          {[]string{"create", "-q", "-f", "qcow2", "PATH", "64M"}, Result{QCOW2, 64 * mib, ""}},
		"qcow2 v2":       {[]string{"create", "-q", "-f", "qcow2", "-o", "compat=0.10", "PATH", "64M"}, Result{QCOW2, 64 * mib, ""}},
		"qcow2 extended": {[]string{"create", "-q", "-f", "qcow2", "-o", "extended_l2=on,compression_type=zstd", "PATH", "64M"}, Result{QCOW2, 64 * mib, ""}},
		"backing file":   {[]string{"create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", "PATH", "64M"}, Result{QCOW2, 64 * mib, "it has a backing file"}},
		"data file":      {[]string{"create", "-q", "-f", "qcow2", "-o", "data_file=PATH.data", "PATH", "64M"}, Result{QCOW2, 64 * mib, "it has a data file"}},
		"qed":            {[]string{"create", "-q", "-f", "qed", "PATH", "64M"}, Result{QED, 0, "qed is not supported"}},
		"vmdk":           {[]string{"create", "-q", "-f", "vmdk", "PATH", "64M"}, Result{VMDK, 64 * mib, ""}},
		"vmdk stream":    {[]string{"create", "-q", "-f", "vmdk", "-o", "subformat=streamOptimized", "PATH", "64M"}, Result{VMDK, 64 * mib, ""}},
		"vmdk flat":      {[]string{"create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", "PATH", "64M"}, Result{VMDK, 0, "its extents are other files"}},
		"vhd":            {[]string{"create", "-q", "-f", "vpc", "-o", "force_size=on", "PATH", "64M"}, Result{VHD, 64 * mib, ""}},
		"vhd fixed":      {[]string{"create", "-q", "-f", "vpc", "-o", "subformat=fixed,force_size=on", "PATH", "2M"}, Result{VHD, 2 * mib, ""}},
		"vhdx":           {[]string{"create", "-q", "-f", "vhdx", "PATH", "64M"}, Result{VHDX, 64 * mib, ""}},
		"vdi":            {[]string{"create", "-q", "-f", "vdi", "PATH", "64M"}, Result{VDI, 64 * mib, ""}},
		"luks":           {[]string{"create", "-q", "--object", "secret,id=s,data=secret12", "-f", "luks", "-o", "key-secret=s,iter-time=10", "PATH", "2M"}, Result{LUKS, 2 * mib, ""}},
		"raw":            {[]string{"create", "-q", "-f", "raw", "PATH", "1M"}, Result{Raw, mib, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testx.Equal(t, read(t, image(t, c.args...)), c.want)
		})
	}
}

// blank is a raw image with marks at some offsets.
func blank(size int, marks map[int]string) []byte {
	b := make([]byte, size)
	for offset, s := range marks {
		copy(b[offset:], s)
	}
	return b
}

func TestMade(t *testing.T) {
	t.Parallel()
	good := image(t, "create", "-q", "-f", "qcow2", "PATH", "64M")
	with := func(b []byte, offset int, value uint64, n int) []byte {
		b = bytes.Clone(b)
		var v [8]byte
		binary.BigEndian.PutUint64(v[:], value)
		copy(b[offset:], v[8-n:])
		return b
	}
	for name, c := range map[string]struct {
		image []byte
		want  Result
	}{
		"nothing":           {nil, Result{Raw, 0, ""}},
		"one byte":          {[]byte("Q"), Result{Raw, 1, ""}},
		"iso":               {blank(40<<10, map[int]string{32 << 10: "\x01CD001"}), Result{ISO, 40 << 10, ""}},
		"mbr":               {blank(2048, map[int]string{446: "\x80", 510: "\x55\xaa"}), Result{GPT, 2048, ""}},
		"gpt":               {blank(2048, map[int]string{510: "\x55\xaa", 512: "EFI PART"}), Result{GPT, 2048, ""}},
		"boot sector":       {blank(2048, map[int]string{446: "\x13", 510: "\x55\xaa"}), Result{Raw, 2048, ""}},
		"qcow2 cut off":     {good[:50], Result{QCOW2, 0, "its header is cut off"}},
		"qcow2 v3 cut off":  {good[:80], Result{QCOW2, 64 * mib, "its header is cut off"}},
		"qcow2 version":     {with(good, 4, 4, 4), Result{QCOW2, 64 * mib, "its version of qcow2 is not known"}},
		"qcow2 feature":     {with(good, 72, 1<<40, 8), Result{QCOW2, 64 * mib, "it has features that are not known"}},
		"qcow2 data bit":    {with(good, 72, 4, 8), Result{QCOW2, 64 * mib, "it has a data file"}},
		"qcow2 clusters":    {with(good, 20, 40, 4), Result{QCOW2, 64 * mib, "its cluster size is out of range"}},
		"qcow2 size":        {with(good, 24, 1<<63, 8), Result{QCOW2, 0, "its size is out of range"}},
		"qcow2 header size": {with(good, 100, 8, 4), Result{QCOW2, 64 * mib, "its header length is out of range"}},
		// the name of a data file without the feature's bit
		"qcow2 extension": {with(with(good, 112, qcow2ExtDataFile, 4), 116, 8, 4), Result{QCOW2, 64 * mib, "it has a data file"}},
		"vmdk cut off":    {[]byte("KDMV...."), Result{VMDK, 0, "its header is cut off"}},
		"vmdk empty":      {blank(1024, map[int]string{0: "KDMV"}), Result{VMDK, 0, "it has no descriptor"}},
		"vhdx empty":      {blank(mib, map[int]string{0: "vhdxfile"}), Result{VHDX, 0, "its metadata are not where they are expected"}},
		"vhd difference":  {blank(2048, map[int]string{0: "conectix", 60: "\x00\x00\x00\x04"}), Result{VHD, 0, "it is a differencing disk"}},
	} {
		if got := read(t, c.image); got != c.want {
			t.Errorf("%s: got %+v; want %+v", name, got, c.want)
		}
	}
}

func TestDescriptor(t *testing.T) {
	t.Parallel()
	good := "# Disk DescriptorFile\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW 131072 SPARSE \"a.vmdk\"\n"
	for text, want := range map[string]string{
		good: "",
		strings.Replace(good, "monolithicSparse", "twoGbMaxExtentSparse", 1): "its type is not monolithicSparse or streamOptimized",
		strings.Replace(good, "SPARSE", "FLAT", 1):                           "an extent of it is another file",
		strings.Replace(good, "ffffffff", "12345678", 1):                     "it has a parent",
		good + "parentFileNameHint=\"/etc/passwd\"\n":                        "it has a parent",
		good + "RW 131072 SPARSE \"/etc/passwd\"\n":                          "it has not exactly one extent",
		"createType=\"monolithicSparse\"\n":                                  "it has not exactly one extent",
		strings.Replace(good, "RW 131072 SPARSE", "rdonly 131072 VMFS", 1):   "an extent of it is another file",
		strings.Replace(good, "createType=\"monolithicSparse\"\n", "", 1):    "its type is not monolithicSparse or streamOptimized",
	} {
		if got := checkDescriptor(text); got != want {
			t.Errorf("%q: got %q; want %q", text, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		result   Result
		declared string
		want     string
	}{
		{Result{Format: QCOW2}, "qcow2", ""},
		{Result{Format: Raw}, "qcow2", "Image disk_format qcow2 does not match stream data raw"},
		{Result{Format: QCOW2}, "raw", "Image disk_format raw does not match stream data qcow2"},
		{Result{Format: GPT}, "raw", ""},
		{Result{Format: ISO}, "raw", ""},
		{Result{Format: ISO}, "iso", ""},
		{Result{Format: Raw}, "iso", "Image disk_format iso does not match stream data raw"},
		{Result{Format: Raw}, "aki", ""},
		{Result{Format: QCOW2}, "ami", "Image disk_format ami does not match stream data qcow2"},
		{Result{Format: VMDK}, "vmdk", ""},
		{Result{Format: QCOW2, Unsafe: "it has a backing file"}, "qcow2", "Image failed safety checks: it has a backing file"},
	} {
		got := ""
		if err := c.result.Check(c.declared); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v as %s: got %q; want %q", c.result, c.declared, got, c.want)
		}
	}
}

// TestPieces shows that the size of the writes does not matter.
func TestPieces(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"vhdx":      image(t, "create", "-q", "-f", "vhdx", "PATH", "64M"),
		"vhd fixed": image(t, "create", "-q", "-f", "vpc", "-o", "subformat=fixed,force_size=on", "PATH", "2M"),
	} {
		want := read(t, b)
		for _, n := range []int{1000, 4096, mib + 1, len(b)} {
			var i Inspector
			for rest := b; len(rest) > 0; rest = rest[min(n, len(rest)):] {
				i.Write(rest[:min(n, len(rest))]) //nolint:errcheck // it never fails
			}
			if got := i.Result(); got != want {
				t.Errorf("%s in pieces of %d: got %+v; want %+v", name, n, got, want)
			}
			if len(i.prefix) > vhdxPrefixSize || len(i.tail) > tailSize {
				t.Errorf("%s: %d and %d bytes are kept", name, len(i.prefix), len(i.tail))
			}
		}
	}
}

func FuzzInspect(f *testing.F) {
	for _, format := range []string{"qcow2", "vmdk", "vpc", "vhdx", "vdi"} {
		b := image(f, "create", "-q", "-f", format, "PATH", "64M")
		f.Add(b[:min(len(b), 4096)])
	}
	f.Add([]byte("LUKS\xba\xbe\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := read(t, b)
		if r.VirtualSize < 0 || r.Format == "" {
			t.Fatalf("%+v", r)
		}
	})
}

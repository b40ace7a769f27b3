package qemuimg

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nubo/internal/fault"
	"nubo/internal/testx"
)

// needQEMUImg says loudly what is not run where the package is missing.
func needQEMUImg(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("NOT RUN: qemu-img is missing; install the package qemu-utils")
	}
}

func TestCreateConvertResize(t *testing.T) {
	t.Parallel()
	needQEMUImg(t)
	ctx, dir := t.Context(), t.TempDir()
	base, over, flat := filepath.Join(dir, "base"), filepath.Join(dir, "over"), filepath.Join(dir, "flat")
	testx.NoErr(t, Create(ctx, base, "qcow2", 1<<20))
	testx.NoErr(t, CreateOverlay(ctx, over, base, "qcow2", 2<<20))
	info, err := Inspect(ctx, over, "qcow2")
	testx.NoErr(t, err)
	testx.Equal(t, info, Info{Format: "qcow2", VirtualSize: 2 << 20, Backing: base})
	testx.NoErr(t, Convert(ctx, over, "qcow2", flat, "qcow2"))
	testx.NoErr(t, Resize(ctx, flat, "qcow2", 3<<20))
	info, err = InspectUntrusted(ctx, flat, "qcow2")
	testx.NoErr(t, err)
	testx.Equal(t, info, Info{Format: "qcow2", VirtualSize: 3 << 20})
}

func TestUntrustedImages(t *testing.T) {
	t.Parallel()
	needQEMUImg(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	testx.NoErr(t, Create(t.Context(), at("base"), "qcow2", 1<<20))
	testx.NoErr(t, CreateOverlay(t.Context(), at("backed"), at("base"), "qcow2", 1<<20))
	out, err := exec.Command("qemu-img", "create", "-f", "qcow2", "-o", "data_file="+at("data")+",data_file_raw=on", at("external"), "1M").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testx.NoErr(t, os.WriteFile(at("text"), []byte("no image"), 0o600))
	for _, tc := range []struct{ file, format, want string }{
		{"base", "qcow2", ""},
		{"text", "raw", ""},
		{"backed", "qcow2", "backing file"},
		{"external", "qcow2", "external data file"},
		{"text", "qcow2", "does not read it as qcow2"},
		{"base", "vmdk", `disk format "vmdk"`},
	} {
		_, err := InspectUntrusted(t.Context(), at(tc.file), tc.format)
		switch {
		case tc.want == "":
			testx.NoErr(t, err)
		case !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.want):
			t.Errorf("%s as %s: got %v; want %q", tc.file, tc.format, err, tc.want)
		}
	}
}

func TestErrorSaysWhat(t *testing.T) {
	t.Parallel()
	needQEMUImg(t)
	_, err := Inspect(t.Context(), filepath.Join(t.TempDir(), "absent"), "raw")
	if err == nil || !strings.Contains(err.Error(), "qemu-img info") || !strings.Contains(err.Error(), "No such file") {
		t.Fatalf("got %v", err)
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add([]byte(`{"virtual-size":1,"format":"qcow2","format-specific":{"type":"qcow2","data":{"data-file":"x"}}}`))
	f.Add([]byte(`{"backing-filename":"/etc/shadow"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := parseInfo(in); err == nil && !json.Valid(in) {
			t.Fatalf("took %q", in)
		}
	})
}

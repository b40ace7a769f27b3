package qemuimg

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nubo/internal/fault"
	"nubo/internal/testx"
)

// TestIsolate shows what a child sees of the network: its own loopback.
func TestIsolate(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("cat", "/proc/net/dev")
	isolate(cmd)
	out, err := cmd.Output()
	testx.NoErr(t, err)
	var devices []string
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n")[2:] {
		name, _, _ := strings.Cut(line, ":")
		devices = append(devices, strings.TrimSpace(name))
	}
	testx.Equal(t, devices, []string{"lo"})
}

func TestConvertUntrusted(t *testing.T) {
	t.Parallel()
	needQEMUImg(t)
	ctx, dir := t.Context(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	testx.NoErr(t, Create(ctx, at("good"), "qcow2", 8<<20))
	testx.NoErr(t, CreateOverlay(ctx, at("backed"), at("good"), "qcow2", 8<<20))
	testx.NoErr(t, ConvertUntrusted(ctx, at("good"), "qcow2", at("raw"), "raw", 8<<20))
	info, err := Inspect(ctx, at("raw"), "raw")
	testx.NoErr(t, err)
	testx.Equal(t, info.VirtualSize, int64(8<<20))
	for _, tc := range []struct{ src, format, want string }{
		{"backed", "qcow2", "does not stand alone"}, {"good", "qcow2", "is over 8388607"}, {"raw", "qcow2", "not in qcow2 format"}, {"absent", "raw", "No such file"},
	} {
		err := ConvertUntrusted(ctx, at(tc.src), tc.format, at("out"), "raw", 8<<20-1)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s as %s: %v; want %q", tc.src, tc.format, err, tc.want)
		}
	}
	if err := ConvertUntrusted(ctx, at("backed"), "qcow2", at("out"), "raw", 1<<30); !fault.Is(err, fault.Invalid) {
		t.Errorf("an image with a backing file: %v", err)
	}
	over, stop := context.WithCancel(ctx)
	stop()
	if err := ConvertUntrusted(over, at("good"), "qcow2", at("out"), "raw", 1<<30); !errors.Is(err, context.Canceled) {
		t.Errorf("after its time: %v", err)
	}
}

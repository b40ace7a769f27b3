package api_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kdomanski/iso9660"

	"nubo/internal/testx"
)

// realImages makes a file of each format that the service tells from others,
// by the programs whose formats they are.
func realImages(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"raw": bytes.Repeat([]byte("any bytes "), 10_000)}
	for format, args := range map[string][]string{
		"qcow2": {"-f", "qcow2"}, "vmdk": {"-f", "vmdk", "-o", "subformat=monolithicSparse"}, "vhd": {"-f", "vpc"}, "vhdx": {"-f", "vhdx"}, "vdi": {"-f", "vdi"},
	} {
		name := filepath.Join(t.TempDir(), "image")
		run(t, "qemu-img", append(append([]string{"create", "-q"}, args...), name, "4M")...)
		data, err := os.ReadFile(name)
		testx.NoErr(t, err)
		out[format] = data
	}
	out["luks"] = luksImage()
	w, err := iso9660.NewWriter()
	testx.NoErr(t, err)
	defer w.Cleanup() //nolint:errcheck // a folder of temporary files
	testx.NoErr(t, w.AddFile(bytes.NewReader([]byte("on the disc")), "file"))
	var disc bytes.Buffer
	testx.NoErr(t, w.WriteTo(&disc, "disc"))
	out["iso"] = disc.Bytes()
	return out
}

// luksImage has a header of LUKS version 1, as the LUKS on-disk format
// specification lays it out. qemu-img would measure the machine's speed for
// it, and fails on a busy one.
func luksImage() []byte {
	b := make([]byte, 64<<10)
	copy(b, "LUKS\xba\xbe\x00\x01aes")
	copy(b[40:], "xts-plain64")
	copy(b[72:], "sha256")
	binary.BigEndian.PutUint32(b[104:], 64) // where the payload begins, in sectors
	binary.BigEndian.PutUint32(b[108:], 64) // bytes of the key
	copy(b[168:], "6d1c7a5e-0f6b-4b42-9f3a-0f1d3c0e7b11")
	return b
}

// TestEveryFormat uploads and imports an image of each format as each: what
// lies about its format is refused both ways. Any bytes may be raw if they
// are no other format's container.
func TestEveryFormat(t *testing.T) {
	images := realImages(t)
	formats := slices.Sorted(maps.Keys(images))
	each(t, func(t *testing.T, c *client) {
		c.runs()
		for _, declared := range formats {
			for _, is := range formats {
				fits := declared == is || declared == "raw" && (is == "iso" || is == "luks")
				body := `{"disk_format":"` + declared + `","container_format":"bare"}`
				text := "Image disk_format " + declared + " does not match stream data " + is
				path := c.create(body)
				if fits {
					c.check(c.upload(path, images[is]), is+" as "+declared, 204)
				} else {
					c.check(c.upload(path, images[is]), is+" as "+declared, 415, text)
				}
				path = c.create(body)
				c.check(c.stage(path, images[is]), "stage", 204)
				c.want(202, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`)
				task := c.task(path)
				want := []any{"failure", "Image rejected: " + text}
				if fits {
					want = []any{"success", ""}
				}
				testx.Equal(t, []any{task["status"], task["message"]}, want)
			}
		}
		c.consistent()
	})
}

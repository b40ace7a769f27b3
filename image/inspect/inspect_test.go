package inspect

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"nubo/internal/testx"
)

// qcow makes a qcow2 header, changed by edit.
func qcow(version uint32, edit func(h []byte)) []byte {
	h := make([]byte, 512)
	copy(h, "QFI\xfb")
	binary.BigEndian.PutUint32(h[4:], version)
	binary.BigEndian.PutUint64(h[qcowSize:], 1<<30)
	binary.BigEndian.PutUint32(h[qcowHeaderLength:], 104)
	if edit != nil {
		edit(h)
	}
	return h
}

func at(n int, text string) []byte {
	return append(make([]byte, n), text+strings.Repeat("\x00", 600)...)
}

func TestResult(t *testing.T) {
	t.Parallel()
	vhd := func(kind uint32) []byte {
		f := make([]byte, 512)
		copy(f, "conectix")
		binary.BigEndian.PutUint64(f[48:], 7<<20)
		binary.BigEndian.PutUint32(f[60:], kind)
		return f
	}
	vdi := make([]byte, 512)
	binary.LittleEndian.PutUint32(vdi[0x40:], 0xbeda107f)
	binary.LittleEndian.PutUint64(vdi[0x170:], 5<<20)
	vmdk := func(kind string) []byte {
		b := append([]byte("KDMV"), make([]byte, 508)...)
		binary.LittleEndian.PutUint64(b[12:], 2048)
		return append(b, "# Disk DescriptorFile\ncreateType=\""+kind+"\"\n"...)
	}
	for name, c := range map[string]struct {
		file   []byte
		want   Result
		unsafe string
	}{
		"empty":              {nil, Result{Raw, 0}, ""},
		"zeros":              {make([]byte, 100000), Result{Raw, 100000}, ""},
		"qcow2 v2":           {qcow(2, nil), Result{QCOW2, 1 << 30}, ""},
		"qcow2 v3":           {qcow(3, nil), Result{QCOW2, 1 << 30}, ""},
		"backing file":       {qcow(2, func(h []byte) { h[15] = 1 }), Result{}, "backing file"},
		"data file bit":      {qcow(3, func(h []byte) { h[79] = 4 }), Result{}, "data file"},
		"unknown feature":    {qcow(3, func(h []byte) { h[79] = 32 }), Result{}, "not known"},
		"data file name":     {qcow(3, func(h []byte) { copy(h[104:], "DATA\x00\x00\x00\x04/etc") }), Result{}, "names an external data file"},
		"behind another one": {qcow(3, func(h []byte) { copy(h[104:], "\x12\x34\x56\x78\x00\x00\x00\x03abc\x00\x00\x00\x00\x00DATA") }), Result{}, "names an external data file"},
		"endless extension":  {qcow(3, func(h []byte) { copy(h[104:], "\x12\x34\x56\x78\xff\xff\xff\xff") }), Result{}, "run past"},
		"short header":       {[]byte("QFI\xfb\x00\x00\x00\x03"), Result{}, "cut short"},
		"qcow1":              {qcow(1, nil), Result{}, "version 1"},
		"vmdk":               {vmdk("monolithicSparse"), Result{VMDK, 1 << 20}, ""},
		"vmdk of extents":    {vmdk("monolithicFlat"), Result{}, "more than one file"},
		"vmdk descriptor":    {[]byte("# Disk DescriptorFile\ncreateType=\"streamOptimized\"\n"), Result{}, "without data"},
		"vhd":                {append(make([]byte, 1024), vhd(2)...), Result{VHD, 7 << 20}, ""},
		"vhd difference":     {append(make([]byte, 1024), vhd(4)...), Result{}, "difference"},
		"vhdx":               {at(0, "vhdxfile"), Result{VHDX, 0}, ""},
		"vdi":                {vdi, Result{VDI, 5 << 20}, ""},
		"iso":                {at(0x8001, "CD001"), Result{ISO, 0x8001 + 605}, ""},
		"luks":               {at(0, "LUKS\xba\xbe"), Result{LUKS, 0}, ""},
	} {
		for _, piece := range []int{1, 7, 512, 1 << 20} { // in whatever pieces it comes
			in := &Inspector{}
			for b := c.file; len(b) > 0; b = b[min(piece, len(b)):] {
				in.Write(b[:min(piece, len(b))]) //nolint:errcheck // never fails
			}
			got, err := in.Result()
			var u *Unsafe
			if c.unsafe == "" && err != nil || c.unsafe != "" && (!errors.As(err, &u) || !strings.Contains(u.Reason, c.unsafe)) {
				t.Fatalf("%s in pieces of %d: got error %v; want %q", name, piece, err, c.unsafe)
			}
			testx.Equal(t, got, c.want)
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		declared, found string
		want            bool
	}{
		{QCOW2, QCOW2, true}, {QCOW2, Raw, false}, {Raw, QCOW2, false}, {Raw, VMDK, false},
		{Raw, Raw, true}, {Raw, ISO, true}, {ISO, Raw, false}, {"ami", Raw, true}, {"ami", QCOW2, false},
	} {
		if got := Matches(c.declared, c.found); got != c.want {
			t.Errorf("%s as %s: got %v", c.found, c.declared, got)
		}
	}
}

func FuzzResult(f *testing.F) {
	f.Add(qcow(2, nil))
	f.Add(qcow(3, nil))
	f.Add(at(0x8001, "CD001"))
	f.Add([]byte("KDMV createType=\"streamOptimized\""))
	f.Add([]byte("conectix"))
	f.Fuzz(func(t *testing.T, file []byte) {
		in := &Inspector{}
		in.Write(file) //nolint:errcheck // never fails
		r, err := in.Result()
		if err == nil && (r.Format == "" || r.VirtualSize < 0) {
			t.Fatalf("got %+v", r)
		}
	})
}

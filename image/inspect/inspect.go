// Package inspect says what an image file really is, from its bytes as they
// stream by, and refuses what would have a hypervisor open other files.
//
// An image is data from a stranger. A qcow2 with a backing file or a data
// file, or a vmdk with extents, names files of the host; QEMU would open
// them with its own rights. So nothing is stored that is not what it claims
// to be, and nothing that points elsewhere.
package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The formats, by Glance's disk_format names.
const (
	Raw   = "raw"
	QCOW2 = "qcow2"
	VMDK  = "vmdk"
	VHD   = "vhd"
	VHDX  = "vhdx"
	VDI   = "vdi"
	ISO   = "iso"
	LUKS  = "luks"
)

// headLen is how much of the beginning is looked at: the ISO 9660 descriptor,
// at 32 KiB, is the furthest.
const headLen = 64 << 10

// footLen is a VHD's footer.
const footLen = 512

// Inspector looks at a file as it is written to it.
type Inspector struct {
	head []byte
	foot []byte // the last bytes so far
	size int64
}

// Write implements io.Writer; it never fails.
func (i *Inspector) Write(p []byte) (int, error) {
	if room := headLen - len(i.head); room > 0 {
		i.head = append(i.head, p[:min(room, len(p))]...)
	}
	i.size += int64(len(p))
	if len(p) >= footLen {
		i.foot = append(i.foot[:0], p[len(p)-footLen:]...)
	} else {
		i.foot = append(i.foot, p...)
		i.foot = i.foot[max(0, len(i.foot)-footLen):]
	}
	return len(p), nil
}

// Result is what a file is.
type Result struct {
	Format string
	// VirtualSize is how large the disk in it is, in bytes; 0 if unknown.
	VirtualSize int64
}

// Unsafe is a file that must not be stored.
type Unsafe struct{ Format, Reason string }

// Error says why.
func (u *Unsafe) Error() string { return fmt.Sprintf("unsafe %s image: %s", u.Format, u.Reason) }

// Result says what the file is, after its last byte was written. The error
// is an *Unsafe.
func (i *Inspector) Result() (Result, error) {
	h := i.head
	switch {
	case bytes.HasPrefix(h, []byte("QFI\xfb")):
		return i.qcow2()
	case bytes.HasPrefix(h, []byte("KDMV")), bytes.HasPrefix(h, []byte("COWD")), bytes.HasPrefix(bytes.TrimSpace(h[:min(len(h), 512)]), []byte("# Disk DescriptorFile")):
		return i.vmdk()
	case bytes.HasPrefix(h, []byte("vhdxfile")):
		return Result{Format: VHDX}, nil
	case bytes.HasPrefix(h, []byte("conectix")), bytes.HasPrefix(i.foot, []byte("conectix")):
		return i.vhd()
	case len(h) >= 0x200 && binary.LittleEndian.Uint32(h[0x40:]) == 0xbeda107f:
		return Result{VDI, int64(binary.LittleEndian.Uint64(h[0x170:]))}, nil
	case bytes.HasPrefix(h, []byte("LUKS\xba\xbe")):
		return Result{Format: LUKS}, nil
	case len(h) >= 0x8006 && bytes.Equal(h[0x8001:0x8006], []byte("CD001")):
		return Result{ISO, i.size}, nil
	}
	return Result{Raw, i.size}, nil
}

// Header fields of qcow2, from docs/interop/qcow2.txt of QEMU.
const (
	qcowBackingOffset = 8
	qcowSize          = 24
	qcowIncompatible  = 72
	qcowHeaderLength  = 100
	qcowKnownFeatures = 1<<0 | 1<<1 | 1<<3 | 1<<4 // dirty, corrupt, compression type, extended L2
	qcowDataFileBit   = 1 << 2
	qcowExtDataFile   = 0x44415441
)

func (i *Inspector) qcow2() (Result, error) {
	h := i.head
	unsafe := func(reason string) (Result, error) { return Result{}, &Unsafe{QCOW2, reason} }
	if len(h) < 72 {
		return unsafe("its header is cut short")
	}
	version := binary.BigEndian.Uint32(h[4:])
	if version < 2 || version > 3 {
		return unsafe(fmt.Sprintf("version %d is not known", version))
	}
	if binary.BigEndian.Uint64(h[qcowBackingOffset:]) != 0 {
		return unsafe("it has a backing file")
	}
	header := uint64(72)
	if version == 3 {
		if len(h) < 104 {
			return unsafe("its header is cut short")
		}
		features := binary.BigEndian.Uint64(h[qcowIncompatible:])
		if features&qcowDataFileBit != 0 {
			return unsafe("it has an external data file")
		}
		if features&^uint64(qcowKnownFeatures) != 0 {
			return unsafe("it uses features that are not known")
		}
		header = uint64(binary.BigEndian.Uint32(h[qcowHeaderLength:]))
	}
	if reason := qcowExtensions(h, header); reason != "" {
		return unsafe(reason)
	}
	size := binary.BigEndian.Uint64(h[qcowSize:])
	if size > 1<<62 {
		return unsafe("its size cannot be")
	}
	return Result{QCOW2, int64(size)}, nil
}

// qcowExtensions walks the header extensions and says what is wrong with them.
func qcowExtensions(h []byte, at uint64) string {
	for at+8 <= uint64(len(h)) {
		kind := binary.BigEndian.Uint32(h[at:])
		length := uint64(binary.BigEndian.Uint32(h[at+4:]))
		switch {
		case kind == 0:
			return ""
		case kind == qcowExtDataFile:
			return "it names an external data file"
		}
		at += 8 + (length+7)&^uint64(7)
	}
	if at > uint64(len(h)) {
		return "its header extensions run past what an image needs"
	}
	return ""
}

// vmdk accepts the kinds that are one file.
func (i *Inspector) vmdk() (Result, error) {
	text := i.head
	at := bytes.Index(text, []byte("createType=\""))
	if at < 0 {
		return Result{}, &Unsafe{VMDK, "it has no descriptor that says its kind"}
	}
	kind, _, _ := bytes.Cut(text[at+len("createType=\""):], []byte("\""))
	switch string(kind) {
	case "monolithicSparse", "streamOptimized":
	default:
		return Result{}, &Unsafe{VMDK, fmt.Sprintf("kind %q is more than one file", truncate(kind))}
	}
	if !bytes.HasPrefix(text, []byte("KDMV")) || len(text) < 20 {
		return Result{}, &Unsafe{VMDK, "it is a descriptor without data"}
	}
	sectors := binary.LittleEndian.Uint64(text[12:])
	if sectors > 1<<50 {
		return Result{}, &Unsafe{VMDK, "its size cannot be"}
	}
	return Result{VMDK, int64(sectors) * 512}, nil
}

func truncate(b []byte) []byte { return b[:min(len(b), 40)] }

// vhd reads the footer, which dynamic disks repeat at the beginning.
func (i *Inspector) vhd() (Result, error) {
	f := i.foot
	if !bytes.HasPrefix(f, []byte("conectix")) {
		f = i.head
	}
	if len(f) < 56 {
		return Result{}, &Unsafe{VHD, "its footer is cut short"}
	}
	const differencing = 4
	if len(f) >= 64 && binary.BigEndian.Uint32(f[60:]) == differencing {
		return Result{}, &Unsafe{VHD, "it is the difference to another file"}
	}
	size := binary.BigEndian.Uint64(f[48:])
	if size > 1<<62 {
		return Result{}, &Unsafe{VHD, "its size cannot be"}
	}
	return Result{VHD, int64(size)}, nil
}

// Matches reports whether a file of the found format may be called declared.
// A raw disk can hold anything but what QEMU would take for another format;
// an ISO is also a raw disk, and a machine image is a raw disk.
func Matches(declared, found string) bool {
	switch declared {
	case found:
		return true
	case "ami", "ari", "aki", "ploop":
		return found == Raw
	case Raw:
		return found == ISO || found == LUKS
	case "":
		return true
	}
	return false
}

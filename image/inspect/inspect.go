// Package inspect finds out what a disk image really is from its first bytes,
// while they pass by on their way to the disk, and refuses images that reach
// beyond themselves: a qcow2 with a backing or data file, a vmdk of several
// extents, a differencing vhd. Whoever opened such an image would read files
// of the host that the user names in it.
//
// It reads headers only, of a bounded size, trusts none of the lengths in
// them, and calls no program.
//
//	inspect.go  the stream and the verdict
//	qcow2.go vmdk.go microsoft.go others.go   one or a few formats each
package inspect

import (
	"bytes"
	"fmt"
	"io"
)

// The formats that are told apart, by their names as disk formats of images.
// An image in none of the others is raw.
const (
	Raw   = "raw"
	QCOW2 = "qcow2"
	QED   = "qed"
	VMDK  = "vmdk"
	VHD   = "vhd"
	VHDX  = "vhdx"
	VDI   = "vdi"
	ISO   = "iso"
	LUKS  = "luks"
	GPT   = "gpt" // a partition table, GPT or MBR: a kind of raw
)

// How much of an image is kept: of a VHDX more, whose metadata lie behind
// its logs.
const (
	prefixSize     = 128 << 10
	vhdxPrefixSize = 4 << 20
	tailSize       = 512 // a fixed VHD has its only header at the end
)

// Result is what is known of an image.
type Result struct {
	Format string
	// VirtualSize is how large the disk is that a guest sees, in bytes; 0 if
	// the format does not say.
	VirtualSize int64
	// Unsafe says why nobody should open the image; "" if nothing is wrong.
	Unsafe string
}

// Inspector is written an image and knows afterwards what it is.
type Inspector struct {
	prefix []byte
	tail   []byte // the last bytes, at most tailSize
	size   int64
}

// Write implements io.Writer; it never fails.
func (i *Inspector) Write(p []byte) (int, error) {
	i.size += int64(len(p))
	if want := i.wanted() - len(i.prefix); want > 0 {
		i.prefix = append(i.prefix, p[:min(want, len(p))]...)
		// The first bytes may have made it want more.
		if more := i.wanted() - len(i.prefix); want < len(p) && more > 0 {
			i.prefix = append(i.prefix, p[want:min(want+more, len(p))]...)
		}
	}
	if len(p) >= tailSize {
		i.tail = append(i.tail[:0], p[len(p)-tailSize:]...)
	} else {
		i.tail = append(i.tail, p...)
		if over := len(i.tail) - tailSize; over > 0 {
			i.tail = append(i.tail[:0], i.tail[over:]...)
		}
	}
	return len(p), nil
}

func (i *Inspector) wanted() int {
	if bytes.HasPrefix(i.prefix, vhdxMagic) {
		return vhdxPrefixSize
	}
	return prefixSize
}

// Result tells what the image is, as far as it has passed.
func (i *Inspector) Result() Result { return examine(i.prefix, i.tail, i.size) }

// Read examines a whole stream.
func Read(r io.Reader) (Result, error) {
	var i Inspector
	if _, err := io.Copy(&i, r); err != nil {
		return Result{}, err
	}
	return i.Result(), nil
}

// File examines a file without reading more of it than is looked at.
func File(f io.ReadSeeker) (Result, error) {
	var i Inspector
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return Result{}, err
	}
	for _, part := range [][2]int64{{0, min(size, vhdxPrefixSize)}, {max(size-tailSize, 0), min(size, tailSize)}} {
		if _, err := f.Seek(part[0], io.SeekStart); err != nil {
			return Result{}, err
		}
		buf := make([]byte, part[1])
		if _, err := io.ReadFull(f, buf); err != nil {
			return Result{}, err
		}
		if part[0] == 0 && i.prefix == nil {
			i.Write(buf) //nolint:errcheck // it never fails
		} else {
			i.tail = buf
		}
	}
	i.size = size
	return i.Result(), nil
}

// detectors are asked in order; the first that knows the image tells about it.
var detectors = []func(prefix, tail []byte, size int64) (Result, bool){
	qcow2, qed, vmdk, vhdx, vhd, vdi, luks, iso, partitions,
}

func examine(prefix, tail []byte, size int64) Result {
	for _, detect := range detectors {
		if r, ok := detect(prefix, tail, size); ok {
			if r.VirtualSize < 0 {
				r.VirtualSize, r.Unsafe = 0, "its size is out of range"
			}
			return r
		}
	}
	return Result{Format: Raw, VirtualSize: size}
}

// plain are formats whose bytes are the disk itself.
func plain(format string) bool {
	return format == Raw || format == GPT || format == ISO || format == LUKS
}

// Check says why an image may not be taken for the disk format its owner
// declares; nil if it may. A raw image may hold anything that is not clearly
// the file of another format.
func (r Result) Check(declared string) error {
	if r.Format != declared && (declared != Raw || !plain(r.Format)) && inspectable(declared) {
		return fmt.Errorf("Image disk_format %s does not match stream data %s", declared, r.Format)
	}
	if !inspectable(declared) && !plain(r.Format) {
		return fmt.Errorf("Image disk_format %s does not match stream data %s", declared, r.Format)
	}
	if r.Unsafe != "" {
		return fmt.Errorf("Image failed safety checks: %s", r.Unsafe)
	}
	return nil
}

// inspectable reports whether a disk format can be told from others by its
// bytes. An ami, a kernel or a ploop cannot.
func inspectable(format string) bool {
	switch format {
	case Raw, QCOW2, VMDK, VHD, VHDX, VDI, ISO, LUKS:
		return true
	}
	return false
}

// at gives n bytes at an offset, nil if the image has not so many.
func at(b []byte, offset, n uint64) []byte {
	if offset > uint64(len(b)) || n > uint64(len(b))-offset {
		return nil
	}
	return b[offset : offset+n]
}

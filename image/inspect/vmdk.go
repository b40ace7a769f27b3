package inspect

import (
	"bytes"
	"encoding/binary"
	"strings"
)

const (
	sector = 512
	// vmdkMaxDescriptor is how long an embedded descriptor may be.
	vmdkMaxDescriptor = 64 << 10
)

var (
	vmdkMagic      = []byte("KDMV")
	vmdkDescriptor = []byte("# Disk DescriptorFile")
	// vmdkTypes are the kinds of vmdk that are one file.
	vmdkTypes = []string{"monolithicSparse", "streamOptimized"}
)

// vmdk knows the sparse extent with a descriptor in it, and refuses the
// descriptor alone, which names other files. Fields of the extent's header:
// version 4, capacity in sectors 12, descriptor offset 28 and size 36.
func vmdk(prefix, _ []byte, _ int64) (Result, bool) {
	if bytes.HasPrefix(bytes.ToLower(prefix[:min(len(prefix), len(vmdkDescriptor))]), bytes.ToLower(vmdkDescriptor)) {
		return Result{Format: VMDK, Unsafe: "its extents are other files"}, true
	}
	if !bytes.HasPrefix(prefix, vmdkMagic) {
		return Result{}, false
	}
	r := Result{Format: VMDK}
	if len(prefix) < sector {
		r.Unsafe = "its header is cut off"
		return r, true
	}
	le := binary.LittleEndian
	capacity, offset, size := le.Uint64(prefix[12:]), le.Uint64(prefix[28:]), le.Uint64(prefix[36:])
	const huge = 1 << 40 // sectors; keeps the products below from overflowing
	if capacity > huge || offset > huge || size > huge {
		r.Unsafe = "its header is out of range"
		return r, true
	}
	r.VirtualSize = int64(capacity * sector)
	descriptor := at(prefix, offset*sector, size*sector)
	switch {
	case offset == 0 || size == 0 || descriptor == nil || len(descriptor) > vmdkMaxDescriptor:
		r.Unsafe = "it has no descriptor"
	default:
		r.Unsafe = checkDescriptor(string(bytes.TrimRight(descriptor, "\x00")))
	}
	return r, true
}

// checkDescriptor reads the lines of a descriptor: settings, and extents such
// as: RW 131072 SPARSE "disk.vmdk".
func checkDescriptor(text string) string {
	createType, extents := "", 0
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok {
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(key)) {
			case "createtype":
				createType = value
			case "parentfilenamehint":
				return "it has a parent"
			case "parentcid":
				if !strings.EqualFold(value, "ffffffff") {
					return "it has a parent"
				}
			}
			continue
		}
		switch fields := strings.Fields(line); {
		case len(fields) < 3 || !isAccess(fields[0]):
		case !strings.EqualFold(fields[2], "SPARSE"):
			return "an extent of it is another file"
		default:
			extents++
		}
	}
	for _, t := range vmdkTypes {
		if strings.EqualFold(createType, t) {
			if extents != 1 {
				return "it has not exactly one extent"
			}
			return ""
		}
	}
	return "its type is not monolithicSparse or streamOptimized"
}

func isAccess(word string) bool {
	switch strings.ToUpper(word) {
	case "RW", "RDONLY", "NOACCESS":
		return true
	}
	return false
}

package inspect

import (
	"bytes"
	"encoding/binary"
)

// The header of qcow2, docs/interop/qcow2.rst of QEMU: magic 0, version 4,
// backing file offset 8, cluster bits 20, size 24, and from version 3 on
// incompatible features 72, header length 100.
var qcow2Magic = []byte("QFI\xfb")

const (
	qcow2V2Header     = 72
	qcow2V3Header     = 104
	qcow2DataFileBit  = 1 << 2
	qcow2KnownBits    = 1<<5 - 1 // dirty, corrupt, data file, compression, extended L2
	qcow2ExtEnd       = 0x00000000
	qcow2ExtDataFile  = 0x44415441
	qcow2MaxExtension = 64 << 10
)

func qcow2(prefix, _ []byte, _ int64) (Result, bool) {
	if !bytes.HasPrefix(prefix, qcow2Magic) {
		return Result{}, false
	}
	r := Result{Format: QCOW2}
	if len(prefix) < qcow2V2Header {
		r.Unsafe = "its header is cut off"
		return r, true
	}
	be := binary.BigEndian
	version := be.Uint32(prefix[4:])
	clusterBits := be.Uint32(prefix[20:])
	r.VirtualSize = int64(be.Uint64(prefix[24:]))
	length := uint64(qcow2V2Header)
	switch {
	case version != 2 && version != 3:
		r.Unsafe = "its version of qcow2 is not known"
	case be.Uint64(prefix[8:]) != 0:
		r.Unsafe = "it has a backing file"
	case clusterBits < 9 || clusterBits > 21:
		r.Unsafe = "its cluster size is out of range"
	case version == 3 && len(prefix) < qcow2V3Header:
		r.Unsafe = "its header is cut off"
	case version == 3:
		features := be.Uint64(prefix[72:])
		length = uint64(be.Uint32(prefix[100:]))
		switch {
		case features&qcow2DataFileBit != 0:
			r.Unsafe = "it has a data file"
		case features&^uint64(qcow2KnownBits) != 0:
			r.Unsafe = "it has features that are not known"
		case length < qcow2V3Header || length%8 != 0:
			r.Unsafe = "its header length is out of range"
		}
	}
	if r.Unsafe == "" {
		r.Unsafe = qcow2Extensions(prefix, length)
	}
	return r, true
}

// qcow2Extensions looks through the header extensions: type, length, data
// padded to 8 bytes, up to the type 0. They lie in the first cluster.
func qcow2Extensions(prefix []byte, offset uint64) string {
	for {
		head := at(prefix, offset, 8)
		if head == nil {
			// A version 2 file may end behind its header; a larger one has not
			// its extensions beyond what is kept.
			if offset >= prefixSize {
				return "its header extensions do not end"
			}
			return ""
		}
		kind, length := binary.BigEndian.Uint32(head), uint64(binary.BigEndian.Uint32(head[4:]))
		switch {
		case kind == qcow2ExtEnd:
			return ""
		case kind == qcow2ExtDataFile:
			return "it has a data file"
		case length > qcow2MaxExtension:
			return "a header extension is too long"
		}
		offset += 8 + (length+7)&^7
	}
}

// qed is QEMU's earlier attempt; it can have a backing file and nobody needs
// it.
func qed(prefix, _ []byte, _ int64) (Result, bool) {
	if !bytes.HasPrefix(prefix, []byte("QED\x00")) {
		return Result{}, false
	}
	return Result{Format: QED, Unsafe: "qed is not supported"}, true
}

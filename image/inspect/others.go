package inspect

import (
	"bytes"
	"encoding/binary"
)

// VDI: signature at 64, kind at 76, size at 368.
const (
	vdiSignature = 0xbeda107f
	vdiHeader    = 512
	vdiDynamic   = 1
	vdiStatic    = 2
)

func vdi(prefix, _ []byte, _ int64) (Result, bool) {
	header := at(prefix, 0, vdiHeader)
	if header == nil || binary.LittleEndian.Uint32(header[64:]) != vdiSignature {
		return Result{}, false
	}
	r := Result{Format: VDI, VirtualSize: int64(binary.LittleEndian.Uint64(header[368:]))}
	if kind := binary.LittleEndian.Uint32(header[76:]); kind != vdiDynamic && kind != vdiStatic {
		r.Unsafe = "it is a differencing disk"
	}
	return r, true
}

func luks(prefix, _ []byte, size int64) (Result, bool) {
	if !bytes.HasPrefix(prefix, []byte("LUKS\xba\xbe")) || len(prefix) < 8 {
		return Result{}, false
	}
	r := Result{Format: LUKS}
	// Version 1 has where its payload begins at 104, in sectors; what a
	// version 2 holds is in a JSON text.
	if b := at(prefix, 104, 4); b != nil && binary.BigEndian.Uint16(prefix[6:]) == 1 {
		r.VirtualSize = max(size-int64(binary.BigEndian.Uint32(b))*sector, 0)
	}
	return r, true
}

// iso knows the volume descriptors of ISO 9660, at 32 KiB.
func iso(prefix, _ []byte, size int64) (Result, bool) {
	if id := at(prefix, 32<<10, 6); id == nil || !bytes.Equal(id[1:], []byte("CD001")) {
		return Result{}, false
	}
	return Result{Format: ISO, VirtualSize: size}, true
}

// partitions knows a master boot record, also the one in front of a GPT.
func partitions(prefix, _ []byte, size int64) (Result, bool) {
	mbr := at(prefix, 0, sector)
	if mbr == nil || mbr[510] != 0x55 || mbr[511] != 0xaa {
		return Result{}, false
	}
	for n := range 4 {
		if boot := mbr[446+16*n]; boot != 0 && boot != 0x80 {
			return Result{}, false // the boot sector of a file system
		}
	}
	return Result{Format: GPT, VirtualSize: size}, true
}

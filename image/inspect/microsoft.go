package inspect

import (
	"bytes"
	"encoding/binary"
)

var (
	vhdMagic  = []byte("conectix")
	vhdxMagic = []byte("vhdxfile")
)

// The kinds of VHD in the footer's field at 60.
const (
	vhdFixed   = 2
	vhdDynamic = 3
)

// vhd knows the footer, of which a dynamic disk has a copy at its start and a
// fixed one nothing but itself at its end.
func vhd(prefix, tail []byte, _ int64) (Result, bool) {
	footer := at(prefix, 0, sector)
	if !bytes.HasPrefix(footer, vhdMagic) {
		footer = at(tail, 0, sector)
	}
	if !bytes.HasPrefix(footer, vhdMagic) {
		return Result{}, false
	}
	r := Result{Format: VHD, VirtualSize: int64(binary.BigEndian.Uint64(footer[48:]))}
	if kind := binary.BigEndian.Uint32(footer[60:]); kind != vhdFixed && kind != vhdDynamic {
		r.Unsafe = "it is a differencing disk"
	}
	return r, true
}

// VHDX: the region table at 192 KiB names the metadata region, whose table
// names the items. GUIDs are as they stand in the file.
const vhdxRegions = 192 << 10

var (
	vhdxMetadataRegion = []byte{0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e}
	vhdxFileParameters = []byte{0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b}
	vhdxVirtualSize    = []byte{0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8}
)

// vhdxHasParent is the flag in the file parameters of a differencing disk.
const vhdxHasParent = 1 << 1

func vhdx(prefix, _ []byte, _ int64) (Result, bool) {
	if !bytes.HasPrefix(prefix, vhdxMagic) {
		return Result{}, false
	}
	r := Result{Format: VHDX}
	le := binary.LittleEndian
	metadata := uint64(0)
	if table := at(prefix, vhdxRegions, 16); bytes.HasPrefix(table, []byte("regi")) {
		for n := range uint64(min(le.Uint32(table[8:]), 2047)) {
			entry := at(prefix, vhdxRegions+16+32*n, 32)
			if bytes.HasPrefix(entry, vhdxMetadataRegion) {
				metadata = le.Uint64(entry[16:])
			}
		}
	}
	table := at(prefix, metadata, 32)
	if metadata == 0 || !bytes.HasPrefix(table, []byte("metadata")) {
		r.Unsafe = "its metadata are not where they are expected"
		return r, true
	}
	known := 0
	for n := range uint64(min(le.Uint16(table[10:]), 2047)) {
		entry := at(prefix, metadata+32+32*n, 32)
		if entry == nil {
			break
		}
		item := at(prefix, metadata+uint64(le.Uint32(entry[16:])), 8)
		switch {
		case item == nil:
		case bytes.HasPrefix(entry, vhdxFileParameters):
			known++
			if le.Uint32(item[4:])&vhdxHasParent != 0 {
				r.Unsafe = "it is a differencing disk"
			}
		case bytes.HasPrefix(entry, vhdxVirtualSize):
			known++
			r.VirtualSize = int64(le.Uint64(item))
		}
	}
	if known != 2 && r.Unsafe == "" {
		r.Unsafe = "its metadata are incomplete"
	}
	return r, true
}

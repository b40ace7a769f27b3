package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"nubo/broker/message"
	"nubo/broker/store"
)

const (
	magic         = "NUBOWAL1"
	segmentHeader = 32
	recordHeader  = 17
	placeSize     = 29
	// maxPayload bounds what a length is believed to be.
	maxPayload = 1 << 30
)

type kind byte

const (
	kindMessage kind = iota + 1
	kindPlace
	kindRemove
	kindDrop
	kindReturned
	kindDelivered
	kindDefine
	kindUndefine
	kindBatch
	kindClean
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var le = binary.LittleEndian

// place is a store.Place as the log keeps it.
type place struct {
	store.Place
	deliveries uint32
	keep       bool
}

// begin appends a record's header, to be completed by finish.
func begin(b []byte, pos uint64, k kind) []byte {
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint64(b, pos)
	return append(b, byte(k))
}

// finish completes the record that starts at an offset of b and ends with it.
func finish(b []byte, at int) {
	le.PutUint32(b[at:], uint32(len(b)-at-recordHeader))
	le.PutUint32(b[at+4:], crc32.Checksum(b[at+8:], castagnoli))
}

func appendPlace(b []byte, p *place) []byte {
	b = le.AppendUint64(b, p.Queue)
	b = le.AppendUint64(b, p.Seq)
	b = le.AppendUint64(b, uint64(p.Expires))
	b = le.AppendUint32(b, p.deliveries)
	if p.keep {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendMessage(b []byte, m *message.Message, places ...place) []byte {
	flags := byte(0)
	if m.Persistent {
		flags = 1
	}
	b = append(b, flags, m.Priority)
	b = le.AppendUint32(b, uint32(len(places)))
	for i := range places {
		b = appendPlace(b, &places[i])
	}
	b = append(append(b, byte(len(m.Exchange))), m.Exchange...)
	b = append(append(b, byte(len(m.RoutingKey))), m.RoutingKey...)
	b = append(le.AppendUint32(b, uint32(len(m.Props))), m.Props...)
	return append(b, m.Body...)
}

// messageSize is the size of a message's record with one place.
func messageSize(m *message.Message) int {
	return recordHeader + 6 + placeSize + 1 + len(m.Exchange) + 1 + len(m.RoutingKey) + 4 + len(m.Props) + len(m.Body)
}

var errTorn = errors.New("no whole record")

// record is a record as it was read; the payload refers to what was read.
type record struct {
	kind    kind
	payload []byte
}

// parse reads the record at the beginning of b, which must be at the position,
// and returns its size.
func parse(b []byte, pos uint64) (record, int, error) {
	if len(b) < recordHeader {
		return record{}, 0, errTorn
	}
	n := uint64(le.Uint32(b)) + recordHeader
	if le.Uint64(b[8:]) != pos || n > maxPayload || n > uint64(len(b)) || crc32.Checksum(b[8:n], castagnoli) != le.Uint32(b[4:]) {
		return record{}, 0, errTorn
	}
	return record{kind(b[16]), b[recordHeader:n:n]}, int(n), nil
}

// reader takes a payload apart and remembers that there was too little.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, min(max(n, 0), 8))
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u32() uint32 { return le.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return le.Uint64(r.take(8)) }

func (r *reader) place() place {
	p := place{Place: store.Place{Queue: r.u64(), Seq: r.u64(), Expires: int64(r.u64())}}
	p.deliveries = r.u32()
	p.keep = r.u8() == 1
	return p
}

// places reads the places of a message record.
func (r *reader) places(dst []place) (flags, priority byte, _ []place) {
	flags, priority = r.u8(), r.u8()
	n := r.u32()
	if uint64(n)*placeSize > uint64(len(r.b)) {
		r.bad = true
		return flags, priority, dst
	}
	for range n {
		dst = append(dst, r.place())
	}
	return flags, priority, dst
}

// parsePlaces reads the places of a message record and the size of its body.
func parsePlaces(payload []byte, dst []place) (_ []place, size int, whole bool) {
	r := reader{b: payload}
	_, _, dst = r.places(dst)
	r.take(int(r.u8()))
	r.take(int(r.u8()))
	r.take(int(r.u32()))
	return dst, len(r.b), !r.bad
}

// parseMessage reads a message record's payload. The message refers to it.
func parseMessage(payload []byte, dst []place) (*message.Message, []place, bool) {
	r := reader{b: payload}
	flags, priority, dst := r.places(dst)
	m := &message.Message{Persistent: flags&1 != 0, Priority: priority}
	m.Exchange = string(r.take(int(r.u8())))
	m.RoutingKey = string(r.take(int(r.u8())))
	m.Props = r.take(int(r.u32()))
	m.Body = r.b
	return m, dst, !r.bad
}

package amqp

import "encoding/binary"

// The frame types.
const (
	FrameMethod    = 1
	FrameHeader    = 2
	FrameBody      = 3
	FrameHeartbeat = 8
)

const (
	// FrameMinSize is the size of frames every peer accepts, and therefore
	// the limit before connection.tune-ok.
	FrameMinSize = 4096
	// FrameOverhead is what a frame adds to its payload: type, channel, size, end.
	FrameOverhead = 8

	frameHeaderSize = 7
	frameEnd        = 0xCE
)

// ProtocolHeader opens a connection, and is a server's answer to any other.
const ProtocolHeader = "AMQP\x00\x00\x09\x01"

// Frame is one frame. Payload refers to the buffer it was parsed from.
type Frame struct {
	Type    uint8
	Channel uint16
	Payload []byte
}

// ParseFrame parses the frame at the start of b, of at most max bytes with its
// overhead. It returns how many bytes the frame took; if b ends before the
// frame does, that is 0, and need is the size b must have (at least).
func ParseFrame(b []byte, max uint32) (f Frame, n, need int, err *Error) {
	if len(b) < frameHeaderSize {
		return f, 0, FrameOverhead, nil
	}
	f.Type = b[0]
	f.Channel = binary.BigEndian.Uint16(b[1:])
	size := binary.BigEndian.Uint32(b[3:])
	if max != 0 && uint64(size)+FrameOverhead > uint64(max) {
		return f, 0, 0, Errorf(FrameError, "type %d, all octets = <<>>: {frame_too_large,%d,%d}", f.Type, size, max-FrameOverhead)
	}
	total := int(size) + FrameOverhead
	if len(b) < total {
		return f, 0, total, nil
	}
	if b[total-1] != frameEnd {
		return f, 0, 0, BadFrameEnd(f.Type, b[frameHeaderSize:total-1], b[total-1])
	}
	f.Payload = b[frameHeaderSize : total-1 : total-1]
	return f, total, 0, nil
}

// BadFrameEnd is the error for a frame that ends with another octet than FrameEnd.
func BadFrameEnd(typ uint8, payload []byte, end byte) *Error {
	return Errorf(FrameError, "type %d, first 16 octets = %s: {invalid_frame_end_marker,%d}", typ, octets(payload), end)
}

// octets renders the first 16 bytes of a payload as Erlang prints a binary.
func octets(b []byte) string {
	if len(b) > 16 {
		b = b[:16]
	}
	out := []byte("<<")
	for i, c := range b {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendDecimal(out, uint64(c))
	}
	return string(append(out, '>', '>'))
}

// AppendFrameStart appends the header of a frame whose size is not known yet.
// Give the length b had before to AppendFrameEnd.
func AppendFrameStart(b []byte, typ uint8, channel uint16) []byte {
	return append(b, typ, byte(channel>>8), byte(channel), 0, 0, 0, 0)
}

// AppendFrameEnd completes the frame that starts at offset start of b.
func AppendFrameEnd(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start+3:], uint32(len(b)-start-frameHeaderSize))
	return append(b, frameEnd)
}

// AppendMethodFrame appends m as a whole frame.
func AppendMethodFrame(b []byte, channel uint16, m Method) []byte {
	start := len(b)
	b = AppendFrameStart(b, FrameMethod, channel)
	b = m.Append(b)
	return AppendFrameEnd(b, start)
}

// AppendHeartbeat appends a heartbeat frame.
func AppendHeartbeat(b []byte) []byte {
	return append(b, FrameHeartbeat, 0, 0, 0, 0, 0, 0, frameEnd)
}

// AppendContentHeader appends the header frame of a content of class basic.
// props is the encoded property flags and list.
func AppendContentHeader(b []byte, channel uint16, bodySize uint64, props []byte) []byte {
	start := len(b)
	b = AppendFrameStart(b, FrameHeader, channel)
	b = append(b, 0, ClassBasic, 0, 0)
	b = appendLonglong(b, bodySize)
	b = append(b, props...)
	return AppendFrameEnd(b, start)
}

// AppendBodyFrames appends body in as many frames of at most max bytes as needed.
func AppendBodyFrames(b []byte, channel uint16, body []byte, max uint32) []byte {
	for len(body) > 0 {
		n := BodyChunk(len(body), max)
		b = AppendBodyStart(b, channel, n)
		b = append(b, body[:n]...)
		b = append(b, frameEnd)
		body = body[n:]
	}
	return b
}

// BodyChunk is how many of n bytes of a body go into its next frame.
func BodyChunk(n int, max uint32) int {
	if max != 0 && n > int(max)-FrameOverhead {
		return int(max) - FrameOverhead
	}
	return n
}

// AppendBodyStart appends the header of a body frame of size bytes; the caller
// writes those from elsewhere, and FrameEnd after them.
func AppendBodyStart(b []byte, channel uint16, size int) []byte {
	return append(b, FrameBody, byte(channel>>8), byte(channel),
		byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
}

// FrameEnd is the octet that ends every frame.
const FrameEnd = frameEnd

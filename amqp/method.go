package amqp

import "encoding/binary"

// MethodID is a method's class id and, in the low half, its id in the class.
type MethodID uint32

// The ids of the classes a server must tell apart.
const (
	ClassConnection = 10
	ClassChannel    = 20
	ClassBasic      = 60
)

// Class is the id of the method's class.
func (id MethodID) Class() uint16 { return uint16(id >> 16) }

// Method is the id within the class.
func (id MethodID) Method() uint16 { return uint16(id) }

// Method is one of the protocol's methods; the implementations are generated.
type Method interface {
	ID() MethodID
	// Append appends the method's payload: ids and arguments.
	Append(b []byte) []byte
	// Decode reads the arguments.
	Decode(args []byte) error
}

// SplitMethod returns the id and the arguments of a method frame's payload.
func SplitMethod(payload []byte) (id MethodID, args []byte, err *Error) {
	if len(payload) < 4 {
		return 0, nil, Errorf(FrameError, "type 1, all octets = %s: {frame_too_short}", octets(payload))
	}
	return MethodID(binary.BigEndian.Uint32(payload)), payload[4:], nil
}

// ParseMethod decodes a method frame's payload.
func ParseMethod(payload []byte) (Method, *Error) {
	id, args, err := SplitMethod(payload)
	if err != nil {
		return nil, err
	}
	m := id.New()
	if m == nil {
		return nil, Errorf(CommandInvalid, "unknown method %d.%d", id.Class(), id.Method()).In(id)
	}
	if m.Decode(args) != nil {
		return nil, Errorf(FrameError, "cannot decode arguments of %s", id).In(id)
	}
	return m, nil
}

// PublishView is basic.publish, referring to the frame instead of copying.
type PublishView struct {
	Exchange, RoutingKey []byte
	Mandatory, Immediate bool
}

// Decode is BasicPublish.Decode without copies.
func (v *PublishView) Decode(args []byte) error {
	d := decoder{b: args}
	d.short()
	v.Exchange = d.shortBytes()
	v.RoutingKey = d.shortBytes()
	bits := d.octet()
	v.Mandatory = bits&1 != 0
	v.Immediate = bits&2 != 0
	return d.end()
}

// AppendDeliver appends a basic.deliver frame. It is AppendMethodFrame of a
// BasicDeliver, without the struct.
func AppendDeliver(b []byte, channel uint16, consumerTag string, tag uint64, redelivered bool, exchange, key string) []byte {
	start := len(b)
	b = AppendFrameStart(b, FrameMethod, channel)
	b = appendLong(b, uint32(IDBasicDeliver))
	b = appendShortstr(b, consumerTag)
	b = appendLonglong(b, tag)
	b = append(b, bit(redelivered, 0))
	b = appendShortstr(b, exchange)
	b = appendShortstr(b, key)
	return AppendFrameEnd(b, start)
}

// AppendAck appends a basic.ack frame, the publisher confirm.
func AppendAck(b []byte, channel uint16, tag uint64, multiple bool) []byte {
	start := len(b)
	b = AppendFrameStart(b, FrameMethod, channel)
	b = appendLong(b, uint32(IDBasicAck))
	b = appendLonglong(b, tag)
	b = append(b, bit(multiple, 0))
	return AppendFrameEnd(b, start)
}

package amqp

import (
	"bytes"
	"encoding/binary"
	"time"
)

// The property flags, highest bit first.
const (
	flagContentType     = 1 << 15
	flagContentEncoding = 1 << 14
	flagHeaders         = 1 << 13
	flagDeliveryMode    = 1 << 12
	flagPriority        = 1 << 11
	flagCorrelationID   = 1 << 10
	flagReplyTo         = 1 << 9
	flagExpiration      = 1 << 8
	flagMessageID       = 1 << 7
	flagTimestamp       = 1 << 6
	flagType            = 1 << 5
	flagUserID          = 1 << 4
	flagAppID           = 1 << 3
	flagClusterID       = 1 << 2
	flagReserved        = 1<<1 | 1<<0
)

// ContentHeader is a content header frame's payload. Props, the property flags
// and list, refers to the frame.
type ContentHeader struct {
	Class    uint16
	BodySize uint64
	Props    []byte
}

// ParseContentHeader parses a header frame's payload.
func ParseContentHeader(payload []byte) (ContentHeader, *Error) {
	if len(payload) < 14 {
		return ContentHeader{}, Errorf(FrameError, "type 2, all octets = %s: {frame_too_short}", octets(payload))
	}
	return ContentHeader{
		Class:    binary.BigEndian.Uint16(payload),
		BodySize: binary.BigEndian.Uint64(payload[4:]),
		Props:    payload[12:],
	}, nil
}

// PropertiesView is what a broker needs of a content's properties, referring
// to the encoded form.
type PropertiesView struct {
	// Headers is the table without its length; nil if there is none.
	Headers       []byte
	DeliveryMode  uint8
	Priority      uint8
	ReplyTo       []byte
	Expiration    []byte
	UserID        []byte
	HasExpiration bool
	HasUserID     bool
}

// Decode checks the encoded properties and finds the view's fields.
func (v *PropertiesView) Decode(props []byte) error {
	*v = PropertiesView{}
	d := decoder{b: props}
	flags := d.short()
	if flags&flagReserved != 0 {
		return errMalformed
	}
	if flags&flagContentType != 0 {
		d.shortBytes()
	}
	if flags&flagContentEncoding != 0 {
		d.shortBytes()
	}
	if flags&flagHeaders != 0 {
		v.Headers = d.longBytes()
		if len(v.Headers) > 0 && CheckTable(v.Headers) != nil {
			return errMalformed
		}
	}
	if flags&flagDeliveryMode != 0 {
		v.DeliveryMode = d.octet()
	}
	if flags&flagPriority != 0 {
		v.Priority = d.octet()
	}
	if flags&flagCorrelationID != 0 {
		d.shortBytes()
	}
	if flags&flagReplyTo != 0 {
		v.ReplyTo = d.shortBytes()
	}
	if flags&flagExpiration != 0 {
		v.Expiration, v.HasExpiration = d.shortBytes(), true
	}
	if flags&flagMessageID != 0 {
		d.shortBytes()
	}
	if flags&flagTimestamp != 0 {
		d.longlong()
	}
	if flags&flagType != 0 {
		d.shortBytes()
	}
	if flags&flagUserID != 0 {
		v.UserID, v.HasUserID = d.shortBytes(), true
	}
	if flags&flagAppID != 0 {
		d.shortBytes()
	}
	if flags&flagClusterID != 0 {
		d.shortBytes()
	}
	return d.end()
}

// HeaderTable decodes the headers of a PropertiesView.
func HeaderTable(headers []byte) Table {
	t, err := decodeTable(headers, 0)
	if err != nil {
		return nil // cannot be: Decode checked them
	}
	return t
}

// SetHeader returns encoded properties with a header added or replaced. The
// properties must be well formed.
func SetHeader(props []byte, name string, v int64) []byte {
	d := decoder{b: props}
	flags := d.short()
	for _, flag := range []uint16{flagContentType, flagContentEncoding} {
		if flags&flag != 0 {
			d.shortBytes()
		}
	}
	at := len(props) - len(d.b) // where the headers are or go
	var old []byte
	if flags&flagHeaders != 0 {
		old = d.longBytes()
	}
	if bytes.Contains(old, []byte(name)) {
		if t := HeaderTable(old); t != nil {
			delete(t, name)
			old = t.Append(nil)[4:]
		}
	}
	b := make([]byte, 0, len(props)+len(name)+14)
	b = appendShort(b, flags|flagHeaders)
	b = append(b, props[2:at]...)
	b = appendLong(b, uint32(len(old)+1+len(name)+9))
	b = append(b, old...)
	b = appendValue(appendShortstr(b, name), v)
	return append(b, d.b...)
}

// Properties are the properties of class basic, decoded. Empty ones are absent.
type Properties struct {
	ContentType, ContentEncoding       string
	Headers                            Table
	DeliveryMode, Priority             uint8
	CorrelationID, ReplyTo, Expiration string
	MessageID                          string
	Timestamp                          time.Time
	Type, UserID, AppID, ClusterID     string
}

// Decode reads the encoded form.
func (p *Properties) Decode(props []byte) error {
	*p = Properties{}
	d := decoder{b: props}
	flags := d.short()
	if flags&flagReserved != 0 {
		return errMalformed
	}
	str := func(flag uint16, s *string) {
		if flags&flag != 0 {
			*s = d.shortstr()
		}
	}
	str(flagContentType, &p.ContentType)
	str(flagContentEncoding, &p.ContentEncoding)
	if flags&flagHeaders != 0 {
		if p.Headers = d.table(); p.Headers == nil {
			p.Headers = Table{}
		}
	}
	if flags&flagDeliveryMode != 0 {
		p.DeliveryMode = d.octet()
	}
	if flags&flagPriority != 0 {
		p.Priority = d.octet()
	}
	str(flagCorrelationID, &p.CorrelationID)
	str(flagReplyTo, &p.ReplyTo)
	str(flagExpiration, &p.Expiration)
	str(flagMessageID, &p.MessageID)
	if flags&flagTimestamp != 0 {
		p.Timestamp = time.Unix(int64(d.longlong()), 0).UTC()
	}
	str(flagType, &p.Type)
	str(flagUserID, &p.UserID)
	str(flagAppID, &p.AppID)
	str(flagClusterID, &p.ClusterID)
	return d.end()
}

// Append appends the encoded form: flags and list.
func (p *Properties) Append(b []byte) []byte {
	at := len(b)
	b = append(b, 0, 0)
	var flags uint16
	str := func(flag uint16, s string) {
		if s != "" {
			flags |= flag
			b = appendShortstr(b, s)
		}
	}
	str(flagContentType, p.ContentType)
	str(flagContentEncoding, p.ContentEncoding)
	if p.Headers != nil {
		flags |= flagHeaders
		b = p.Headers.Append(b)
	}
	if p.DeliveryMode != 0 {
		flags |= flagDeliveryMode
		b = append(b, p.DeliveryMode)
	}
	if p.Priority != 0 {
		flags |= flagPriority
		b = append(b, p.Priority)
	}
	str(flagCorrelationID, p.CorrelationID)
	str(flagReplyTo, p.ReplyTo)
	str(flagExpiration, p.Expiration)
	str(flagMessageID, p.MessageID)
	if !p.Timestamp.IsZero() {
		flags |= flagTimestamp
		b = appendLonglong(b, uint64(p.Timestamp.Unix()))
	}
	str(flagType, p.Type)
	str(flagUserID, p.UserID)
	str(flagAppID, p.AppID)
	str(flagClusterID, p.ClusterID)
	binary.BigEndian.PutUint16(b[at:], flags)
	return b
}

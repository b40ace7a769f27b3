package simulated

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// rfbServer shows a screen by the remote framebuffer protocol 3.8 (RFC 6143):
// no password, raw pixels, one client. It is what any VNC client can look at.
type rfbServer struct {
	conn    io.ReadWriter
	in      *bufio.Reader
	name    string
	screen  *screen
	keys    *login
	restart func() string // Ctrl-Alt-Del

	format    pixelFormat
	ctrl, alt bool // are held down
	// wanted: the client waits for what changes next.
	wanted bool
}

// pixelFormat is how pixels are sent (RFC 6143 7.4).
type pixelFormat struct {
	BitsPerPixel, Depth, BigEndian, TrueColor uint8
	RedMax, GreenMax, BlueMax                 uint16
	RedShift, GreenShift, BlueShift           uint8
	_                                         [3]byte
}

// native is what the server proposes, and most clients leave at.
var native = pixelFormat{BitsPerPixel: 32, Depth: 24, TrueColor: 1, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 16, GreenShift: 8}

// What clients send (RFC 6143 7.5).
const (
	setPixelFormat = 0
	setEncodings   = 2
	updateRequest  = 3
	keyEvent       = 4
	pointerEvent   = 5
	clientCutText  = 6
)

// The keys that matter besides letters, as X11 calls them.
const (
	keyBackspace = 0xff08
	keyReturn    = 0xff0d
	keyEnter     = 0xff8d
	keyDelete    = 0xffff
	keyCtrlLeft  = 0xffe3
	keyCtrlRight = 0xffe4
	keyAltLeft   = 0xffe9
	keyAltRight  = 0xffea
)

// maxCutText is how long a text in the clipboard may be.
const maxCutText = 1 << 20

var errProtocol = errors.New("the client does not speak RFB 3.8")

// serve serves the client until it leaves, or says what nobody understands.
func (s *rfbServer) serve() {
	s.in, s.format = bufio.NewReader(s.conn), native
	if s.greet() != nil {
		return
	}
	for s.message() == nil {
	}
}

// greet agrees on version, security and size (RFC 6143 7.1 to 7.3).
func (s *rfbServer) greet() error {
	if _, err := io.WriteString(s.conn, "RFB 003.008\n"); err != nil {
		return err
	}
	version := make([]byte, 12)
	if _, err := io.ReadFull(s.in, version); err != nil {
		return err
	}
	if string(version) != "RFB 003.008\n" {
		return errProtocol
	}
	if _, err := s.conn.Write([]byte{1, 1}); err != nil { // one type of security: none
		return err
	}
	if chosen, err := s.in.ReadByte(); err != nil || chosen != 1 {
		return errProtocol
	}
	if _, err := s.conn.Write([]byte{0, 0, 0, 0}); err != nil { // it went well
		return err
	}
	if _, err := s.in.ReadByte(); err != nil { // shared, or not: all the same
		return err
	}
	init := struct {
		Width, Height uint16
		Format        pixelFormat
		Name          uint32
	}{screenWidth, screenHeight, s.format, uint32(len(s.name))}
	b, err := binary.Append(nil, binary.BigEndian, init)
	if err != nil {
		return err
	}
	_, err = s.conn.Write(append(b, s.name...))
	return err
}

// message takes one message of the client.
func (s *rfbServer) message() error {
	kind, err := s.in.ReadByte()
	if err != nil {
		return err
	}
	switch kind {
	case setPixelFormat:
		return s.setFormat()
	case setEncodings:
		var m struct {
			_     byte
			Count uint16
		}
		if err := s.read(&m); err != nil {
			return err
		}
		return s.skip(4 * int64(m.Count)) // raw is always understood
	case updateRequest:
		var m struct {
			Incremental         uint8
			X, Y, Width, Height uint16
		}
		if err := s.read(&m); err != nil {
			return err
		}
		if m.Incremental == 0 {
			s.screen.from, s.screen.to = 0, rows
		}
		s.wanted = true
		return s.update()
	case keyEvent:
		var m struct {
			Down uint8
			_    [2]byte
			Key  uint32
		}
		if err := s.read(&m); err != nil {
			return err
		}
		s.key(m.Key, m.Down != 0)
		return s.update()
	case pointerEvent:
		return s.skip(5)
	case clientCutText:
		var m struct {
			_      [3]byte
			Length uint32
		}
		if err := s.read(&m); err != nil {
			return err
		}
		if m.Length > maxCutText {
			return errProtocol
		}
		return s.skip(int64(m.Length))
	}
	return fmt.Errorf("%w: message %d", errProtocol, kind)
}

func (s *rfbServer) read(m any) error { return binary.Read(s.in, binary.BigEndian, m) }

func (s *rfbServer) skip(n int64) error {
	_, err := io.CopyN(io.Discard, s.in, n)
	return err
}

func (s *rfbServer) setFormat() error {
	var m struct {
		_      [3]byte
		Format pixelFormat
	}
	if err := s.read(&m); err != nil {
		return err
	}
	switch f := m.Format; {
	case f.BitsPerPixel != 8 && f.BitsPerPixel != 16 && f.BitsPerPixel != 32, f.TrueColor == 0:
		return fmt.Errorf("%w: pixels of %d bits", errProtocol, f.BitsPerPixel)
	}
	s.format = m.Format
	s.screen.from, s.screen.to = 0, rows
	return nil
}

// key is a key that goes down or up.
func (s *rfbServer) key(key uint32, down bool) {
	switch {
	case key == keyCtrlLeft || key == keyCtrlRight:
		s.ctrl = down
	case key == keyAltLeft || key == keyAltRight:
		s.alt = down
	case !down:
	case key == keyDelete && s.ctrl && s.alt:
		s.screen.print("\r\n" + s.restart())
		s.keys.name, s.keys.secret = nil, false
	case key == keyReturn || key == keyEnter:
		s.screen.print(s.keys.typed('\r'))
	case key == keyBackspace:
		s.screen.print(s.keys.typed('\b'))
	case key >= ' ' && key <= '~':
		s.screen.print(s.keys.typed(byte(key)))
	}
}

// update sends what has changed, if the client waits for it (RFC 6143 7.6.1).
func (s *rfbServer) update() error {
	if !s.wanted || s.screen.from == s.screen.to {
		return nil
	}
	top, height := s.screen.from*cellHeight, (s.screen.to-s.screen.from)*cellHeight
	s.wanted, s.screen.from, s.screen.to = false, 0, 0
	b := []byte{0, 0, 0, 1} // an update of one rectangle
	for _, v := range []int{0, top, screenWidth, height, 0, 0} {
		b = binary.BigEndian.AppendUint16(b, uint16(v)) //nolint:gosec // a screen is small
	}
	dark, light := s.format.pixel(0x10, 0x14, 0x1a), s.format.pixel(0xd0, 0xd4, 0xda)
	for y := top; y < top+height; y++ {
		for x := range screenWidth {
			if s.screen.lit(x, y) {
				b = append(b, light...)
			} else {
				b = append(b, dark...)
			}
		}
	}
	_, err := s.conn.Write(b)
	return err
}

// pixel is a colour as the client wants it.
func (f pixelFormat) pixel(r, g, b uint32) []byte {
	part := func(v uint32, most uint16, shift uint8) uint32 { return v * uint32(most) / 255 << (shift & 31) }
	v := part(r, f.RedMax, f.RedShift) | part(g, f.GreenMax, f.GreenShift) | part(b, f.BlueMax, f.BlueShift)
	out := make([]byte, 4)
	if f.BigEndian != 0 {
		binary.BigEndian.PutUint32(out, v)
		return out[4-f.BitsPerPixel/8:]
	}
	binary.LittleEndian.PutUint32(out, v)
	return out[:f.BitsPerPixel/8]
}

package simulated

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nubo/compute/driver"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// expect reads until the end of what is expected, and gives all of it.
func expect(t *testing.T, r io.Reader, end string) string {
	t.Helper()
	var all []byte
	b := make([]byte, 1)
	for !strings.HasSuffix(string(all), end) {
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
		all = append(all, b...)
	}
	return string(all)
}

func send(t *testing.T, w io.Writer, parts ...any) {
	t.Helper()
	var b []byte
	for _, p := range parts {
		var err error
		b, err = binary.Append(b, binary.BigEndian, p)
		testx.NoErr(t, err)
	}
	_, err := w.Write(b)
	testx.NoErr(t, err)
}

func runGuest(t *testing.T) *Driver {
	t.Helper()
	d := newHost(t, filepath.Join(t.TempDir(), "guests"))
	testx.NoErr(t, d.Spawn(t.Context(), server, func(string) {}))
	t.Cleanup(func() { testx.NoErr(t, d.Close()) })
	return d
}

func TestSerialPort(t *testing.T) {
	t.Parallel()
	d := runGuest(t)
	port, err := d.OpenConsole(t.Context(), "s1", driver.Serial)
	testx.NoErr(t, err)
	greeting := expect(t, port, "web login: ")
	testx.Equal(t, strings.Contains(greeting, "simulated guest instance-00000001, boot 1"), true)
	send(t, port, []byte("rx\x7foot\r"))
	testx.Equal(t, expect(t, port, "Password: "), "rx\b \boot\r\nPassword: ")
	send(t, port, []byte("hidden\r"))
	testx.Equal(t, expect(t, port, "login: "), "\r\nLogin incorrect\r\nweb login: ")
	testx.NoErr(t, d.Stop(t.Context(), "s1"))
	_, err = port.Read(make([]byte, 1))
	testx.ErrIs(t, err, io.EOF)
	if _, err := d.OpenConsole(t.Context(), "s1", driver.VNC); err == nil {
		t.Error("a guest that does not run shows something")
	}
	_, err = d.OpenConsole(t.Context(), "s2", driver.VNC)
	testx.ErrIs(t, err, driver.ErrNoGuest)
}

// viewer is a VNC client that keeps the picture.
type viewer struct {
	t       *testing.T
	conn    io.ReadWriter
	picture [screenHeight][screenWidth]uint32
}

func view(t *testing.T, conn io.ReadWriter) *viewer {
	t.Helper()
	v := &viewer{t: t, conn: conn}
	expect(t, conn, "RFB 003.008\n")
	send(t, conn, []byte("RFB 003.008\n"))
	expect(t, conn, "\x01\x01")
	send(t, conn, []byte{1})
	expect(t, conn, "\x00\x00\x00\x00")
	send(t, conn, []byte{1})
	init := make([]byte, 24)
	_, err := io.ReadFull(conn, init)
	testx.NoErr(t, err)
	testx.Equal(t, binary.BigEndian.Uint16(init), uint16(screenWidth))
	expect(t, conn, "instance-00000001")
	send(t, conn, uint8(setEncodings), uint8(0), uint16(1), int32(0))
	return v
}

// look asks for what has changed, or for all, and takes it.
func (v *viewer) look(incremental uint8) {
	v.t.Helper()
	send(v.t, v.conn, uint8(updateRequest), incremental, uint16(0), uint16(0), uint16(screenWidth), uint16(screenHeight))
	var head struct {
		Kind, Pad                  uint8
		Count, X, Y, Width, Height uint16
		Encoding                   int32
	}
	testx.NoErr(v.t, binary.Read(v.conn, binary.BigEndian, &head))
	testx.Equal(v.t, []any{head.Kind, head.Count, head.Encoding, head.Width}, []any{uint8(0), uint16(1), int32(0), uint16(screenWidth)})
	for y := head.Y; y < head.Y+head.Height; y++ {
		testx.NoErr(v.t, binary.Read(v.conn, binary.LittleEndian, v.picture[y][:]))
	}
}

// line reads a row of the picture by the shapes of its letters.
func (v *viewer) line(y int) string {
	var out []byte
	for col := range columns {
		found := byte('?')
		for b := byte(' '); b <= '~'; b++ {
			same := true
			for dy := range cellHeight - 2 { // the cursor is below
				for dx := range cellWidth {
					lit := v.picture[y*cellHeight+dy][col*cellWidth+dx] == 0xd0d4da
					same = same && lit == glyph(b, dx, dy)
				}
			}
			if same {
				found = b
				break
			}
		}
		out = append(out, found)
	}
	return strings.TrimRight(string(out), " ")
}

func (v *viewer) press(keys ...uint32) {
	for _, k := range keys {
		send(v.t, v.conn, uint8(keyEvent), uint8(1), uint16(0), k, uint8(keyEvent), uint8(0), uint16(0), k)
	}
}

func TestScreen(t *testing.T) {
	t.Parallel()
	d := runGuest(t)
	conn, err := d.OpenConsole(t.Context(), "s1", driver.VNC)
	testx.NoErr(t, err)
	v := view(t, conn)
	v.look(0)
	testx.Equal(t, v.line(0), "[    0.000000] simulated guest instance-00000001, boot 1")
	testx.Equal(t, v.line(3), "web login:")
	for _, k := range "me" {
		v.press(uint32(k))
		v.look(1)
	}
	testx.Equal(t, v.line(3), "web login: me")
	send(t, conn, uint8(pointerEvent), uint8(0), uint32(0))
	send(t, conn, uint8(clientCutText), []byte{0, 0, 0}, uint32(4), []byte("text"))
	v.press(keyReturn)
	v.look(1)
	testx.Equal(t, v.line(4), "Password:")

	send(t, conn, uint8(keyEvent), uint8(1), uint16(0), uint32(keyCtrlLeft), uint8(keyEvent), uint8(1), uint16(0), uint32(keyAltLeft))
	v.press(keyDelete)
	v.look(1)
	testx.Equal(t, strings.HasSuffix(v.line(5), "boot 2"), true)
	log, err := d.ConsoleLog(t.Context(), "s1", 0)
	testx.NoErr(t, err)
	testx.Equal(t, strings.Count(string(log), "login:"), 2)
}

// TestPixelFormats holds that a client gets its colours as it wants them.
func TestPixelFormats(t *testing.T) {
	t.Parallel()
	rgb565 := pixelFormat{BitsPerPixel: 16, TrueColor: 1, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5}
	big := rgb565
	big.BigEndian = 1
	rgb332 := pixelFormat{BitsPerPixel: 8, TrueColor: 1, RedMax: 7, GreenMax: 7, BlueMax: 3, RedShift: 5, GreenShift: 2}
	for _, tc := range []struct {
		f    pixelFormat
		want []byte
	}{
		{native, []byte{0, 128, 255, 0}}, {rgb565, []byte{0xe0, 0xfb}}, {big, []byte{0xfb, 0xe0}}, {rgb332, []byte{0xec}},
	} {
		testx.Equal(t, tc.f.pixel(255, 128, 0), tc.want)
	}
}

func TestScreenScrolls(t *testing.T) {
	t.Parallel()
	s := newScreen()
	for i := range rows + 2 {
		s.print(string(rune('a'+i)) + "\r\n")
	}
	testx.Equal(t, strings.TrimSpace(s.line(0)), "d")
	testx.Equal(t, strings.TrimSpace(s.line(rows-1)), "")
	s.print(strings.Repeat("x", columns) + "y\b\bz")
	testx.Equal(t, s.line(rows-2), strings.Repeat("x", columns))
	testx.Equal(t, strings.TrimSpace(s.line(rows-1)), "z")
}

// FuzzRFB holds that whatever a client says, the server ends.
func FuzzRFB(f *testing.F) {
	hello := "RFB 003.008\n\x01\x01"
	f.Add([]byte(hello + "\x03\x00\x00\x00\x00\x00\x02\x30\x01\x45"))
	f.Add([]byte(hello + "\x04\x01\x00\x00\x00\x00\xff\x0d\x06\x00\x00\x00\xff\xff\xff\xff"))
	f.Add([]byte("RFB 003.003\n"))
	f.Fuzz(func(_ *testing.T, in []byte) {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = io.Copy(io.Discard, theirs)
		}()
		s := &rfbServer{conn: struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(in), ours}, screen: newScreen(), keys: &login{}, restart: func() string { return "" }}
		s.serve()
		_ = ours.Close()
		_ = theirs.Close()
	})
}

package agent_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

// console asks for a console as the API's users do, and gives where it is.
func (c *cloud) console(s *compute.Server, protocol, kind string) compute.ConsoleAddress {
	c.t.Helper()
	address, err := c.svc.RemoteConsole(c.ctx, s, protocol, kind)
	testx.NoErr(c.t, err)
	u, err := url.Parse(address)
	testx.NoErr(c.t, err)
	token := u.Query().Get("token")
	if kind == compute.ConsoleNoVNC {
		testx.Equal(c.t, u.Host+u.Path, "127.0.0.1:6080/vnc_auto.html")
		token = strings.TrimPrefix(u.Query().Get("path"), "?token=")
	}
	t, err := c.svc.ConsoleOf(c.ctx, token)
	testx.NoErr(c.t, err)
	testx.Equal(c.t, []string{t.ServerID, t.Type, t.Host}, []string{s.ID, kind, "127.0.0.1"})
	return t.ConsoleAddress
}

// dial asks an agent for a console by its path.
func dial(t *testing.T, at compute.ConsoleAddress, method, path string) (status int, conn net.Conn, in *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(at.Host, strconv.Itoa(at.Port)))
	testx.NoErr(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\n\r\n", method, path)
	testx.NoErr(t, err)
	in = bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	testx.NoErr(t, err)
	testx.NoErr(t, resp.Body.Close())
	return resp.StatusCode, conn, in
}

// until reads text up to its end.
func until(t *testing.T, in io.Reader, end string) string {
	t.Helper()
	var all []byte
	b := make([]byte, 1)
	for !strings.HasSuffix(string(all), end) {
		if _, err := io.ReadFull(in, b); err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
		all = append(all, b...)
	}
	return string(all)
}

func TestConsoles(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	s := c.await(id, compute.Active)

	screen := c.console(s, "vnc", compute.ConsoleNoVNC)
	status, _, in := dial(t, screen, "CONNECT", screen.InternalAccessPath)
	testx.Equal(t, status, http.StatusOK)
	until(t, in, "RFB 003.008\n")

	port := c.console(s, "serial", compute.ConsoleSerial)
	status, first, in := dial(t, port, "CONNECT", port.InternalAccessPath)
	testx.Equal(t, status, http.StatusOK)
	until(t, in, "login: ")
	_, err := io.WriteString(first, "me\r")
	testx.NoErr(t, err)
	testx.Equal(t, until(t, in, "Password: "), "me\r\nPassword: ")

	// A serial port serves the last to come.
	_, _, second := dial(t, port, "CONNECT", port.InternalAccessPath)
	until(t, second, "login: ")
	_, err = in.ReadByte()
	testx.ErrIs(t, err, io.EOF)

	for _, tc := range [][2]string{{"CONNECT", "/"}, {"CONNECT", screen.InternalAccessPath + "0"}, {"GET", screen.InternalAccessPath}} {
		status, _, _ := dial(t, screen, tc[0], tc[1])
		testx.Equal(t, []any{tc, status}, []any{tc, http.StatusNotFound})
	}

	// When the server stops its consoles end, and there are no new ones.
	testx.NoErr(t, c.svc.Stop(c.ctx, s))
	s = c.await(id, compute.Stopped)
	_, err = second.ReadByte()
	testx.ErrIs(t, err, io.EOF)
	_, err = c.svc.RemoteConsole(c.ctx, s, "vnc", compute.ConsoleNoVNC)
	testx.Equal(t, err, error(compute.NotReady(id)))
	status, _, _ = dial(t, port, "CONNECT", port.InternalAccessPath)
	testx.Equal(t, status, http.StatusBadGateway)
}

func TestConsoleTokenGoesWithItsServer(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	s := c.await(id, compute.Active)
	address, err := c.svc.RemoteConsole(c.ctx, s, "serial", compute.ConsoleSerial)
	testx.NoErr(t, err)
	u, err := url.Parse(address)
	testx.NoErr(t, err)
	testx.NoErr(t, c.svc.Delete(c.ctx, s))
	c.awaitGone(id)
	_, err = c.svc.ConsoleOf(context.WithoutCancel(c.ctx), u.Query().Get("token"))
	testx.Equal(t, fault.Is(err, fault.NotFound), true)
}

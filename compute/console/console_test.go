package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/internal/wsx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens is a store with two tokens: a good one and one whose console is
// nowhere.
type tokens struct {
	compute.ConsoleStore
	at   compute.ConsoleAddress
	down bool
}

func (s *tokens) ConsoleToken(_ context.Context, now time.Time, hash string) (*compute.ConsoleToken, error) {
	if s.down {
		return nil, errors.New("the database is away")
	}
	t := &compute.ConsoleToken{Hash: hash, ServerID: "s", Type: compute.ConsoleNoVNC, ConsoleAddress: s.at, Expires: time.Unix(2_000_000_000, 0)}
	switch {
	case hash == compute.HashConsoleToken("good") && now.Before(t.Expires):
	case hash == compute.HashConsoleToken("astray"):
		t.InternalAccessPath = "/none"
	default:
		return nil, fault.NotFoundf("Token not found")
	}
	return t, nil
}

// newHost is a compute host that greets who knows the path.
func newHost(t *testing.T) compute.ConsoleAddress {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			r, err := http.ReadRequest(in)
			if err != nil || r.RequestURI != "/path" {
				_, _ = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\n\r\n")
				_ = conn.Close()
				continue
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nhello ")
			_, _ = io.Copy(conn, in) // an echo
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return compute.ConsoleAddress{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, InternalAccessPath: "/path"}
}

func newProxy(t *testing.T, now time.Time) (*tokens, *Proxy, string) {
	t.Helper()
	store := &tokens{at: newHost(t)}
	p := New(Config{
		Store: store, Origins: []string{"cloud:9999"}, Clock: clock.Func(func() time.Time { return now }), Log: slog.New(slog.DiscardHandler),
		UI: fstest.MapFS{"vnc_auto.html": {Data: []byte("page")}, "index.html": {Data: []byte("dashboard")}, "assets/a.js": {Data: []byte("js")}},
	})
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	t.Cleanup(p.Close)
	return store, p, srv.URL
}

var early = time.Unix(1_900_000_000, 0)

func TestConsole(t *testing.T) {
	t.Parallel()
	_, _, base := newProxy(t, early)
	for _, path := range []string{"/?token=good", "/websockify?token=good", "/?path=" + url.QueryEscape("?token=good"), "/vnc_auto.html?path=" + url.QueryEscape("websockify?token=good")} {
		s, err := wsx.Dial(t.Context(), strings.Replace(base, "http", "ws", 1)+path)
		testx.NoErr(t, err)
		_, err = s.Write([]byte("there"))
		testx.NoErr(t, err)
		got := make([]byte, len("hello there"))
		_, err = io.ReadFull(s, got)
		testx.NoErr(t, err)
		testx.Equal(t, string(got), "hello there")
		testx.NoErr(t, s.Close())
	}
}

func TestConsoleIsRefused(t *testing.T) {
	t.Parallel()
	store, _, base := newProxy(t, early)
	_, _, late := newProxy(t, time.Unix(2_000_000_000, 0))
	dial := func(address string, header http.Header) int {
		c, resp, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPHeader: header})
		if err == nil {
			testx.NoErr(t, c.CloseNow())
		}
		return resp.StatusCode
	}
	origin := func(o string) http.Header { return http.Header{"Origin": {o}} }
	for _, tc := range []struct {
		base, path string
		header     http.Header
		want       int
	}{
		{base, "/", nil, 403},
		{base, "/?token=bad", nil, 403},
		{base, "/?token=" + compute.HashConsoleToken("good"), nil, 403},
		{late, "/?token=good", nil, 403}, // expired
		{base, "/?token=astray", nil, 502},
		{base, "/?token=good", origin("http://evil.example"), 403},
		{base, "/?token=good", origin("null"), 403},
		{base, "/?token=good", origin("http://cloud:9998"), 403},
		{base, "/?token=good", origin("http://cloud:9999"), 101},
		{base, "/?token=good", origin(base), 101},
		{base, "/", http.Header{"Cookie": {"token=good"}}, 101},
		{base, "/", http.Header{"Cookie": {"token=bad"}}, 403},
	} {
		testx.Equal(t, []any{tc.path, tc.header, dial(tc.base+tc.path, tc.header)}, []any{tc.path, tc.header, tc.want})
	}
	store.down = true
	testx.Equal(t, dial(base+"/?token=good", nil), 503)
}

func TestCloseEndsTheConnections(t *testing.T) {
	t.Parallel()
	_, p, base := newProxy(t, early)
	s, err := wsx.Dial(t.Context(), base+"/?token=good")
	testx.NoErr(t, err)
	_, err = io.ReadFull(s, make([]byte, len("hello ")))
	testx.NoErr(t, err)
	p.Close()
	_, err = s.Read(make([]byte, 1))
	testx.Equal(t, err != nil, true)
	_ = s.Close() // it has ended
}

func TestPages(t *testing.T) {
	t.Parallel()
	_, p, _ := newProxy(t, early)
	for path, want := range map[string]string{
		"GET /vnc_auto.html?path=x": "200 page", "GET /assets/a.js": "200 js", "GET /": "404", "GET /index.html": "404", "GET /assets/": "404",
		"GET /assets/../index.html": "404", "GET /../../etc/passwd": "404", "POST /vnc_auto.html": "404",
	} {
		method, target, _ := strings.Cut(path, " ")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if got := fmt.Sprint(w.Code, " ", w.Body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
		testx.Equal(t, strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'"), true)
	}
}

func FuzzTokenOf(f *testing.F) {
	f.Add("token=a&path=%3Ftoken%3Db")
	f.Add("path=%")
	f.Fuzz(func(_ *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		tokenOf(r)
	})
}

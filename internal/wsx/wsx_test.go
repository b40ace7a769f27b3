package wsx

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echoing serves WebSockets that are joined to a peer which sends back what
// it gets, in capitals.
func echoing(t *testing.T) (address string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := Accept(r.Context(), w, r)
		if err != nil {
			return
		}
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			buf := make([]byte, 100)
			for {
				n, err := there.Read(buf)
				if err != nil || string(buf[:n]) == "bye" {
					return
				}
				if _, err := there.Write([]byte(strings.ToUpper(string(buf[:n])))); err != nil {
					return
				}
			}
		}()
		Join(r.Context(), s, here)
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func TestStream(t *testing.T) {
	t.Parallel()
	address := echoing(t)
	s, err := Dial(t.Context(), address)
	testx.NoErr(t, err)
	testx.Equal(t, s.c.Subprotocol(), "binary")
	_, err = s.Write([]byte("hello"))
	testx.NoErr(t, err)
	got := make([]byte, 5)
	_, err = io.ReadFull(s, got[:2]) // a frame may be read in pieces
	testx.NoErr(t, err)
	_, err = io.ReadFull(s, got[2:])
	testx.NoErr(t, err)
	testx.Equal(t, string(got), "HELLO")

	// A client that sends text is understood, too.
	testx.NoErr(t, s.c.Write(t.Context(), websocket.MessageText, []byte("text")))
	_, err = io.ReadFull(s, got[:4])
	testx.NoErr(t, err)
	testx.Equal(t, string(got[:4]), "TEXT")

	// When the one behind leaves, the browser is told.
	_, err = s.Write([]byte("bye"))
	testx.NoErr(t, err)
	_, err = s.Read(got)
	testx.ErrIs(t, err, io.EOF)
	_ = s.Close()
}

func TestCloseEndsBoth(t *testing.T) {
	t.Parallel()
	s, err := Dial(t.Context(), echoing(t))
	testx.NoErr(t, err)
	testx.NoErr(t, s.Close()) // and goleak sees that nobody is left on the other side
	_, err = s.Read(make([]byte, 1))
	testx.Equal(t, err != nil, true)
}

func TestContextEndsBoth(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	a, farA := net.Pipe()
	b, farB := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); Join(ctx, a, b) }()
	stop()
	<-done
	for _, far := range []net.Conn{farA, farB} {
		_, err := far.Read(make([]byte, 1))
		testx.ErrIs(t, err, io.EOF)
		testx.NoErr(t, far.Close())
	}
}

func TestDialRefused(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	_, err := Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"))
	var refused *Refused
	testx.Equal(t, errors.As(err, &refused) && refused.Status == http.StatusNotFound, true)
	if _, err := Dial(t.Context(), "ws://127.0.0.1:1/"); err == nil || errors.As(err, &refused) && refused.Status == 0 {
		t.Errorf("nobody listens there: %v", err)
	}
}

func TestFromOwnPage(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]bool{
		"": true, "http://cloud:6080": true, "https://cloud:6080": true, "http://cloud:9999": true, "http://other": true, "http://other:1": true,
		"http://cloud:1": false, "http://evil": false, "null": false, "http://cloud:6080.evil": false, "%": false, "file://": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "http://cloud:6080/", nil)
		r.Header.Set("Origin", origin)
		testx.Equal(t, []any{origin, FromOwnPage(r, "cloud:9999", "other")}, []any{origin, want})
	}
}

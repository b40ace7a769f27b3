// Package wsx carries a stream of bytes over a WebSocket, as noVNC,
// nova-novncproxy and nova-serialproxy do: what the frames are does not
// matter, only what is in them.
package wsx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// subprotocol is what noVNC asks for.
const subprotocol = "binary"

// closeLimit is how long one who leaves waits to be told that he may.
const closeLimit = time.Second

// FromOwnPage reports whether a WebSocket may be opened by the page that asks
// for it: one of the same host, or of a listed one. Browsers do not keep
// foreign pages from opening WebSockets, they only tell who asks. A program
// that is no browser does not, and may.
func FromOwnPage(r *http.Request, hosts ...string) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && (u.Host == r.Host || slices.Contains(hosts, u.Host) || slices.Contains(hosts, u.Hostname()))
}

// Asked reports whether a request wants to become a WebSocket.
func Asked(r *http.Request) bool {
	return r.Header.Get("Sec-WebSocket-Key") != ""
}

// Stream is a WebSocket as a stream of bytes. One may read while another
// writes.
type Stream struct {
	c      *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc
	frame  io.Reader // what is left of the frame being read
}

var _ io.ReadWriteCloser = (*Stream)(nil)

// Accept makes the request's connection a stream, which ends with ctx. Whether
// the page may ask is the caller's to have checked. After an error, the
// request is answered.
func Accept(ctx context.Context, w http.ResponseWriter, r *http.Request) (*Stream, error) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, InsecureSkipVerify: true})
	if err != nil {
		return nil, fmt.Errorf("accept a WebSocket: %w", err)
	}
	return newStream(ctx, c), nil
}

// Refused is the answer of a server that does not open a WebSocket.
type Refused struct{ Status int }

// Error implements error.
func (e *Refused) Error() string { return fmt.Sprintf("the server answers %d", e.Status) }

// client opens WebSockets. They go to where they are told and through no
// proxy.
var client = &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}

// Dial opens a stream, which ends with ctx.
func Dial(ctx context.Context, address string) (*Stream, error) {
	c, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{subprotocol}}) //nolint:bodyclose // Dial has closed it
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = &Refused{resp.StatusCode}
		}
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	return newStream(ctx, c), nil
}

func newStream(ctx context.Context, c *websocket.Conn) *Stream {
	c.SetReadLimit(-1) // a frame is read in pieces
	s := &Stream{c: c}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// Read implements io.Reader. A peer that leaves as one should is io.EOF.
func (s *Stream) Read(p []byte) (int, error) {
	for {
		if s.frame == nil {
			_, r, err := s.c.Reader(s.ctx)
			if code := websocket.CloseStatus(err); code == websocket.StatusNormalClosure || code == websocket.StatusGoingAway || code == websocket.StatusNoStatusRcvd {
				return 0, io.EOF
			}
			if err != nil {
				return 0, err
			}
			s.frame = r
		}
		n, err := s.frame.Read(p)
		if errors.Is(err, io.EOF) {
			s.frame, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write implements io.Writer: one frame.
func (s *Stream) Write(p []byte) (int, error) {
	if err := s.c.Write(s.ctx, websocket.MessageBinary, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close takes leave of the peer and ends the stream.
func (s *Stream) Close() error {
	stop := time.AfterFunc(closeLimit, s.cancel)
	defer stop.Stop()
	err := s.c.Close(websocket.StatusNormalClosure, "")
	s.cancel()
	return err
}

// Join carries bytes between two streams until one of them ends or ctx does;
// then both are closed.
func Join(ctx context.Context, a, b io.ReadWriteCloser) {
	var once sync.Once
	ended := make(chan struct{})
	end := func() { once.Do(func() { close(ended) }) }
	stop := context.AfterFunc(ctx, end)
	defer stop()
	var wg sync.WaitGroup
	for _, way := range [][2]io.ReadWriteCloser{{a, b}, {b, a}} {
		wg.Go(func() {
			defer end()
			_, _ = io.Copy(way[0], way[1]) // an end is an end
		})
	}
	<-ended
	for _, s := range []io.Closer{a, b} {
		wg.Go(func() { _ = s.Close() }) // it may have ended by itself
	}
	wg.Wait()
}

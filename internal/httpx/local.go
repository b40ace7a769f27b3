package httpx

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Local is the transport between components of one process: a request to an
// address that one of them serves goes to its handler in memory, with the
// same bytes and headers as over a socket; everything else goes to Next.
type Local struct {
	Next http.RoundTripper

	mu       sync.RWMutex // guards handlers
	handlers map[string]http.Handler
}

// Register serves host ("127.0.0.1:5000") by h from now on; nil ends it.
func (l *Local) Register(host string, h http.Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handlers == nil {
		l.handlers = map[string]http.Handler{}
	}
	if h == nil {
		delete(l.handlers, host)
		return
	}
	l.handlers[host] = h
}

// Serves reports whether host is served in this process.
func (l *Local) Serves(host string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.handlers[host] != nil
}

// RoundTrip implements http.RoundTripper.
func (l *Local) RoundTrip(req *http.Request) (*http.Response, error) {
	l.mu.RLock()
	h := l.handlers[req.URL.Host]
	l.mu.RUnlock()
	if h == nil {
		if l.Next == nil {
			return nil, fmt.Errorf("no service at %s", req.URL.Host)
		}
		return l.Next.RoundTrip(req)
	}
	in := serverSide(req)
	out := &localResponse{header: http.Header{}, begun: make(chan struct{}), bodyless: req.Method == http.MethodHead}
	out.cond.L = &out.mu
	go out.run(h, in)
	select {
	case <-out.begun:
	case <-req.Context().Done():
		out.closeRead()
		return nil, req.Context().Err()
	}
	return out.response(req)
}

// serverSide is the request as a server would have read it: nothing of the
// client's context but its end comes along.
func serverSide(req *http.Request) *http.Request {
	in := new(http.Request)
	*in = *req
	u := *req.URL
	in.URL = &u
	in.URL.Scheme, in.URL.Host = "", ""
	in.Host = req.Host
	if in.Host == "" {
		in.Host = req.URL.Host
	}
	in.Header = req.Header.Clone()
	in.RequestURI = req.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in.WithContext(bareContext{req.Context()})
}

// bareContext carries the client's deadline and cancellation, not its values.
type bareContext struct{ context.Context }

func (bareContext) Value(any) any { return nil }

// localBuffer is how much of an answer waits for its reader before the
// handler does.
const localBuffer = 64 << 10

// localResponse is a response in the making: the handler writes, the client
// reads. Small answers are whole before the client sees the first byte.
type localResponse struct {
	header   http.Header // the handler's; frozen into sent when begun
	sent     http.Header
	status   int
	bodyless bool // the answer to HEAD

	begun chan struct{} // closed when the client may look

	mu         sync.Mutex // guards what follows
	cond       sync.Cond
	buf        bytes.Buffer
	open       bool // begun is closed
	done       bool // the handler returned
	aborted    bool // … by a panic after it began
	readClosed bool
}

func (o *localResponse) run(h http.Handler, in *http.Request) {
	defer func() {
		p := recover()
		in.Body.Close() //nolint:errcheck // as a server does
		o.mu.Lock()
		if o.status == 0 {
			o.freeze(http.StatusOK)
			if p != nil {
				o.status = http.StatusInternalServerError
			}
		}
		o.done, o.aborted = true, p != nil
		o.release()
		o.cond.Broadcast()
		o.mu.Unlock()
		if p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	h.ServeHTTP(o, in)
}

// freeze fixes status and headers; o.mu is held.
func (o *localResponse) freeze(status int) {
	o.status = status
	o.sent = o.header.Clone()
	if o.sent.Get("Date") == "" {
		o.sent.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
}

// release lets the client look; o.mu is held.
func (o *localResponse) release() {
	if !o.open {
		o.open = true
		close(o.begun)
	}
}

// Header implements http.ResponseWriter.
func (o *localResponse) Header() http.Header { return o.header }

// WriteHeader implements http.ResponseWriter.
func (o *localResponse) WriteHeader(status int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.status == 0 {
		o.freeze(status)
	}
}

// Write implements http.ResponseWriter; it waits while the client is behind.
func (o *localResponse) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.status == 0 {
		o.freeze(http.StatusOK)
	}
	if o.bodyless {
		return len(b), nil
	}
	written := 0
	for len(b) > 0 {
		for o.buf.Len() >= localBuffer && !o.readClosed {
			o.release()
			o.cond.Wait()
		}
		if o.readClosed {
			return written, io.ErrClosedPipe
		}
		n := min(len(b), localBuffer-o.buf.Len())
		o.buf.Write(b[:n])
		written += n
		b = b[n:]
		o.cond.Broadcast()
	}
	return written, nil
}

// Flush implements http.Flusher.
func (o *localResponse) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.status == 0 {
		o.freeze(http.StatusOK)
	}
	o.release()
}

func (o *localResponse) response(req *http.Request) (*http.Response, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	resp := &http.Response{
		Status:     fmt.Sprintf("%d %s", o.status, http.StatusText(o.status)),
		StatusCode: o.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: o.sent, Request: req, ContentLength: -1, Body: (*localBody)(o),
	}
	if n := o.sent.Get("Content-Length"); n != "" {
		fmt.Sscan(n, &resp.ContentLength) //nolint:errcheck // a wrong length stays -1, as over a socket
	}
	return resp, nil
}

func (o *localResponse) closeRead() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.readClosed = true
	o.cond.Broadcast()
}

// localBody is the client's end of a localResponse.
type localBody localResponse

// Read implements io.Reader.
func (l *localBody) Read(p []byte) (int, error) {
	o := (*localResponse)(l)
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.buf.Len() == 0 {
		switch {
		case o.readClosed:
			return 0, http.ErrBodyReadAfterClose
		case o.aborted:
			return 0, io.ErrUnexpectedEOF
		case o.done:
			return 0, io.EOF
		}
		o.cond.Wait()
	}
	n, _ := o.buf.Read(p)
	o.cond.Broadcast()
	return n, nil
}

// Close implements io.Closer.
func (l *localBody) Close() error {
	(*localResponse)(l).closeRead()
	return nil
}

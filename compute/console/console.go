// Package console is the console proxy: nova-novncproxy and nova-serialproxy
// in one. A browser comes with a token by WebSocket; the token says which
// host serves which console, and the proxy carries the bytes.
//
//	GET /?token=TOKEN        by WebSocket, at any path: the console
//	GET /vnc_auto.html       noVNC, which opens the above
//	GET /assets/…            what that page is made of
//
// The token is also taken as noVNC's pages hand it on, in the query's path,
// and from a cookie of its name.
package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/wsx"
)

// Config is what the proxy is made of.
type Config struct {
	Store compute.ConsoleStore
	// Origins are hosts whose pages may open consoles, besides the proxy's own.
	Origins []string
	// UI holds the front end's files.
	UI    fs.FS
	Clock clock.Clock
	Log   *slog.Logger
}

// Proxy is the console proxy.
type Proxy struct {
	cfg  Config
	ctx  context.Context // ends the connections: the server does not know them any more
	stop context.CancelFunc
}

// dialLimit is how long a host may take to open a console.
const dialLimit = 20 * time.Second

// contentPolicy lets the page load what the proxy serves, and connect to it.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// New makes a proxy.
func New(cfg Config) *Proxy {
	p := &Proxy{cfg: cfg}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Close ends all connections.
func (p *Proxy) Close() { p.stop() }

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wsx.Asked(r) {
		p.connect(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address is the key
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if r.Method != http.MethodGet && r.Method != http.MethodHead || name != "vnc_auto.html" && !strings.HasPrefix(name, "assets/") {
		refuse(w, http.StatusNotFound, "There is no such page.")
		return
	}
	if info, err := fs.Stat(p.cfg.UI, name); err != nil || !info.Mode().IsRegular() {
		refuse(w, http.StatusNotFound, "The console's page was not built: use the address by a WebSocket client, or build nubo with \"make\".")
		return
	}
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") { // their names are those of their content
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, p.cfg.UI, name)
}

func refuse(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, message+"\n") // who has gone needs no answer
}

// connect serves a console.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	if !wsx.FromOwnPage(r, p.cfg.Origins...) {
		p.cfg.Log.WarnContext(r.Context(), "a foreign page wants a console", "origin", r.Header.Get("Origin"))
		refuse(w, http.StatusForbidden, "Origin header does not match this host.")
		return
	}
	t, err := p.token(r)
	if err != nil {
		if !fault.Is(err, fault.NotFound) {
			p.cfg.Log.ErrorContext(r.Context(), "a console's token cannot be looked up", "error", err)
			refuse(w, http.StatusServiceUnavailable, "The token cannot be checked now.")
			return
		}
		refuse(w, http.StatusForbidden, "The token is not valid, or not any more.")
		return
	}
	host, err := dial(r.Context(), t.ConsoleAddress)
	if err != nil {
		p.cfg.Log.WarnContext(r.Context(), "a console cannot be reached", "server", t.ServerID, "host", t.Host, "port", t.Port, "error", err)
		refuse(w, http.StatusBadGateway, "The console cannot be reached: the server may have stopped.")
		return
	}
	ws, err := wsx.Accept(p.ctx, w, r)
	if err != nil {
		_ = host.Close() // the browser is answered
		return
	}
	p.cfg.Log.InfoContext(r.Context(), "a console is used", "server", t.ServerID, "type", t.Type)
	wsx.Join(p.ctx, ws, host)
}

// token finds what the request may use.
func (p *Proxy) token(r *http.Request) (*compute.ConsoleToken, error) {
	token := tokenOf(r)
	if token == "" {
		return nil, fault.NotFoundf("Token not found")
	}
	return p.cfg.Store.ConsoleToken(r.Context(), p.cfg.Clock.Now(), compute.HashConsoleToken(token))
}

// tokenOf reads the token of a request.
func tokenOf(r *http.Request) string {
	q := r.URL.Query()
	if token := q.Get("token"); token != "" {
		return token
	}
	if u, err := url.Parse(q.Get("path")); err == nil && u.Query().Get("token") != "" {
		return u.Query().Get("token")
	}
	if c, err := r.Cookie("token"); err == nil {
		return c.Value
	}
	return ""
}

// opened is a connection to a console of which some bytes are read already.
type opened struct {
	net.Conn
	in *bufio.Reader
}

// Read implements io.Reader.
func (o opened) Read(p []byte) (int, error) { return o.in.Read(p) }

// dial opens a console at its host.
func dial(ctx context.Context, at compute.ConsoleAddress) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(at.Host, strconv.Itoa(at.Port)))
	if err != nil {
		return nil, err
	}
	in, err := ask(ctx, conn, at.InternalAccessPath)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return opened{conn, in}, nil
}

// ask says which console is wanted, and waits until it is there.
func ask(ctx context.Context, conn net.Conn, internalPath string) (*bufio.Reader, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // a read tells
	defer stop()
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\n\r\n", internalPath); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil { // there is none: what follows is the console
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the host answers %s", resp.Status)
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return in, nil
}

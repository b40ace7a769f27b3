// Package web reads images that are elsewhere: for the import method
// web-download, and as the read-only http store.
//
// What it may read is what the operator allows, host by host. The check is
// made of the URL, again of every redirect, and of the address that is dialed
// in the end, so that no name can lead to a place inside the cloud: an
// address that is not public is dialed only for a host that the operator
// names in full.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nubo/image"
	"nubo/internal/fault"
)

// Config says what may be read.
type Config struct {
	// Hosts are host, host:port, *.domain or *.
	Hosts []string
	// Ports are those of hosts that name none.
	Ports   []string
	Schemes []string
	// Timeout bounds the wait for an answer's head; 0 means half a minute.
	Timeout time.Duration
}

const (
	defaultTimeout = 30 * time.Second
	maxRedirects   = 5
)

// Reader implements image.Web.
type Reader struct {
	cfg  Config
	http *http.Client
}

// New makes a reader.
func New(cfg Config) *Reader {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	r := &Reader{cfg: cfg}
	r.http = &http.Client{
		Transport: &http.Transport{
			DialContext: r.dial, ResponseHeaderTimeout: cfg.Timeout, TLSHandshakeTimeout: cfg.Timeout, DisableCompression: true,
			MaxIdleConns: 4, IdleConnTimeout: 10 * time.Second,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			return r.Check(req.URL.String())
		},
	}
	return r
}

// Close gives the connections back.
func (r *Reader) Close() { r.http.CloseIdleConnections() }

// Check implements image.Web.
func (r *Reader) Check(text string) error {
	refused := fault.Invalidf("URI for web-download does not pass filtering: %s", text)
	u, err := url.Parse(text)
	if err != nil {
		return refused.WithCause(err)
	}
	if !slices.Contains(r.cfg.Schemes, u.Scheme) || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return refused
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if allowed, _ := r.allowed(u.Hostname(), port); !allowed {
		return refused
	}
	return nil
}

// allowed reports whether a host and port may be read, and whether the host
// is named in full.
func (r *Reader) allowed(host, port string) (ok, inFull bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, entry := range r.cfg.Hosts {
		name, ports := strings.ToLower(entry), r.cfg.Ports
		if h, p, err := net.SplitHostPort(name); err == nil {
			name, ports = h, []string{p}
		}
		if !slices.Contains(ports, port) {
			continue
		}
		suffix, wild := strings.CutPrefix(name, "*")
		switch {
		case name == host:
			return true, true
		case wild && strings.HasSuffix(host, suffix) && host != strings.TrimPrefix(suffix, "."):
			ok = true
		}
	}
	return ok, false
}

// dial connects to a host that may be read. The address is looked at when it
// is known for good, after all names are resolved.
func (r *Reader) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ok, inFull := r.allowed(host, port)
	if !ok {
		return nil, fmt.Errorf("host %s is not allowed", address)
	}
	d := net.Dialer{Timeout: r.cfg.Timeout, Control: func(_, to string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(to)
		if err != nil {
			return err
		}
		if !inFull && !public(a.Addr()) {
			return fmt.Errorf("host %s has the address %s, which is not public", host, a.Addr())
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// reserved are ranges that are unicast and yet no public hosts' (RFC 6890),
// or that lead to such ones.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fec0::/10"),
}

// public reports whether an address is one of the Internet's.
func public(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Get implements image.Web.
func (r *Reader) Get(ctx context.Context, text string) (io.ReadCloser, int64, error) {
	return r.get(ctx, text, "")
}

// get asks for what is at a URL, or a range of it.
func (r *Reader) get(ctx context.Context, text, span string) (io.ReadCloser, int64, error) {
	if err := r.Check(text); err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, text, nil)
	if err != nil {
		return nil, 0, fault.Invalidf("The URI cannot be asked for: %s", text).WithCause(err)
	}
	if span != "" {
		req.Header.Set("Range", span)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, 0, fault.Invalidf("The URI cannot be read: %s", text).WithCause(err)
	}
	want := http.StatusOK
	if span != "" {
		want = http.StatusPartialContent
	}
	if resp.StatusCode != want {
		resp.Body.Close() //nolint:errcheck // nothing in it is wanted
		return nil, 0, fault.Invalidf("The URI cannot be read: %s answers %s", text, resp.Status)
	}
	return resp.Body, resp.ContentLength, nil
}

// Store is the http store: an image.Data whose refs are URLs.
type Store struct{ reader *Reader }

// NewStore makes the store of what a reader may read.
func NewStore(r *Reader) *Store { return &Store{r} }

// Create implements image.Data.
func (*Store) Create(context.Context, string) (image.Upload, error) {
	return nil, fault.Invalidf("The http store is read only.")
}

// Delete implements image.Data: what is elsewhere stays there.
func (*Store) Delete(context.Context, string) error { return nil }

// List implements image.Data.
func (*Store) List(context.Context) ([]string, error) { return nil, nil }

// URL implements image.Data.
func (*Store) URL(ref string) string { return ref }

// Adopt implements image.Data.
func (s *Store) Adopt(text string) (string, error) { return text, s.reader.Check(text) }

// Open implements image.Data.
func (s *Store) Open(ctx context.Context, ref string) (io.ReadSeekCloser, error) {
	body, size, err := s.reader.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if size < 0 {
		body.Close() //nolint:errcheck // nothing in it is wanted
		return nil, fault.Invalidf("The URI cannot be read: %s does not tell its length", ref)
	}
	return &remote{s: s, ctx: ctx, ref: ref, body: body, size: size}, nil
}

// remote reads a URL's content; a seek asks for the rest anew.
type remote struct {
	s        *Store
	ctx      context.Context
	ref      string
	body     io.ReadCloser // nil after a seek
	at, size int64
}

// Read implements io.Reader.
func (r *remote) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if r.body == nil {
		body, _, err := r.s.reader.get(r.ctx, r.ref, "bytes="+strconv.FormatInt(r.at, 10)+"-")
		if err != nil {
			return 0, err
		}
		r.body = body
	}
	n, err := r.body.Read(p)
	r.at += int64(n)
	if err == io.EOF && r.at < r.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *remote) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	if offset != r.at && r.body != nil {
		if err := r.body.Close(); err != nil {
			return 0, err
		}
		r.body = nil
	}
	r.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *remote) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

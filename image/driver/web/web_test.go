package web

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/internal/fault"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	t.Parallel()
	r := New(Config{
		Hosts: []string{"images.example.org", "*.example.com", "other.example.net:8080", "127.0.0.1:81", "[::1]:81"}, Ports: []string{"80", "443"}, Schemes: []string{"http", "https"},
	})
	for uri, want := range map[string]bool{
		"http://images.example.org/a": true, "https://IMAGES.example.org./a": true, "https://images.example.org:443/a": true, "http://a.example.com/": true,
		"http://a.b.example.com/": true, "http://other.example.net:8080/": true, "http://127.0.0.1:81/": true, "http://[::1]:81/": true,

		"http://images.example.org:22/": false, "http://example.com/": false, "http://evilexample.com/": false, "http://other.example.net/": false,
		"http://127.0.0.1/": false, "ftp://images.example.org/": false, "http://u:p@images.example.org/": false, "http://images.example.org.evil.net/": false,
		"http:images.example.org": false, "http://": false, "": false, "http://images.example.org%2f@evil.net/": false, "http://images.example.org\r\n/": false,
		"http://evil.net/?images.example.org": false, "http://evil.net#images.example.org": false, "HTTP://evil.net": false,
	} {
		if err := r.Check(uri); (err == nil) != want || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v; want it allowed: %v", uri, err, want)
		}
	}
	if err := New(Config{Schemes: []string{"http"}, Ports: []string{"80"}}).Check("http://images.example.org/"); err == nil {
		t.Error("without allowed hosts something is allowed")
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("http://images.example.org/a")
	f.Add("http://a@images.example.org:80#b")
	r := New(Config{Hosts: []string{"images.example.org"}, Ports: []string{"80"}, Schemes: []string{"http"}})
	f.Fuzz(func(t *testing.T, text string) {
		if r.Check(text) != nil {
			return
		}
		req, err := http.NewRequest(http.MethodGet, text, nil)
		if err != nil {
			return // nothing is asked for
		}
		if host := strings.ToLower(strings.TrimSuffix(req.URL.Hostname(), ".")); host != "images.example.org" || req.URL.Scheme != "http" {
			t.Fatalf("%q asks %s", text, req.URL.Host)
		}
	})
}

func TestPublic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "::": false, "224.0.0.1": false, "255.255.255.255": false, "fe80::1": false, "fc00::1": false, "ff02::1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "192.0.2.1": false, "198.18.0.1": false, "240.0.0.1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestNames shows that a host that is allowed by a pattern is not read if
// its address is inside.
func TestNames(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") }))
	defer server.Close()
	u, err := url.Parse(server.URL)
	testx.NoErr(t, err)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		anyone := New(Config{Hosts: []string{"*"}, Ports: []string{u.Port()}, Schemes: []string{"http"}})
		if _, _, err := anyone.Get(t.Context(), "http://"+host+":"+u.Port()+"/"); err == nil || !strings.Contains(err.Error(), "not public") {
			t.Errorf("%s: %v", host, err)
		}
		named := New(Config{Hosts: []string{host}, Ports: []string{u.Port()}, Schemes: []string{"http"}})
		body, size, err := named.Get(t.Context(), "http://"+host+":"+u.Port()+"/")
		testx.NoErr(t, err)
		testx.Equal(t, size, int64(6))
		testx.NoErr(t, body.Close())
		named.Close()
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/there":
			io.WriteString(w, "there")
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/out":
			http.Redirect(w, r, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)+"/there", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		default:
			http.Redirect(w, r, "/there", http.StatusMovedPermanently)
		}
	}))
	defer server.Close()
	r := New(Config{Hosts: []string{strings.TrimPrefix(server.URL, "http://")}, Schemes: []string{"http"}})
	defer r.Close()
	body, _, err := r.Get(t.Context(), server.URL+"/moved")
	testx.NoErr(t, err)
	text, err := io.ReadAll(body)
	testx.NoErr(t, err)
	testx.NoErr(t, body.Close())
	testx.Equal(t, string(text), "there")
	for _, path := range []string{"/round", "/out", "/file"} {
		if _, _, err := r.Get(t.Context(), server.URL+path); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestStore reads at several places of an image that is elsewhere.
func TestStore(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("0123456789"), 10_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer server.Close()
	reader := New(Config{Hosts: []string{strings.TrimPrefix(server.URL, "http://")}, Schemes: []string{"http"}})
	defer reader.Close()
	s := NewStore(reader)
	ref, err := s.Adopt(server.URL + "/image")
	testx.NoErr(t, err)
	testx.Equal(t, s.URL(ref), server.URL+"/image")
	if _, err := s.Adopt("http://192.0.2.1/"); !fault.Is(err, fault.Invalid) {
		t.Fatalf("another host: %v", err)
	}
	if _, err := s.Create(t.Context(), ref); !fault.Is(err, fault.Invalid) {
		t.Fatalf("it is written: %v", err)
	}
	testx.NoErr(t, s.Delete(t.Context(), ref))
	body, err := s.Open(t.Context(), ref)
	testx.NoErr(t, err)
	for _, at := range []int64{0, 5, 99_999, 7, int64(len(data))} {
		_, err := body.Seek(at, io.SeekStart)
		testx.NoErr(t, err)
		rest, err := io.ReadAll(body)
		testx.NoErr(t, err)
		if !bytes.Equal(rest, data[at:]) {
			t.Fatalf("from %d on there are %d bytes", at, len(rest))
		}
	}
	end, err := body.Seek(-3, io.SeekEnd)
	testx.NoErr(t, err)
	testx.Equal(t, end, int64(len(data)-3))
	if _, err := body.Seek(-1, io.SeekStart); err == nil {
		t.Fatal("there is something before the beginning")
	}
	testx.NoErr(t, body.Close())
}

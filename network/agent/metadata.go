package agent

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/rpc"
	"nubo/network"
)

// MetadataDeps are what the metadata proxy needs.
type MetadataDeps struct {
	Bus *rpc.Bus
	// URL is where compute serves metadata; the guest's path is added.
	URL string
	// Secret is shared with compute: it signs who asks.
	Secret string
	HTTP   *http.Client
	Clock  clock.Clock
	Log    *slog.Logger
}

// Metadata answers guests' requests to the metadata address: it finds out
// which server asks by the address it asks from, and passes the request on
// to compute with the server's id.
type Metadata struct {
	deps   MetadataDeps
	plugin *network.PluginClient

	mu    sync.Mutex // guards cache
	cache map[network.MetadataArgs]foundPort
}

type foundPort struct {
	network.MetadataPort
	until time.Time
}

const (
	// remembered is how long a guest need not be looked up again: the many
	// requests of one boot.
	remembered = 10 * time.Second
	maxGuests  = 1000
	// maxRequest bounds what a guest may send: a password.
	maxRequest = 1 << 20
)

// NewMetadata makes the proxy; its Handler is what drivers are given.
func NewMetadata(deps MetadataDeps) *Metadata {
	if deps.HTTP == nil {
		deps.HTTP = http.DefaultClient
	}
	if deps.Clock == nil {
		deps.Clock = clock.System
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Metadata{deps: deps, plugin: network.NewPluginClient(deps.Bus), cache: map[network.MetadataArgs]foundPort{}}
}

// Handler implements driver.Metadata.
func (m *Metadata) Handler(networkID, routerID string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		ip := addr.Addr().Unmap().String()
		ctx := auth.With(r.Context(), &auth.Context{RequestID: clock.NewRequestID()})
		port, err := m.find(ctx, network.MetadataArgs{NetworkID: networkID, RouterID: routerID, IPAddress: ip})
		switch {
		case err != nil:
			m.deps.Log.WarnContext(ctx, "finding out who asks for metadata failed", "ip", ip, "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case port.DeviceID == "":
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if err := m.forward(ctx, w, r, ip, port); err != nil {
			m.deps.Log.WarnContext(ctx, "compute did not answer for metadata", "server", port.DeviceID, "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

// find looks a guest up.
func (m *Metadata) find(ctx context.Context, args network.MetadataArgs) (network.MetadataPort, error) {
	now := m.deps.Clock.Now()
	m.mu.Lock()
	known, ok := m.cache[args]
	m.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.MetadataPort, nil
	}
	port, err := m.plugin.MetadataPort(ctx, args)
	if err != nil || port.DeviceID == "" {
		return port, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.cache) >= maxGuests {
		clear(m.cache)
	}
	m.cache[args] = foundPort{port, now.Add(remembered)}
	return port, nil
}

// forward passes a request on. Of the guest's headers none goes along: it
// could name another server.
func (m *Metadata) forward(ctx context.Context, w http.ResponseWriter, r *http.Request, ip string, port network.MetadataPort) error {
	url := strings.TrimRight(m.deps.URL, "/") + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		url += "?" + r.URL.RawQuery
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, url, http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(m.deps.Secret))
	mac.Write([]byte(port.DeviceID))
	req.Header.Set("X-Forwarded-For", ip)
	req.Header.Set("X-Instance-ID", port.DeviceID)
	req.Header.Set("X-Tenant-ID", port.ProjectID)
	req.Header.Set("X-Instance-ID-Signature", hex.EncodeToString(mac.Sum(nil)))
	resp, err := m.deps.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end, or the guest is gone
	if t := resp.Header.Get("Content-Type"); t != "" {
		w.Header().Set("Content-Type", t)
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // the guest is gone: nobody to tell
	return nil
}

package linux

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// metadataAddr is where guests of every cloud ask about themselves.
var metadataAddr = netip.MustParseAddr("169.254.169.254")

// metadataServer answers in one namespace.
type metadataServer struct {
	where string // the namespace it listens in
	http  *http.Server
	done  chan struct{}
}

func (m *metadataServer) stop() {
	m.http.Close()
	<-m.done
}

// serveRouterMetadata serves the guests behind a router. They reach the
// address by their default route, so it is on lo.
func (d *Driver) serveRouterMetadata(s *space, routerID string) error {
	if d.cfg.Metadata == nil {
		return nil
	}
	lo, err := s.nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("look up lo: %w", err)
	}
	addr := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(metadataAddr, 32))}
	if err := s.nl.AddrReplace(lo, addr); err != nil {
		return fmt.Errorf("add the metadata address: %w", err)
	}
	return d.serveMetadata(s, routerID, d.cfg.Metadata("", routerID))
}

// serveMetadata listens in the namespace, unless it does already.
func (d *Driver) serveMetadata(s *space, id string, handler http.Handler) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.metadata[id]; m != nil {
		if m.where == s.ns.UniqueId() {
			return nil
		}
		m.stop() // its namespace was lost and made anew
		delete(d.metadata, id)
	}
	var listener net.Listener
	err := s.do(func() (err error) {
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(metadataAddr, 80).String())
		return err
	})
	if err != nil {
		return fmt.Errorf("serve metadata: %w", err)
	}
	m := &metadataServer{where: s.ns.UniqueId(), done: make(chan struct{}), http: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(d.cfg.Log.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(m.done)
		if err := m.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.cfg.Log.Error("metadata server ended", slog.String("id", id), slog.Any("error", err))
		}
	}()
	d.metadata[id] = m
	return nil
}

// stopMetadata stops the server of a router or network, if there is one.
func (d *Driver) stopMetadata(id string) {
	d.mu.Lock()
	m := d.metadata[id]
	delete(d.metadata, id)
	d.mu.Unlock()
	if m != nil {
		m.stop()
	}
}

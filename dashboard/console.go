package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"nubo/internal/wsx"
)

// consoles are the kinds of consoles, as compute calls them.
var consoles = map[string]map[string]string{
	"vnc": {"protocol": "vnc", "type": "novnc"}, "serial": {"protocol": "serial", "type": "serial"},
}

// sessionCheck is how often it is seen to that one who uses a console is
// still signed in.
const sessionCheck = 15 * time.Second

// console serves a server's console: /dashboard/console/SERVER/vnc or serial,
// by WebSocket. Compute gives the session an address; the browser never
// learns it, and stays with this origin. A browser is not told why a
// WebSocket was refused: it may ask again without, and is told then.
func (s *Service) console(w http.ResponseWriter, r *http.Request) error {
	wanted, ok := consoles[chi.URLParam(r, "kind")]
	id := chi.URLParam(r, "server")
	if !ok || !anID.MatchString(id) {
		return refuse(http.StatusNotFound, "There is no such console.")
	}
	if wsx.Asked(r) && r.Header.Get("Origin") == "" {
		return refuse(http.StatusForbidden, "A console is opened by a page of this site, and the request does not say which one asks.")
	}
	v := current(r)
	if v.Token == "" {
		return refuse(http.StatusForbidden, "You have no role on any project yet; ask an administrator for one.")
	}
	var out struct {
		Console struct{ URL string } `json:"remote_console"`
	}
	if err := s.client("compute", v.Token).Post(r.Context(), "/servers/"+id+"/remote-consoles", map[string]any{"remote_console": wanted}, &out); err != nil {
		return err
	}
	if !wsx.Asked(r) {
		return refuse(http.StatusUpgradeRequired, "The console is ready, for a WebSocket.")
	}
	address, err := socketAddress(out.Console.URL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	far, err := wsx.Dial(ctx, address)
	if err != nil {
		s.log.WarnContext(ctx, "a console cannot be reached", "server", id, "error", err)
		return refuse(http.StatusBadGateway, "The console proxy does not answer.")
	}
	near, err := wsx.Accept(ctx, w, r)
	if err != nil {
		_ = far.Close() // the browser is answered
		return nil
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		s.whileSignedIn(ctx, v)
	}()
	wsx.Join(ctx, near, far)
	cancel()
	<-ended
	return nil
}

// socketAddress is where the console's WebSocket is by the address compute
// gives: of a page of noVNC, with the socket's path in its query, or of the
// socket itself.
func socketAddress(given string) (string, error) {
	u, err := url.Parse(given)
	if err != nil {
		return "", err
	}
	if path := u.Query().Get("path"); path != "" {
		inner, err := url.Parse(path)
		if err != nil {
			return "", err
		}
		u.Path, u.RawQuery = "/"+strings.TrimPrefix(inner.Path, "/"), inner.RawQuery
	}
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	return u.String(), nil
}

// whileSignedIn returns when the session ends, the dashboard stops, or ctx
// ends.
func (s *Service) whileSignedIn(ctx context.Context, v session) {
	check := time.NewTicker(sessionCheck)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.done:
			return
		case <-check.C:
		}
		if _, err := s.caller(ctx, v); errors.Is(err, errNoSession) {
			return
		}
	}
}

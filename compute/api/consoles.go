package api

import (
	"net/http"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// createConsole is how consoles are asked for since 2.6.
func (h *handler) createConsole(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Console struct {
			Protocol string `json:"protocol"`
			Type     string `json:"type"`
		} `json:"remote_console"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	s, err := h.server(r)
	if err != nil {
		return err
	}
	url, err := h.svc.RemoteConsole(r.Context(), s, in.Console.Protocol, in.Console.Type)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{
		"remote_console": map[string]string{"protocol": in.Console.Protocol, "type": in.Console.Type, "url": url},
	})
}

// getConsole is how they were asked for before: an action a protocol.
func (h *handler) getConsole(action, protocol string) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in map[string]struct{ Type string }
		if err := httpx.Decode(r, &in); err != nil {
			return err
		}
		s, err := h.server(r)
		if err != nil {
			return err
		}
		kind := in[action].Type
		url, err := h.svc.RemoteConsole(r.Context(), s, protocol, kind)
		if err != nil {
			return err
		}
		return httpx.JSON(w, http.StatusOK, map[string]any{"console": map[string]string{"type": kind, "url": url}})
	}
}

// showConsoleToken says what a console's token is for, to proxies that have
// no database. Before 2.31 it did so only for a type that is not served.
func (h *handler) showConsoleToken(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.ConsoleOf(r.Context(), httpx.Param(r, "console_token"))
	if err != nil {
		return err
	}
	if !since(r, 31) {
		return fault.New(fault.Unauthorized, "The requested console type details are not accessible")
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"console": struct {
		ServerID string `json:"instance_uuid"`
		compute.ConsoleAddress
	}{t.ServerID, t.ConsoleAddress}})
}

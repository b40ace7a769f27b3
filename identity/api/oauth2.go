package api

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"nubo/identity"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

const oauth2 = "/OS-OAUTH2"

// oauth2Refusal answers as RFC 6749 section 5.2 says.
func oauth2Refusal(w http.ResponseWriter, r *http.Request, status int, code, why string) error {
	if status == http.StatusUnauthorized {
		w.Header().Add("WWW-Authenticate", `Keystone uri="`+httpx.BaseURL(r)+`/v3"`)
		w.Header().Add("WWW-Authenticate", `Basic realm="`+httpx.BaseURL(r)+`"`)
	}
	uncached(w)
	return httpx.JSON(w, status, object{"error": code, "error_description": why})
}

// uncached keeps an answer out of caches (RFC 6749 section 5.1).
func uncached(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}

// client is what a program says it is, as it came and as RFC 6749 section
// 2.3.1 encodes it: OpenStack's clients do not encode, others do.
type client struct{ id, secret string }

// clientsOf gives whom a request for a token may come from, by its header or
// else by its form.
func clientsOf(r *http.Request, form url.Values) []client {
	scheme, code, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return []client{{form.Get("client_id"), form.Get("client_secret")}}
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(code))
	id, secret, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return nil
	}
	out := []client{{id, secret}}
	plainID, idErr := url.QueryUnescape(id)
	plainSecret, secretErr := url.QueryUnescape(secret)
	if decoded := (client{plainID, plainSecret}); idErr == nil && secretErr == nil && decoded != out[0] {
		out = append(out, decoded)
	}
	return out
}

// oauth2Token gives a program a token for its application credential (RFC
// 6749 section 4.4).
func (h *handler) oauth2Token(w http.ResponseWriter, r *http.Request) error {
	form, err := httpx.Form(r)
	if err != nil {
		return oauth2Refusal(w, r, http.StatusBadRequest, "invalid_request", "The request body is no form.")
	}
	switch grant := form["grant_type"]; {
	case len(grant) == 0:
		return oauth2Refusal(w, r, http.StatusBadRequest, "invalid_request", "The parameter grant_type is required.")
	case len(grant) > 1:
		return oauth2Refusal(w, r, http.StatusBadRequest, "invalid_request", "The parameter grant_type is given more than once.")
	case grant[0] != "client_credentials":
		return oauth2Refusal(w, r, http.StatusBadRequest, "unsupported_grant_type", "The parameter grant_type "+grant[0]+" is not supported.")
	}
	for _, c := range clientsOf(r, form) {
		if c.id == "" || c.secret == "" || !utf8.ValidString(c.id) || strings.ContainsRune(c.id, 0) {
			continue // what no credential can be called
		}
		t, err := h.svc.SignIn(r.Context(), identity.Credentials{Methods: []string{"application_credential"}, AppCredID: c.id, AppCredSecret: c.secret})
		if fault.Is(err, fault.Unauthorized) || errors.As(err, new(*identity.MoreFactors)) {
			continue
		}
		if err != nil {
			return err
		}
		uncached(w)
		return httpx.JSON(w, http.StatusOK, object{"access_token": t.ID, "token_type": "Bearer", "expires_in": int(t.ExpiresAt.Sub(t.IssuedAt).Seconds())})
	}
	return oauth2Refusal(w, r, http.StatusUnauthorized, "invalid_client", "Client authentication failed.")
}

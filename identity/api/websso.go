package api

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// stateCookie keeps, in the browser, what a sign-in at a provider began with.
const stateCookie = "nubo_websso"

// callbackURL is where the provider sends the user back to.
func callbackURL(r *http.Request) string {
	return strings.TrimSuffix(httpx.SelfURL(r), "/callback") + "/callback"
}

// webSignIn sends a browser to the provider. origin is the dashboard that
// gets the token.
func (h *handler) webSignIn(w http.ResponseWriter, r *http.Request) error {
	idp, _, err := h.provider(r)
	if err != nil {
		return err
	}
	origin := r.URL.Query().Get("origin")
	if origin == "" {
		return fault.Invalidf("Request must have an origin query parameter.")
	}
	to, state, err := h.verifier.Begin(r.Context(), idp, callbackURL(r), origin)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name: stateCookie, Value: url.QueryEscape(state), Path: "/v3/auth/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode, MaxAge: 600,
	})
	http.Redirect(w, r, to, http.StatusFound)
	return nil
}

// form is a page that hands a token to the dashboard by itself.
var form = template.Must(template.New("form").Parse(`<!DOCTYPE html>
<html><head><title>Signed in</title></head><body>
<form action="{{.Origin}}" method="post" name="sso"><input type="hidden" name="token" value="{{.Token}}">
<noscript><input type="submit" value="Continue"></noscript></form>
<script>document.sso.submit()</script></body></html>
`))

// webCallback takes the user back from the provider and gives his token to
// the dashboard he came from.
func (h *handler) webCallback(w http.ResponseWriter, r *http.Request) error {
	idp, p, err := h.provider(r)
	if err != nil {
		return err
	}
	cookie, err := r.Cookie(stateCookie)
	if err != nil {
		return errUnauthorized
	}
	state, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return errUnauthorized
	}
	q := r.URL.Query()
	a, origin, err := h.verifier.Finish(r.Context(), idp, callbackURL(r), state, q.Get("state"), q.Get("code"))
	if err != nil {
		return err
	}
	t, err := h.svc.SignInFederated(r.Context(), idp, p, a)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: stateCookie, Path: "/v3/auth/", MaxAge: -1})
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	return form.Execute(w, struct{ Origin, Token string }{origin, t.ID})
}

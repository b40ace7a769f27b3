package api

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"

	"nubo/identity"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// Signing in with a browser: the user comes from a dashboard, is sent to his
// provider, comes back with a code, and is sent to the dashboard with a token.

// stateCookie keeps, in the browser, what a sign-in at a provider began with.
const stateCookie = "nubo_websso"

// webssoPath is where the browser signs in by a protocol.
func webssoPath(providerID, protocolID string) string {
	return "/v3/auth" + federation + "/identity_providers/" + url.PathEscape(providerID) + "/protocols/" + url.PathEscape(protocolID) + "/websso"
}

// callbackURL is where the provider sends the user back to.
func callbackURL(r *http.Request, idp *identity.IdentityProvider, p *identity.Protocol) string {
	return httpx.BaseURL(r) + webssoPath(idp.ID, p.ID) + "/callback"
}

// page is a page of a sign-in.
type page struct {
	Title, Text string
	// Origin and Token are of the form that goes to a dashboard; Nonce lets its
	// script run.
	Origin, Token, Nonce string
	Choices              []choice
}

type choice struct{ URL, Name string }

var pages = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title></head>
<body><h1>{{.Title}}</h1>
{{- if .Text}}<p>{{.Text}}</p>{{end}}
{{- if .Choices}}<ul>{{range .Choices}}<li><a href="{{.URL}}">{{.Name}}</a></li>{{end}}</ul>{{end}}
{{- if .Token}}<form id="sso" name="sso" action="{{.Origin}}" method="post">
<input type="hidden" name="token" id="token" value="{{.Token}}"><noscript><input type="submit" value="Continue"></noscript></form>
<script nonce="{{.Nonce}}">document.forms['sso'].submit()</script>{{end}}
</body></html>
`))

// write answers with the page, which may do no more than it has to.
func (p *page) write(w http.ResponseWriter, status int) error {
	allowed := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
	if p.Token != "" {
		to, err := url.Parse(p.Origin)
		if err != nil {
			return err
		}
		p.Nonce = identity.Nonce()
		allowed += "; script-src 'nonce-" + p.Nonce + "'; form-action " + to.Scheme + "://" + to.Host
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", allowed)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	return pages.Execute(w, p)
}

// inBrowser answers a person's mistakes, and those of others, by a page.
func inBrowser(do httpx.Handler) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := do(w, r)
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind == fault.Internal {
			return err
		}
		return (&page{Title: "You are not signed in", Text: e.Msg}).write(w, httpx.Keystone.Status(e.Kind))
	}
}

// originOf is the dashboard that is to get the token. One that is not trusted
// gets none: it could be anybody's page.
func (h *handler) originOf(origin string) (string, error) {
	if origin == "" {
		return "", fault.Invalidf("Request must have an origin query parameter.")
	}
	if !h.svc.TrustsDashboard(origin) {
		return "", fault.New(fault.Unauthorized, "%s is not a trusted dashboard host", origin)
	}
	return origin, nil
}

// chooseProvider sends a browser to the provider that has the protocol or,
// where several have it, asks which.
func (h *handler) chooseProvider(w http.ResponseWriter, r *http.Request) error {
	origin, err := h.originOf(r.URL.Query().Get("origin"))
	if err != nil {
		return err
	}
	id := httpx.Param(r, "protocol_id")
	found, err := h.svc.ProvidersOf(r.Context(), id)
	if err != nil {
		return err
	}
	p := page{Title: "Choose where to sign in"}
	for _, idp := range found {
		name := idp.Description
		if name == "" {
			name = idp.ID
		}
		p.Choices = append(p.Choices, choice{webssoPath(idp.ID, id) + "?" + url.Values{"origin": {origin}}.Encode(), name})
	}
	switch len(found) {
	case 0:
		return fault.NotFoundf("Could not find federation protocol: %s.", id)
	case 1:
		http.Redirect(w, r, p.Choices[0].URL, http.StatusFound)
		return nil
	}
	return p.write(w, http.StatusOK)
}

// webSignIn sends a browser to the provider.
func (h *handler) webSignIn(w http.ResponseWriter, r *http.Request) error {
	origin, err := h.originOf(r.URL.Query().Get("origin"))
	if err != nil {
		return err
	}
	idp, p, err := h.provider(r)
	if err != nil {
		return err
	}
	if !idp.Enabled {
		return fault.Forbiddenf("Identity Provider %s is disabled.", idp.ID)
	}
	to, state, err := h.verifier.Begin(r.Context(), idp, callbackURL(r, idp, p), origin)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name: stateCookie, Value: url.QueryEscape(state), Path: "/v3/auth/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode, MaxAge: 600,
	})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusFound)
	return nil
}

// refusal is a provider's word for why it did not sign somebody in (RFC 6749
// section 4.1.2.1).
var refusal = regexp.MustCompile(`^[a-z_]{1,40}$`)

// webCallback takes the user back from the provider and gives his token to
// the dashboard he came from.
func (h *handler) webCallback(w http.ResponseWriter, r *http.Request) error {
	idp, p, err := h.provider(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if why := q.Get("error"); refusal.MatchString(why) {
		return fault.New(fault.Unauthorized, "The identity provider %s answers: %s.", idp.ID, why)
	}
	cookie, err := r.Cookie(stateCookie)
	if err != nil {
		return fault.New(fault.Unauthorized, "This sign-in was not begun here, or too long ago. Begin again at the dashboard.")
	}
	state, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return errUnauthorized
	}
	a, origin, err := h.verifier.Finish(r.Context(), idp, callbackURL(r, idp, p), state, q.Get("state"), q.Get("code"))
	if err != nil {
		return err
	}
	if origin, err = h.originOf(origin); err != nil {
		return err
	}
	t, err := h.svc.SignInFederated(r.Context(), idp, p, a)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: stateCookie, Path: "/v3/auth/", MaxAge: -1})
	return (&page{Title: "You are signed in", Origin: origin, Token: t.ID}).write(w, http.StatusOK)
}

package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
)

// Choice is an identity provider at which people may sign in.
type Choice struct {
	Provider, Protocol string
	Label              string
}

// SSOConfig is section [dashboard] of the configuration.
type SSOConfig struct {
	WebSSOChoices []string `toml:"websso_choices" default:"" help:"Identity providers at which people may sign in, as PROVIDER/PROTOCOL NAME: acme/openid Acme Inc."`
}

// Choices reads the choices.
func (c SSOConfig) Choices() ([]Choice, error) {
	var out []Choice
	for _, text := range c.WebSSOChoices {
		which, label, _ := strings.Cut(strings.TrimSpace(text), " ")
		provider, protocol, ok := strings.Cut(which, "/")
		if !ok || provider == "" || protocol == "" {
			return nil, fmt.Errorf("[dashboard] websso_choices: %q is not PROVIDER/PROTOCOL NAME", text)
		}
		if label = strings.TrimSpace(label); label == "" {
			label = provider
		}
		out = append(out, Choice{provider, protocol, label})
	}
	return out, nil
}

// SSOPath is where identity has the browser bring the token to.
const SSOPath = "/dashboard/websso"

// ssoCookie says that a sign-in elsewhere began here, in this browser: nobody
// is signed in by a form of another page, as somebody else, unasked.
const ssoCookie = "nubo_websso_begun"

// ssoMinutes is how long one may take to sign in elsewhere.
const ssoMinutes = 10

// ssoChoices lists where one may sign in besides here.
func (s *Service) ssoChoices(w http.ResponseWriter, _ *http.Request) error {
	list := make([]map[string]string, len(s.choices))
	for i, c := range s.choices {
		list[i] = map[string]string{"label": c.Label, "href": SSOPath + "/begin/" + url.PathEscape(c.Provider) + "/" + url.PathEscape(c.Protocol)}
	}
	writeJSON(w, http.StatusOK, map[string]any{"choices": list})
	return nil
}

// secure reports whether the browser speaks TLS, with us or with who is in
// front of us.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// beginSSO sends the browser to identity, which sends it to the provider.
func (s *Service) beginSSO(w http.ResponseWriter, r *http.Request) error {
	provider, protocol := chi.URLParam(r, "provider"), chi.URLParam(r, "protocol")
	known := false
	for _, c := range s.choices {
		known = known || url.PathEscape(c.Provider) == provider && url.PathEscape(c.Protocol) == protocol
	}
	if !known {
		return refuse(http.StatusNotFound, "There is no such identity provider here.")
	}
	scheme := "http"
	if secure(r) {
		scheme = "https"
	}
	http.SetCookie(w, s.begun(r, ssoMinutes*60))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, s.services["identity"].Endpoint+"/auth/OS-FEDERATION/identity_providers/"+provider+"/protocols/"+protocol+"/websso?"+
		url.Values{"origin": {scheme + "://" + r.Host + SSOPath}}.Encode(), http.StatusFound)
	return nil
}

// begun is the cookie of a sign-in elsewhere. Identity may be another site,
// whose form the browser sends only such a cookie with.
func (s *Service) begun(r *http.Request, seconds int) *http.Cookie {
	c := &http.Cookie{Name: ssoCookie, Value: "1", Path: SSOPath, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: seconds}
	if secure(r) {
		c.SameSite, c.Secure = http.SameSiteNoneMode, true
	}
	return c
}

// endSSO takes the token that identity's page brings.
func (s *Service) endSSO(w http.ResponseWriter, r *http.Request) {
	where := "/"
	if err := s.takeSSO(w, r); err != nil {
		s.log.InfoContext(r.Context(), "nobody is signed in by what an identity provider says", "error", err)
		where = "/?sso=refused"
	}
	http.SetCookie(w, s.begun(r, -1))
	http.Redirect(w, r, where, http.StatusSeeOther)
}

func (s *Service) takeSSO(w http.ResponseWriter, r *http.Request) error {
	if _, err := r.Cookie(ssoCookie); err != nil {
		return refuse(http.StatusForbidden, "The sign-in did not begin in this browser.")
	}
	from, err := url.Parse(s.services["identity"].Endpoint)
	if err != nil {
		return err
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "null" && !strings.EqualFold(origin, from.Scheme+"://"+from.Host) {
		return refuse(http.StatusForbidden, "The token comes from another site: "+origin)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	token := r.PostFormValue("token")
	if token == "" {
		return refuse(http.StatusBadRequest, "There is no token.")
	}
	t, err := s.tokens(token).Describe(r.Context(), token)
	if err != nil {
		return err
	}
	v := session{Unscoped: token, Expires: t.ExpiresAt}
	if err := s.firstScope(r.Context(), &v); err != nil {
		return err
	}
	return s.remember(w, r, v)
}

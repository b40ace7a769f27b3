package api_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"nubo/identity"
	"nubo/identity/api"
	"nubo/identity/driver/oidc"
	"nubo/internal/clock"
	"nubo/internal/testx"
)

// openID is an OpenID provider with one user, who always consents.
type openID struct {
	*httptest.Server
	key    *rsa.PrivateKey
	claims map[string]any

	mu    sync.Mutex        // guards codes
	codes map[string]string // the query of the request that a code was given for
}

func newOpenID(t *testing.T) *openID {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	testx.NoErr(t, err)
	p := &openID{key: key, codes: map[string]string{}, claims: map[string]any{"sub": "s-1", "email": "u@example.org", "name": "Ursula", "groups": []string{"dev", "none"}}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		testx.NoErr(t, json.NewEncoder(w).Encode(v))
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"userinfo_endpoint": p.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer access" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, p.claims)
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		code := fmt.Sprint(time.Now().UnixNano())
		p.mu.Lock()
		p.codes[code] = r.URL.RawQuery
		p.mu.Unlock()
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		asked, _ := url.ParseQuery(p.codes[r.FormValue("code")])
		delete(p.codes, r.FormValue("code"))
		p.mu.Unlock()
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		id, secret, _ := r.BasicAuth()
		if asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || id != "cloud" || secret != "hidden" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(w, map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": p.token(t, "cloud", asked.Get("nonce"), time.Hour)})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token makes an identity token.
func (p *openID) token(t *testing.T, audience, nonce string, life time.Duration) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "k"}}, nil)
	testx.NoErr(t, err)
	claims := map[string]any{"iss": p.URL, "aud": audience, "nonce": nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(life).Unix()}
	for k, v := range p.claims {
		claims[k] = v
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	testx.NoErr(t, err)
	return text
}

const dashboard = "http://127.0.0.1:9999/auth/websso/"

func TestOpenID(t *testing.T) {
	p := newOpenID(t)
	var passed atomic.Int64
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		dev := c.make(admin, "/v3/groups", `{"group":{"name":"dev"}}`)
		project := c.make(admin, "/v3/projects", `{"project":{"name":"shared"}}`)
		c.want(c.do(admin, "PUT", "/v3/projects/"+project+"/groups/"+dev+"/roles/"+c.role(admin, "member"), ""), 204, "")
		const idp = "/v3/OS-FEDERATION/identity_providers/acme"
		c.want(c.do(admin, "PUT", "/v3/OS-FEDERATION/mappings/m", `{"mapping":{"rules":[{"local":[
			{"user":{"id":"{0}","name":"{1}","email":"{2}"}},{"groups":"{3}","domain":{"id":"default"}},
			{"projects":[{"name":"of {1}","roles":[{"name":"reader"}]}]}],
			"remote":[{"type":"HTTP_OIDC_SUB"},{"type":"HTTP_OIDC_NAME"},{"type":"HTTP_OIDC_EMAIL"},{"type":"HTTP_OIDC_GROUPS"},{"type":"HTTP_OIDC_ISS","any_one_of":["`+p.URL+`"]}]}]}}`), 201, "")
		c.want(c.do(admin, "PUT", idp, `{"identity_provider":{"enabled":true,"remote_ids":["`+p.URL+`"]}}`), 201, "")
		c.want(c.do(admin, "PUT", idp+"/protocols/openid", `{"protocol":{"mapping_id":"m"}}`), 201, "")
		auth := func(token string) answer {
			return c.do("", "POST", idp+"/protocols/openid/auth", "", "Authorization", "Bearer "+token)
		}
		in := c.want(auth("access"), 201, `"identity_provider":{"id":"acme"}`)
		token := in.Header.Get("X-Subject-Token")
		testx.Equal(t, in.at("token/user/name"), "Ursula")
		testx.Equal(t, c.want(auth(p.token(t, "cloud", "", time.Hour)), 201, "").at("token/user/id"), in.at("token/user/id"))
		for name, bad := range map[string]string{
			"nobody's": "stolen", "for somebody else": p.token(t, "other", "", time.Hour), "expired": p.token(t, "cloud", "", -time.Hour), "empty": "",
		} {
			if a := auth(bad); a.Status != 401 {
				t.Errorf("%s: %d %s", name, a.Status, a.Text)
			}
		}
		// by the provider's groups, and by the mapping's own project
		c.want(c.do(token, "GET", "/v3/OS-FEDERATION/projects", ""), 200, project)
		c.want(c.do(token, "GET", "/v3/auth/projects", ""), 200, "of Ursula")
		scoped := c.want(c.signIn(`{"auth":{"identity":{"methods":["token"],"token":{"id":"`+token+`"}},"scope":{"project":{"id":"`+project+`"}}}}`), 201, `"name":"member"`)
		c.want(scoped, 201, `"groups":[{"id":"`+dev+`"}]`)
		webSignIn(t, c, p)
		// which of two providers is meant, the user says
		c.want(c.do(admin, "PUT", strings.Replace(idp, "acme", "beta", 1), `{"identity_provider":{"enabled":true,"description":"Beta & Co"}}`), 201, "")
		c.want(c.do(admin, "PUT", strings.Replace(idp, "acme", "beta", 1)+"/protocols/openid", `{"protocol":{"mapping_id":"m"}}`), 201, "")
		choose := c.do("", "GET", "/v3/auth/OS-FEDERATION/websso/openid?origin="+url.QueryEscape(dashboard), "")
		c.want(choose, 200, `/acme/protocols/openid/websso?origin=http%3A%2F%2F127.0.0.1%3A9999%2Fauth%2Fwebsso%2F">acme</a>`)
		c.want(choose, 200, `Beta &amp; Co</a>`)
		delegated(t, c, admin, in.at("token/user/id"), project, scoped.Header.Get("X-Subject-Token"), &passed, func() {
			c.want(c.do(admin, "PATCH", idp, `{"identity_provider":{"authorization_ttl":10}}`), 200, "")
			c.want(auth("access"), 201, "")
		})
		c.want(c.do(admin, "PATCH", idp, `{"identity_provider":{"description":"x"}}`), 200, `"authorization_ttl":10`)
		c.want(c.do(admin, "PATCH", idp, `{"identity_provider":{"authorization_ttl":7.0}}`), 200, `"authorization_ttl":7`)
		c.want(c.do(admin, "PATCH", idp, `{"identity_provider":{"authorization_ttl":null}}`), 200, `"authorization_ttl":null`)
		c.want(c.do(admin, "PATCH", idp, `{"identity_provider":{"authorization_ttl":1.5}}`), 400, "authorization_ttl")
		c.want(c.do(admin, "PATCH", idp, `{"identity_provider":{"enabled":false}}`), 200, "")
		c.want(auth("access"), 403, "is disabled")
		c.want(c.do(scoped.Header.Get("X-Subject-Token"), "GET", "/v3/auth/projects", ""), 401, "")
		c.want(c.do(admin, "GET", "/v3/users/"+in.at("token/user/id"), ""), 200, "Ursula")
		c.want(c.do(admin, "DELETE", idp, ""), 204, "")
		c.want(c.do(admin, "GET", "/v3/users/"+in.at("token/user/id"), ""), 404, "")
	}, func(d *identity.Deps, opts *[]api.Option) {
		passed.Store(0)
		d.Clock = clock.Func(func() time.Time { return time.Now().Add(time.Duration(passed.Load())) })
		d.Federation.TrustedDashboard = []string{dashboard}
		*opts = append(*opts, api.WithVerifier(oidc.New(oidc.Config{
			ClientID: "cloud", ClientSecret: "hidden", Scopes: []string{"openid"},
		}, p.Client())))
	})
}

// delegated: a program of a federated user acts by the provider's groups for
// as long as the provider says after the user's last sign-in.
func delegated(t *testing.T, c *cloud, admin, user, project, token string, passed *atomic.Int64, signIn func()) {
	t.Helper()
	a := c.want(c.do(token, "POST", "/v3/users/"+user+"/application_credentials", `{"application_credential":{"name":"program","secret":"s"}}`), 201, "")
	program := `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"` + a.at("application_credential/id") + `","secret":"s"}}}}`
	c.want(c.signIn(program), 401, "") // without a time nothing is kept of the groups
	groups := "/v3/users/" + user + "/groups"
	c.want(c.do(token, "GET", groups, ""), 200, `"groups":[]`)
	signIn()
	expires := time.Now().Add(time.Duration(passed.Load()) + 10*time.Minute).UTC()
	shown := c.want(c.do(token, "GET", groups, ""), 200, `"name":"dev"`)
	if at, err := time.Parse("2006-01-02T15:04:05.000000", shown.at("groups/0/membership_expires_at")); err != nil || at.Sub(expires).Abs() > time.Minute {
		c.t.Errorf("%s; want the membership to end at %s", shown.Text, expires)
	}
	c.want(c.do(admin, "HEAD", "/v3/groups/"+shown.at("groups/0/id")+"/users/"+user, ""), 204, "")
	acting := c.want(c.signIn(program), 201, project).Header.Get("X-Subject-Token")
	passed.Add(int64(9 * time.Minute))
	c.want(c.do(acting, "GET", "/v3/auth/catalog", ""), 200, "")
	passed.Add(int64(2 * time.Minute))
	c.want(c.do(acting, "GET", "/v3/auth/catalog", ""), 401, "")
	c.want(c.signIn(program), 401, "")
	c.want(c.do(token, "GET", groups, ""), 200, `"groups":[]`)
	c.want(c.do(admin, "HEAD", "/v3/groups/"+shown.at("groups/0/id")+"/users/"+user, ""), 404, "")
	signIn()
	c.want(c.do(acting, "GET", "/v3/auth/catalog", ""), 200, "")
}

// webSignIn goes the way of a browser: to the cloud, to the provider, back,
// and with a token to the dashboard.
func webSignIn(t *testing.T, c *cloud, p *openID) {
	t.Helper()
	const path = "/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/openid/websso"
	const any = "/v3/auth/OS-FEDERATION/websso/openid"
	asked := "?origin=" + url.QueryEscape(dashboard)
	for _, begin := range []string{path, any, strings.Replace(path, "/protocols/", "/protocol/", 1)} {
		refused := c.want(c.do("", "GET", begin+"?origin=http://elsewhere/", ""), 401, "<p>http://elsewhere/ is not a trusted dashboard host</p>")
		testx.Equal(t, refused.Header.Get("Content-Security-Policy"), "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
		c.want(c.do("", "GET", begin, ""), 400, "origin")
	}
	c.want(c.do("", "GET", path+"?origin="+url.QueryEscape("http://127.0.0.1:9999/auth/websso/<b>"), ""), 401, "websso/&lt;b&gt; is not")
	c.want(c.do("", "GET", strings.Replace(path, "acme", "absent", 1)+asked, ""), 404, "Could not find identity provider: absent.")
	c.want(c.do("", "GET", strings.Replace(any, "openid", "saml2", 1)+asked, ""), 404, "Could not find federation protocol: saml2.")
	testx.Equal(t, c.want(c.do("", "GET", any+asked, ""), 302, "").Header.Get("Location"), path+asked)
	begin := c.want(c.do("", "GET", path+asked, ""), 302, "")
	cookie, _, _ := strings.Cut(begin.Header.Get("Set-Cookie"), ";")
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: p.Client().Transport}
	resp, err := browser.Get(begin.Header.Get("Location"))
	testx.NoErr(t, err)
	testx.NoErr(t, resp.Body.Close())
	back, err := url.Parse(resp.Header.Get("Location"))
	testx.NoErr(t, err)
	callback := back.Path + "?" + back.RawQuery
	c.want(c.do("", "GET", callback, ""), 401, "")                                                            // another browser
	c.want(c.do("", "GET", strings.Replace(callback, "state=", "state=x", 1), "", "Cookie", cookie), 401, "") // another sign-in
	c.want(c.do("", "GET", back.Path+"?error=access_denied", "", "Cookie", cookie), 401, "acme answers: access_denied.")
	page := c.want(c.do("", "GET", callback, "", "Cookie", cookie), 200, `action="`+dashboard+`"`)
	_, nonce, _ := strings.Cut(page.Text, `<script nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	testx.Equal(t, page.Header.Get("Content-Security-Policy"),
		"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'nonce-"+nonce+"'; form-action http://127.0.0.1:9999")
	_, rest, _ := strings.Cut(page.Text, `name="token" id="token" value="`)
	token, _, _ := strings.Cut(rest, `"`)
	c.want(c.do(token, "GET", "/v3/auth/projects", ""), 200, "of Ursula")
	c.want(c.do("", "GET", callback, "", "Cookie", cookie), 401, "") // a code counts once
}

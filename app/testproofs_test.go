package app

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nubo/internal/testx"
)

// proofs are how operations are shown to work that answer alike whatever they
// do, or that answer only what was signed. Each says what is wrong, "" if
// nothing is.
func (s *seed) proofs() map[string]func() string {
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	return map[string]func() string{
		"identity POST /OS-OAUTH1/request_token": func() string {
			return s.signed(s.oauth.request(s, "request_token", oauthToken{}), "oauth_token=")
		},
		"identity POST /OS-OAUTH1/access_token": func() string {
			return s.signed(s.oauth.request(s, "access_token", s.ready), "oauth_token_secret=")
		},
		"identity POST /OS-OAUTH2/token": func() string {
			c := call{service: "identity", method: "POST", path: "/v3/OS-OAUTH2/token", body: []byte("grant_type=client_credentials"), header: form}
			c.header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(s.value("identity", "application_credential_id")+":"+programSecret))
			return s.signed(c, `"token_type":"Bearer"`)
		},
		"identity GET /auth/OS-FEDERATION/websso/{protocol_id}":                                       func() string { return s.toProvider("/websso/openid") },
		"identity GET /auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso": func() string { return s.toProvider("/identity_providers/idp-A/protocols/openid/websso") },
		"identity GET /auth/OS-FEDERATION/identity_providers/{idp_id}/protocol/{protocol_id}/websso":  func() string { return s.toProvider("/identity_providers/idp-A/protocol/openid/websso") },
		"image DELETE /cache/{image_id}":                                                              func() string { return s.uncached("DELETE", "/v2/cache/"+s.value("image", "image_id"), nil) },
		"image DELETE /cache":                                                                         func() string { return s.uncached("DELETE", "/v2/cache", nil) },
		"image POST /cache/clean": func() string {
			return s.uncached("POST", "/v2/cache/clean", func() { // as if the disk had lost it
				testx.NoErr(s, os.Remove(filepath.Join(s.c.set.image.ImageCacheDir, s.value("image", "image_id"))))
			})
		},
	}
}

// signed sends a request that must be answered with a text, and no more so
// when its signature is another.
func (s *seed) signed(c call, want string) string {
	forged := c
	forged.header = map[string]string{}
	for k, v := range c.header {
		forged.header[k] = strings.Replace(v, `oauth_signature="`, `oauth_signature="x`, 1)
	}
	if strings.HasPrefix(c.header["Authorization"], "Basic ") {
		forged.header["Authorization"] = "Basic eDp5"
	}
	if r := s.do(forged); r.status != http.StatusUnauthorized {
		return "answers a forged request with " + r.String()
	}
	if r := s.do(c); r.status >= 300 || !strings.Contains(string(r.body), want) {
		return "answers " + r.String()
	}
	return ""
}

// trustedDashboard is one to which identity gives tokens.
const trustedDashboard = "http://127.0.0.1:1/websso"

// toProvider asks to sign in with a browser, and must be sent to A's provider,
// at once or by way of its own address here.
func (s *seed) toProvider(path string) string {
	mux := http.NewServeMux()
	provider := httptest.NewServer(mux)
	defer provider.Close()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"jwks_uri":%q}`, provider.URL, provider.URL+"/authorize", provider.URL+"/keys")
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Query().Get("client_id"), " asks who this is")
	})
	s.must(s.root, "identity", "PATCH", "/v3/OS-FEDERATION/identity_providers/idp-A", obj{"identity_provider": obj{"remote_ids": arr{provider.URL}}})
	ask := func(path, origin string) reply {
		return s.do(call{service: "identity", method: "GET", path: path + "?" + url.Values{"origin": {origin}}.Encode()})
	}
	path = "/v3/auth/OS-FEDERATION" + path
	if r := ask(path, "http://127.0.0.1:2/"); r.status != http.StatusUnauthorized {
		return "answers a dashboard it does not trust with " + r.String()
	}
	if r := ask(path, trustedDashboard); string(r.body) != "cloud asks who this is" {
		return "answers " + r.String()
	}
	return ""
}

// uncached has A's image cached and sends what must take it out of the cache.
func (s *seed) uncached(method, path string, before func()) string {
	image := s.value("image", "image_id")
	cached := func() bool {
		list := s.must(s.root, "image", "GET", "/v2/cache", nil).list("cached_images")
		return slices.ContainsFunc(list, func(v doc) bool { return v.text("image_id") == image })
	}
	s.must(s.root, "image", "PUT", "/v2/cache/"+image, nil)
	testx.Eventually(s, "the image is cached", cached)
	if before != nil {
		before()
	}
	r := s.do(call{who: s.root, service: "image", method: method, path: path})
	if r.status != http.StatusNoContent || cached() {
		return fmt.Sprintf("answers %s; is the image still cached: %t", r, cached())
	}
	return ""
}

// programSecret is that of A's application credential.
const programSecret = "the program's own"

// oauthConsumer is a client of OAuth 1, oauthToken what it was given.
type (
	oauthConsumer struct{ id, secret string }
	oauthToken    struct{ id, secret, verifier string }
)

// request makes a request of the consumer's, signed by HMAC-SHA1 (RFC 5849
// section 3.4).
func (c oauthConsumer) request(s *seed, path string, token oauthToken) call {
	out := call{service: "identity", method: "POST", path: "/v3/OS-OAUTH1/" + path}
	escape := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	params := map[string]string{
		"oauth_consumer_key": c.id, "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "1", "oauth_nonce": "n~*", "oauth_version": "1.0", "oauth_callback": "oob",
	}
	if token.id != "" {
		params["oauth_token"], params["oauth_verifier"] = token.id, token.verifier
	}
	var pairs, header []string
	for k, v := range params {
		pairs = append(pairs, escape(k)+"="+strings.ReplaceAll(escape(v), "*", "%2A"))
		header = append(header, k+`="`+escape(v)+`"`)
	}
	slices.Sort(pairs)
	base := "POST&" + escape(s.c.set.url(ports["identity"], out.path)) + "&" + escape(strings.Join(pairs, "&"))
	mac := hmac.New(sha1.New, []byte(escape(c.secret)+"&"+escape(token.secret)))
	mac.Write([]byte(base))
	header = append(header, `oauth_signature="`+escape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))+`"`)
	out.header = map[string]string{"Requested-Project-Id": s.aMember.project, "Authorization": "OAuth " + strings.Join(header, ", ")}
	return out
}

// delegateByOAuth has A's member delegate a role by OAuth 1. The ids are of a
// token that waits to be authorized and of one that was.
func (s *seed) delegateByOAuth() (waiting, access string) {
	ask := func(path string, t oauthToken) oauthToken {
		r := s.do(s.oauth.request(s, path, t))
		form, err := url.ParseQuery(string(r.body))
		if err != nil || r.status != http.StatusCreated {
			s.Fatalf("%s: %s", path, r)
		}
		return oauthToken{id: form.Get("oauth_token"), secret: form.Get("oauth_token_secret")}
	}
	waiting = ask("request_token", oauthToken{}).id
	// Only an administrator may authorize: A's member is one for the moment.
	admin := "/v3/projects/" + s.aMember.project + "/users/" + s.aMember.user + "/roles/" + s.value("identity", "prior_id")
	s.must(s.root, "identity", "PUT", admin, nil)
	authorized := func() oauthToken {
		t := ask("request_token", oauthToken{})
		t.verifier = s.must(s.aMember, "identity", "PUT", "/v3/OS-OAUTH1/authorize/"+t.id, obj{"roles": arr{obj{"name": "member"}}}).text("token/oauth_verifier")
		return t
	}
	request := authorized()
	s.ready = authorized()
	s.must(s.root, "identity", "DELETE", admin, nil)
	access = ask("access_token", request).id
	s.private = append(s.private, access)
	return waiting, access
}

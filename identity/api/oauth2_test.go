package api_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"nubo/internal/testx"
)

// TestOAuth2 has a client of OAuth 2 work with an application credential.
func TestOAuth2(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		u := c.member(admin, "u", "member")
		program := func(secret string) string {
			return c.make(u.token, "/v3/users/"+u.id+"/application_credentials", `{"application_credential":{"name":"`+secret+`","secret":"`+secret+`"}}`)
		}
		srv := httptest.NewServer(c.h)
		t.Cleanup(srv.Close)
		const path = "/v3/OS-OAUTH2/token"
		for _, secret := range []string{"plain", "p%40ss+word: &=é"} {
			id := program(secret)
			for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
				cfg := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: srv.URL + path, AuthStyle: style}
				resp, err := cfg.Client(t.Context()).Get(srv.URL + "/v3/auth/projects") // by Authorization: Bearer
				testx.NoErr(t, err)
				testx.NoErr(t, resp.Body.Close())
				testx.Equal(t, resp.StatusCode, http.StatusOK)
			}
			// a client of OpenStack's does not encode what it is called
			raw := "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
			a := c.want(c.do("", "POST", path, "grant_type=client_credentials", "Content-Type", "application/x-www-form-urlencoded", "Authorization", raw), 200, `"token_type":"Bearer"`)
			testx.Equal(t, a.Header.Get("Cache-Control"), "no-store")
			token, _ := a.JSON["access_token"].(string)
			c.want(c.do("", "GET", "/v3/auth/tokens", "", "Authorization", "bearer "+token, "X-Subject-Token", token), 200, `"application_credential":{"id":"`+id)
			if left, _ := a.JSON["expires_in"].(float64); left < 3598 || left > 3600 {
				t.Errorf("expires_in is %v; want an hour", a.JSON["expires_in"])
			}
		}
		id := program("s")
		basic := func(id, secret string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
		}
		for name, bad := range map[string]struct {
			body, kind, authorization string
			status                    int
			code                      string
		}{
			"no grant":          {"", "", basic(id, "s"), 400, "invalid_request"},
			"two grants":        {"grant_type=client_credentials&grant_type=client_credentials", "", basic(id, "s"), 400, "invalid_request"},
			"another grant":     {"grant_type=password&username=u&password=p", "", basic(id, "s"), 400, "unsupported_grant_type"},
			"no form":           {"grant_type=%zz", "", basic(id, "s"), 400, "invalid_request"},
			"JSON":              {`{"grant_type":"client_credentials"}`, "application/json", basic(id, "s"), 400, "invalid_request"},
			"nobody":            {"grant_type=client_credentials", "", "", 401, "invalid_client"},
			"wrong secret":      {"grant_type=client_credentials", "", basic(id, "t"), 401, "invalid_client"},
			"unknown":           {"grant_type=client_credentials", "", basic("absent", "s"), 401, "invalid_client"},
			"no text":           {"grant_type=client_credentials", "", basic("\xff\x00", "s"), 401, "invalid_client"},
			"not base64":        {"grant_type=client_credentials", "", "Basic *", 401, "invalid_client"},
			"another scheme":    {"grant_type=client_credentials", "", "Bearer x", 401, "invalid_client"},
			"wrong in the form": {"grant_type=client_credentials&client_id=" + id + "&client_secret=t", "", "", 401, "invalid_client"},
			"secret without id": {"grant_type=client_credentials&client_secret=s", "", "", 401, "invalid_client"},
		} {
			if bad.kind == "" {
				bad.kind = "application/x-www-form-urlencoded"
			}
			a := c.do("", "POST", path, bad.body, "Content-Type", bad.kind, "Authorization", bad.authorization)
			if a.Status != bad.status || a.JSON["error"] != bad.code || a.JSON["error_description"] == "" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: got %d %s; want %d %s", name, a.Status, a.Text, bad.status, bad.code)
			}
			if challenge := strings.Join(a.Header.Values("WWW-Authenticate"), ","); (a.Status == 401) != strings.Contains(challenge, "Basic") {
				t.Errorf("%s: %d is answered with WWW-Authenticate: %q", name, a.Status, challenge)
			}
		}
		c.want(c.do("", "GET", path, ""), 405, "")
		c.want(c.do(u.token, "DELETE", "/v3/users/"+u.id+"/application_credentials/"+id, ""), 204, "")
		c.want(c.do("", "POST", path, "grant_type=client_credentials", "Content-Type", "application/x-www-form-urlencoded", "Authorization", basic(id, "s")), 401, "invalid_client")
		if h := c.want(c.do("", "GET", "/v3/auth/projects", "", "Authorization", "Bearer x"), 401, "requires authentication").Header.Get("WWW-Authenticate"); !strings.HasPrefix(h, "Keystone uri=") {
			t.Errorf("WWW-Authenticate is %q", h)
		}
	})
}

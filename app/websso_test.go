package app

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"nubo/dashboard"
	"nubo/internal/testx"
)

// TestWebSSO signs in at the dashboard by a token that identity's page brings,
// as a browser does after a sign-in at an identity provider.
func TestWebSSO(t *testing.T) {
	b := testCloud(t, "", "dashboard.websso_choices", "acme/openid Acme Inc.,beta/openid", "openid.client_id", "cloud")
	w := newBrowser(t, b)
	testx.Equal(t, w.html("GET", "/dashboard/websso/choices", nil, ""), answered{200, "",
		`{"choices":[{"href":"/dashboard/websso/begin/acme/openid","label":"Acme Inc."},{"href":"/dashboard/websso/begin/beta/openid","label":"beta"}]}` + "\n"})
	token := func() string {
		r := b.do(call{service: "identity", method: "POST", path: "/v3/auth/tokens", body: obj{"auth": obj{"scope": "unscoped", "identity": obj{
			"methods": arr{"password"}, "password": obj{"user": obj{"name": "admin", "domain": obj{"id": "default"}, "password": b.c.sec.AdminPassword}},
		}}}})
		return r.header.Get("X-Subject-Token")
	}
	identity := b.c.set.url(portIdentity, "")
	bring := func(token, origin string) answered {
		return w.html("POST", "/dashboard/websso", url.Values{"token": {token}}, origin)
	}
	refused := answered{http.StatusSeeOther, "/?sso=refused", ""}
	testx.Equal(t, bring(token(), identity), refused) // it did not begin here
	testx.Equal(t, w.html("GET", "/dashboard/websso/begin/other/openid", nil, "").Status, http.StatusNotFound)
	begin := func() {
		got := w.html("GET", "/dashboard/websso/begin/acme/openid", nil, "")
		testx.Equal(t, got, answered{http.StatusFound, identity + "/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/openid/websso?origin=" +
			url.QueryEscape(b.c.set.url(portDashboard, dashboard.SSOPath)), got.Body})
		// which trusts the cloud's own dashboard; of Acme it has not heard
		r := b.do(call{service: "identity", method: "GET", path: strings.TrimPrefix(got.Location, identity)})
		testx.Equal(t, r.status, http.StatusNotFound)
		testx.Equal(t, strings.Contains(string(r.body), "Could not find identity provider: acme."), true)
	}
	for name, bad := range map[string][2]string{"another site's": {token(), "http://evil.example"}, "nobody's": {"gAAAA", identity}, "none": {"", identity}} {
		begin()
		if got := bring(bad[0], bad[1]); got != refused {
			t.Errorf("%s token: %v", name, got)
		}
	}
	begin()
	testx.Equal(t, bring(token(), identity), answered{http.StatusSeeOther, "/", ""})
	status, body := w.do("GET", "/dashboard/session", nil)
	testx.Equal(t, status, http.StatusOK)
	testx.Equal(t, strings.Contains(body, `"name":"admin"`), true)
	testx.Equal(t, bring(token(), identity), refused) // once
}

// answered is what a browser sees of an answer.
type answered struct {
	Status         int
	Location, Body string
}

// html sends what a page or its form sends, and does not follow.
func (w *browser) html(method, path string, form url.Values, origin string) answered {
	w.t.Helper()
	once := *w.http
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(form.Encode()))
	testx.NoErr(w.t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	resp, err := once.Do(req)
	testx.NoErr(w.t, err)
	defer resp.Body.Close() //nolint:errcheck // it is read
	body, err := io.ReadAll(resp.Body)
	testx.NoErr(w.t, err)
	return answered{resp.StatusCode, resp.Header.Get("Location"), string(body)}
}

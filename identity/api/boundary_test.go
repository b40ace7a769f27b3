package api_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"nubo/internal/testx"
)

// ec2Body is a request of an EC2 client, signed now.
func ec2Body(t *testing.T, access, secret string) string {
	t.Helper()
	stamp := time.Now().UTC().Format(time.RFC3339)
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte("GET\n127.0.0.1:8773\n/\nAction=Describe&SignatureMethod=HmacSHA1&SignatureVersion=2&Timestamp=" + url.QueryEscape(stamp)))
	b, err := json.Marshal(map[string]any{"credentials": map[string]any{
		"access": access, "signature": base64.StdEncoding.EncodeToString(mac.Sum(nil)), "host": "127.0.0.1:8773", "verb": "GET", "path": "/",
		"params": map[string]string{"SignatureVersion": "2", "SignatureMethod": "HmacSHA1", "Timestamp": stamp, "Action": "Describe"},
	}})
	testx.NoErr(t, err)
	return string(b)
}

// oauthToken has a user delegate his role admin by OAuth 1, and gives a token
// of it.
func (c *cloud) oauthToken(admin string, u person) string {
	c.t.Helper()
	consumer := c.want(c.do(admin, "POST", "/v3/OS-OAUTH1/consumers", `{"consumer":{}}`), 201, "")
	sent := func(token, secret, verifier string) string {
		return `OAuth oauth_consumer_key="` + consumer.at("consumer/id") + `",oauth_signature_method="PLAINTEXT",oauth_signature="` +
			consumer.at("consumer/secret") + `%26` + secret + `",oauth_token="` + token + `",oauth_verifier="` + verifier + `"`
	}
	got := func(a answer) (token, secret string) {
		v, err := url.ParseQuery(c.want(a, 201, "").Text)
		testx.NoErr(c.t, err)
		return v.Get("oauth_token"), v.Get("oauth_token_secret")
	}
	token, secret := got(c.do("", "POST", "/v3/OS-OAUTH1/request_token", "", "Authorization", sent("", "", ""), "Requested-Project-Id", u.project))
	verifier := c.want(c.do(u.token, "PUT", "/v3/OS-OAUTH1/authorize/"+token, `{"roles":[{"name":"admin"}]}`), 200, "").at("token/oauth_verifier")
	token, secret = got(c.do("", "POST", "/v3/OS-OAUTH1/access_token", "", "Authorization", sent(token, secret, verifier)))
	in := c.signIn(`{"auth":{"identity":{"methods":["oauth1"],"oauth1":{}}}}`, "Authorization", sent(token, secret, ""))
	return c.want(in, 201, `"OS-OAUTH1"`).Header.Get("X-Subject-Token")
}

// TestDelegationsStayWithin tries to get out of each kind of delegation: to
// another project, to more roles, to what outlives it.
func TestDelegationsStayWithin(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		nova := c.token("nova", "nova-secret", onProject("service"))
		u, v := c.member(admin, "u", "admin"), c.member(admin, "v", "member")
		extra := c.make(admin, "/v3/roles", `{"role":{"name":"extra"}}`)
		c.want(c.do(admin, "PUT", "/v3/projects/"+u.project+"/users/"+u.id+"/roles/"+extra, ""), 204, "")
		other := c.make(admin, "/v3/projects", `{"project":{"name":"other"}}`)
		c.want(c.do(admin, "PUT", "/v3/projects/"+other+"/users/"+u.id+"/roles/"+extra, ""), 204, "")
		seed := c.make(u.token, "/v3/credentials", `{"credential":{"type":"totp","blob":"GEZDGNBV"}}`)
		foreign := c.make(u.token, "/v3/credentials", `{"credential":{"type":"cert","blob":"secret","project_id":"`+other+`"}}`)
		within := c.make(u.token, "/v3/credentials", `{"credential":{"type":"cert","blob":"mine","project_id":"`+u.project+`"}}`)
		key := c.want(c.do(u.token, "POST", "/v3/users/"+u.id+"/credentials/OS-EC2", `{"tenant_id":"`+other+`"}`), 201, "").at("credential/access")
		trust := `{"trust":{"trustor_user_id":"` + u.id + `","trustee_user_id":"` + v.id + `","project_id":"` + u.project + `","impersonation":true,"roles":[{"name":"admin"}]}}`
		trustID := c.want(c.do(u.token, "POST", "/v3/OS-TRUST/trusts", trust), 201, "").at("trust/id")
		program := func(more string) string {
			a := c.want(c.do(u.token, "POST", "/v3/users/"+u.id+"/application_credentials", `{"application_credential":{"secret":"s","roles":[{"name":"admin"}],`+more+`}}`), 201, "")
			return c.want(c.signIn(appCredLogin(a.at("application_credential/id"), "s")), 201, "").Header.Get("X-Subject-Token")
		}
		const credentials, tokens = "/v3/credentials", "/OS-OAUTH1/access_tokens"
		keys, programs := "/v3/users/"+u.id+"/credentials/OS-EC2", "/v3/users/"+u.id+"/application_credentials"
		ec2 := func(project string) string {
			return `{"credential":{"type":"ec2","project_id":"` + project + `","blob":"{\"access\":\"` + project + `\",\"secret\":\"s\",\"trust_id\":\"` + trustID + `\"}"}}`
		}
		for name, token := range map[string]string{
			"trust": c.want(c.signIn(trustLogin("v", trustID)), 201, "").Header.Get("X-Subject-Token"),
			"oauth": c.oauthToken(admin, u), "program": program(`"name":"one","unrestricted":true`), "restricted": program(`"name":"two"`),
		} {
			refused := func(method, path, body, why string, but ...string) {
				t.Helper()
				for _, b := range but {
					if b == name {
						return
					}
				}
				if a := c.do(token, method, path, body); a.Status != 403 || !strings.Contains(a.Text, why) {
					t.Errorf("%s: %s %s: %d %s; want 403 with %q", name, method, path, a.Status, a.Text, why)
				}
			}
			for _, id := range []string{seed, foreign} {
				refused("GET", credentials+"/"+id, "", "project scope of the delegated token")
				refused("PATCH", credentials+"/"+id, `{"credential":{"blob":"x"}}`, "project scope")
				refused("DELETE", credentials+"/"+id, "", "project scope")
			}
			c.want(c.do(token, "GET", credentials+"/"+within, ""), 200, "mine")
			refused("PATCH", credentials+"/"+within, `{"credential":{"project_id":"`+other+`"}}`, "project scope")
			refused("POST", credentials, `{"credential":{"type":"totp","blob":"GEZDGNBV"}}`, "project scope")
			refused("POST", credentials, ec2(other), "")
			refused("POST", keys, `{"tenant_id":"`+other+`"}`, "")
			refused("GET", keys+"/"+key, "", "project scope")
			refused("DELETE", keys+"/"+key, "", "project scope")
			for _, path := range []string{credentials, keys} {
				if a := c.want(c.do(token, "GET", path, ""), 200, "credentials"); strings.Contains(a.Text, other) || strings.Contains(a.Text, seed) {
					t.Errorf("%s sees what is not of its project: %s", name, a.Text)
				}
			}
			for _, path := range []string{programs, "/v3/users/" + u.id + "/access_rules"} {
				refused("GET", path, "", "Cannot manage application credentials", "program", "restricted")
			}
			refused("POST", programs, `{"application_credential":{"name":"back door"}}`, "application", "program")
			refused("POST", "/v3/OS-TRUST/trusts", trust, "")
			refused("GET", "/v3/OS-TRUST/trusts/"+trustID, "", "managing trusts", "trust")
			refused("GET", "/v3/OS-TRUST/trusts?trustor_user_id="+u.id, "", "managing trusts", "trust")
			refused("GET", "/v3/users/"+u.id+tokens, "", "Cannot manage OAuth access tokens")
			refused("PUT", "/v3/OS-OAUTH1/authorize/absent", `{"roles":[{"name":"member"}]}`, "Cannot authorize a request token")
			if name == "restricted" {
				refused("POST", credentials, ec2(u.project), "additional credentials")
				refused("POST", keys, `{"tenant_id":"`+u.project+`"}`, "additional credentials")
				continue
			}
			// a key is for no more than what it was made with
			a := c.want(c.do(token, "POST", keys, `{"tenant_id":"`+u.project+`"}`), 201, "")
			access := a.at("credential/access")
			in := c.want(c.do(nova, "POST", "/v3/ec2tokens", ec2Body(t, access, a.at("credential/secret"))), 200, `"name":"admin"`)
			if strings.Contains(in.Text, `"name":"extra"`) {
				t.Errorf("%s got more roles than were delegated: %s", name, in.Text)
			}
			signed := in.Header.Get("X-Subject-Token")
			c.want(c.do(signed, "GET", "/v3/auth/projects", ""), 403, "EC2 credential tokens cannot be used for authorization.")
			c.want(c.do(nova, "GET", "/v3/auth/tokens", "", "X-Subject-Token", signed), 200, "ec2credential")
			c.want(c.signIn(`{"auth":{"identity":{"methods":["token"],"token":{"id":"`+signed+`"}},"scope":{"project":{"id":"`+other+`"}}}}`), 403, "")
			c.want(c.do(token, "DELETE", keys+"/"+access, ""), 204, "")
		}
		// a trustee's own key does not become the trustor's by naming the trust
		c.want(c.do(v.token, "POST", credentials, strings.Replace(ec2(v.project), `\"s\"`, `\"t\"`, 1)), 201, "")
		in := c.want(c.do(nova, "POST", "/v3/ec2tokens", ec2Body(t, v.project, "t")), 200, "")
		testx.Equal(t, in.at("token/user/id"), v.id)
	})
}

package api_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"nubo/identity"
	"nubo/identity/api"
	"nubo/internal/clock"
	"nubo/internal/testx"
)

// at is the text at a path of an answer: "token/user/id".
func (a answer) at(path string) string {
	var v any = a.JSON
	for key := range strings.SplitSeq(path, "/") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			v = x[int(key[0]-'0')]
		}
	}
	s, _ := v.(string)
	return s
}

// person is a user with a role on a project.
type person struct{ id, project, token string }

// role gives a role's id.
func (c *cloud) role(admin, name string) string {
	c.t.Helper()
	return c.want(c.do(admin, "GET", "/v3/roles?name="+name, ""), 200, name).at("roles/0/id")
}

// member makes a user with a role on a project of his own; his password is p.
func (c *cloud) member(admin, name, role string) person {
	c.t.Helper()
	p := person{project: c.make(admin, "/v3/projects", `{"project":{"name":"p-`+name+`"}}`), id: c.make(admin, "/v3/users", `{"user":{"name":"`+name+`","password":"p"}}`)}
	c.want(c.do(admin, "PUT", "/v3/projects/"+p.project+"/users/"+p.id+"/roles/"+c.role(admin, role), ""), 204, "")
	p.token = c.token(name, "p", onProject("p-"+name))
	return p
}

func (c *cloud) signIn(body string, headers ...string) answer {
	return c.do("", "POST", "/v3/auth/tokens", body, headers...)
}

func appCredLogin(id, secret string) string {
	return `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"` + id + `","secret":"` + secret + `"}}}}`
}

func TestApplicationCredentials(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		u := c.member(admin, "u", "member")
		base := "/v3/users/" + u.id + "/application_credentials"
		a := c.want(c.do(u.token, "POST", base, `{"application_credential":{"name":"one","roles":[{"name":"reader"}]}}`), 201, `"unrestricted":false`)
		id, secret := a.at("application_credential/id"), a.at("application_credential/secret")
		in := c.want(c.signIn(appCredLogin(id, secret)), 201, `"restricted":true`)
		testx.Equal(t, in.at("token/project/id"), u.project)
		testx.Equal(t, len(in.JSON["token"].(map[string]any)["roles"].([]any)), 1)
		token := in.Header.Get("X-Subject-Token")
		c.want(c.signIn(strings.Replace(appCredLogin("", secret), `"id":""`, `"name":"one","user":{"id":"`+u.id+`"}`, 1)), 201, "")
		c.want(c.signIn(appCredLogin(id, "wrong")), 401, "")
		c.want(c.do(token, "POST", base, `{"application_credential":{"name":"two"}}`), 403, "not allowed for managing additional application credentials")
		c.want(c.do(token, "DELETE", base+"/"+id, ""), 403, "not allowed")
		c.want(c.do(u.token, "POST", base, `{"application_credential":{"name":"one"}}`), 409, "Duplicate entry found with name one.")
		c.want(c.do(u.token, "POST", base, `{"application_credential":{"name":"x","roles":[{"name":"admin"}]}}`), 400, "Could not find role assignment")
		c.want(c.do(u.token, "POST", base, `{"application_credential":{"name":"x","expires_at":"2001-01-01T00:00:00Z"}}`), 400, "expires_at")
		c.want(c.do(admin, "POST", base, `{"application_credential":{"name":"x"}}`), 403, "identity:create_application_credential")
		// it is for its project alone
		c.want(c.signIn(strings.Replace(appCredLogin(id, secret), `}}}}`, `}},"scope":{"system":{"all":true}}}}`, 1)), 401, "")
		c.want(c.do(token, "GET", "/v3/users/"+u.id, ""), 200, "")
		// what it stands on ends it
		c.want(c.do(admin, "DELETE", "/v3/projects/"+u.project+"/users/"+u.id+"/roles/"+c.role(admin, "member"), ""), 204, "")
		c.want(c.do(token, "GET", "/v3/users/"+u.id, ""), 401, "")
		c.want(c.signIn(appCredLogin(id, secret)), 401, "")
	})
}

func TestAccessRules(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		u := c.member(admin, "u", "member")
		base := "/v3/users/" + u.id
		a := c.want(c.do(u.token, "POST", base+"/application_credentials",
			`{"application_credential":{"name":"one","access_rules":[{"service":"identity","method":"GET","path":"/v3/users/*"},{"service":"compute","method":"GET","path":"/v2.1/**"}]}}`), 201, `"access_rules"`)
		token := c.want(c.signIn(appCredLogin(a.at("application_credential/id"), a.at("application_credential/secret"))), 201, "access_rules").Header.Get("X-Subject-Token")
		c.want(c.do(token, "GET", base, ""), 200, "")
		c.want(c.do(token, "GET", base+"/groups", ""), 401, "")
		c.want(c.do(token, "GET", "/v3/auth/projects", ""), 401, "")
		// who does not know of rules is not told that the token is good
		c.want(c.do(admin, "GET", "/v3/auth/tokens", "", "X-Subject-Token", token), 404, "")
		c.want(c.do(admin, "GET", "/v3/auth/tokens", "", "X-Subject-Token", token, "OpenStack-Identity-Access-Rules", "1.0"), 200, `"service":"compute"`)
		rules := c.want(c.do(u.token, "GET", base+"/access_rules", ""), 200, "/v2.1/**")
		rule := rules.at("access_rules/0/id")
		c.want(c.do(u.token, "DELETE", base+"/access_rules/"+rule, ""), 403, "in use")
		c.want(c.do(u.token, "POST", base+"/application_credentials", `{"application_credential":{"name":"two","access_rules":[{"id":"`+rule+`"}]}}`), 201, rule)
	})
}

func trustLogin(name, trust string) string {
	return login(name, "p", `{"OS-TRUST:trust":{"id":"`+trust+`"}}`)
}

func TestTrusts(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		u, v := c.member(admin, "u", "member"), c.member(admin, "v", "reader")
		trust := func(more string) string {
			return `{"trust":{"trustor_user_id":"` + u.id + `","trustee_user_id":"` + v.id + `","project_id":"` + u.project + `","roles":[{"name":"member"}],` + more + `}}`
		}
		c.want(c.do(v.token, "POST", "/v3/OS-TRUST/trusts", trust(`"impersonation":true`)), 403, "identity:create_trust")
		c.want(c.do(u.token, "POST", "/v3/OS-TRUST/trusts", strings.Replace(trust(`"impersonation":true`), "member", "admin", 1)), 403, "does not have role")
		id := c.want(c.do(u.token, "POST", "/v3/OS-TRUST/trusts", trust(`"impersonation":true,"remaining_uses":2`)), 201, `"remaining_uses":2`).at("trust/id")
		in := c.want(c.signIn(trustLogin("v", id)), 201, `"impersonation":true`)
		testx.Equal(t, in.at("token/user/id"), u.id)
		testx.Equal(t, in.at("token/project/id"), u.project)
		token := in.Header.Get("X-Subject-Token")
		c.want(c.signIn(`{"auth":{"identity":{"methods":["token"],"token":{"id":"`+token+`"}},"scope":`+onProject("p-u")+`}}`), 403, "")
		c.want(c.signIn(trustLogin("u", id)), 403, "not a trustee")
		c.want(c.signIn(trustLogin("v", id)), 201, "")
		c.want(c.signIn(trustLogin("v", id)), 401, "") // used up
		c.want(c.do(v.token, "GET", "/v3/OS-TRUST/trusts/"+id, ""), 404, "Could not find trust")
		c.want(c.do(token, "GET", "/v3/auth/projects", ""), 200, "") // what was got by it still counts
		plain := c.want(c.do(u.token, "POST", "/v3/OS-TRUST/trusts", trust(`"impersonation":false`)), 201, "").at("trust/id")
		in = c.want(c.signIn(trustLogin("v", plain)), 201, "")
		testx.Equal(t, in.at("token/user/id"), v.id)
		token = in.Header.Get("X-Subject-Token")
		c.want(c.do(v.token, "GET", "/v3/OS-TRUST/trusts?trustee_user_id="+v.id, ""), 200, plain)
		c.want(c.do(v.token, "GET", "/v3/OS-TRUST/trusts", ""), 403, "identity:list_trusts")
		c.want(c.do(v.token, "DELETE", "/v3/OS-TRUST/trusts/"+plain, ""), 403, "identity:delete_trust")
		c.want(c.do(u.token, "DELETE", "/v3/OS-TRUST/trusts/"+plain, ""), 204, "")
		c.want(c.do(token, "GET", "/v3/auth/projects", ""), 401, "")
		c.want(c.do(admin, "GET", "/v3/OS-REVOKE/events", ""), 200, plain)
		// delegated further, and gone with what it came from
		first := c.want(c.do(u.token, "POST", "/v3/OS-TRUST/trusts", trust(`"impersonation":true,"allow_redelegation":true,"redelegation_count":1`)), 201, "").at("trust/id")
		by := c.want(c.signIn(trustLogin("v", first)), 201, "").Header.Get("X-Subject-Token")
		second := c.want(c.do(by, "POST", "/v3/OS-TRUST/trusts", trust(`"impersonation":true`)), 201, first).at("trust/id")
		by = c.want(c.signIn(trustLogin("v", second)), 201, "").Header.Get("X-Subject-Token")
		c.want(c.do(by, "POST", "/v3/OS-TRUST/trusts", trust(`"impersonation":true`)), 403, "Redelegation")
		c.want(c.do(u.token, "DELETE", "/v3/OS-TRUST/trusts/"+first, ""), 204, "")
		c.want(c.do(admin, "GET", "/v3/OS-TRUST/trusts/"+second, ""), 404, "Could not find trust")
	})
}

func TestEC2(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		nova := c.token("nova", "nova-secret", onProject("service"))
		u := c.member(admin, "u", "member")
		a := c.want(c.do(u.token, "POST", "/v3/users/"+u.id+"/credentials/OS-EC2", `{"tenant_id":"`+u.project+`"}`), 201, "")
		access, secret := a.at("credential/access"), a.at("credential/secret")
		sign := func(text string) string {
			mac := hmac.New(sha1.New, []byte(secret))
			mac.Write([]byte(text))
			return base64.StdEncoding.EncodeToString(mac.Sum(nil))
		}
		stamp := time.Now().UTC().Format(time.RFC3339)
		request := func(signature, stamp string) string {
			b, err := json.Marshal(map[string]any{"credentials": map[string]any{
				"access": access, "signature": signature, "host": "127.0.0.1:8773", "verb": "GET", "path": "/",
				"params": map[string]string{"SignatureVersion": "2", "SignatureMethod": "HmacSHA1", "Timestamp": stamp, "Action": "Describe"},
			}})
			testx.NoErr(t, err)
			return string(b)
		}
		signed := func(stamp string) string {
			return sign("GET\n127.0.0.1:8773\n/\nAction=Describe&SignatureMethod=HmacSHA1&SignatureVersion=2&Timestamp=" + url.QueryEscape(stamp))
		}
		in := c.want(c.do(nova, "POST", "/v3/ec2tokens", request(signed(stamp), stamp)), 200, `"methods":["ec2credential"]`)
		testx.Equal(t, in.at("token/user/id"), u.id)
		c.want(c.do(nova, "POST", "/v3/ec2tokens", request(sign("other"), stamp)), 401, "EC2 signature")
		old := "2001-01-01T00:00:00Z"
		c.want(c.do(nova, "POST", "/v3/ec2tokens", request(signed(old), old)), 401, "EC2 signature")
		c.want(c.do(u.token, "POST", "/v3/ec2tokens", request(signed(stamp), stamp)), 403, "")
		text := base64.URLEncoding.EncodeToString([]byte("what is signed"))
		s3 := func(signature string) string {
			return `{"credentials":{"access":"` + access + `","signature":"` + signature + `","token":"` + text + `"}}`
		}
		c.want(c.do(nova, "POST", "/v3/s3tokens", s3(sign("what is signed"))), 200, u.project)
		c.want(c.do(nova, "POST", "/v3/s3tokens", s3(sign("something else"))), 401, "")
		c.want(c.do(u.token, "GET", "/v3/credentials", ""), 200, access)
		c.want(c.do(u.token, "DELETE", "/v3/users/"+u.id+"/credentials/OS-EC2/"+access, ""), 204, "")
		c.want(c.do(nova, "POST", "/v3/s3tokens", s3(sign("what is signed"))), 401, "")
	})
}

// TestFactors signs in with password and passcode, in two steps.
func TestFactors(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		u := c.member(admin, "u", "member")
		seed := []byte("12345678901234567890")
		c.want(c.do(u.token, "POST", "/v3/credentials", `{"credential":{"type":"totp","blob":"`+base32.StdEncoding.EncodeToString(seed)+`"}}`), 201, "")
		for _, bad := range []string{`[["password","password"]]`, `[[]]`, `"all"`, `[["password"],["password"]]`} {
			c.want(c.do(admin, "PATCH", "/v3/users/"+u.id, `{"user":{"options":{"multi_factor_auth_rules":`+bad+`}}}`), 400, "multi_factor_auth_rules")
		}
		c.want(c.do(admin, "PATCH", "/v3/users/"+u.id, `{"user":{"options":{"multi_factor_auth_enabled":true,"multi_factor_auth_rules":[["password","totp"],["password","unknown"]]}}}`), 200, "")
		first := c.want(c.signIn(login("u", "p", onProject("p-u"))), 401, `"required_auth_methods":[["password","totp"]]`)
		receipt := first.Header.Get("Openstack-Auth-Receipt")
		code := identity.TOTP(seed, time.Now().Unix()/30)
		totp := func(code string) string {
			return `{"auth":{"identity":{"methods":["totp"],"totp":{"user":{"id":"` + u.id + `","passcode":"` + code + `"}}},"scope":` + onProject("p-u") + `}}`
		}
		c.want(c.signIn(totp("000000"), "Openstack-Auth-Receipt", receipt), 401, "requires authentication")
		c.want(c.signIn(totp(code)), 401, "receipt")
		c.want(c.signIn(totp(code), "Openstack-Auth-Receipt", "forged"), 401, "requires authentication")
		c.want(c.signIn(totp(code), "Openstack-Auth-Receipt", receipt), 201, "")
		both := strings.Replace(strings.Replace(login("u", "p", onProject("p-u")), `["password"]`, `["password","totp"]`, 1),
			`"password":{"user"`, `"totp":{"user":{"id":"`+u.id+`","passcode":"`+code+`"}},"password":{"user"`, 1)
		token := c.want(c.signIn(both), 201, "").Header.Get("X-Subject-Token")
		c.want(c.signIn(`{"auth":{"identity":{"methods":["token"],"token":{"id":"`+token+`"}},"scope":"unscoped"}}`), 201, "")
	})
	// RFC 6238, appendix B, cut to six digits
	testx.Equal(t, identity.TOTP([]byte("12345678901234567890"), 59/30), "287082")
	testx.Equal(t, identity.TOTP([]byte("12345678901234567890"), 1111111109/30), "081804")
}

// strict is a service with rules for passwords, whose clock the test turns.
func strict(now *time.Time) change {
	return func(d *identity.Deps, _ *[]api.Option) {
		d.Clock = clock.Func(func() time.Time { return *now })
		d.Security = identity.SecurityConfig{
			LockoutFailureAttempts: 2, LockoutDuration: time.Hour, PasswordExpiresDays: 10, UniqueLastPasswordCount: 3, MinimumPasswordAge: 1,
			PasswordRegex: `^.{4,}$`, PasswordRegexDescription: "at least four characters",
		}
	}
}

func TestPasswordRules(t *testing.T) {
	now := time.Now().UTC()
	test := func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		c.want(c.do(admin, "POST", "/v3/users", `{"user":{"name":"u","password":"abc"}}`), 400, "at least four characters")
		id := c.make(admin, "/v3/users", `{"user":{"name":"u","password":"pass0"}}`)
		set := func(from, to string) answer {
			return c.do("", "POST", "/v3/users/"+id+"/password", `{"user":{"original_password":"`+from+`","password":"`+to+`"}}`)
		}
		c.want(set("pass0", "pass0"), 400, "cannot be identical to a previous password")
		c.want(set("pass0", "pass1"), 204, "")
		c.want(set("pass1", "pass2"), 400, "minimum password age")
		now = now.Add(25 * time.Hour)
		c.want(set("pass1", "pass0"), 400, "cannot be identical")
		c.want(set("pass1", "pass2"), 204, "")
		now = now.Add(25 * time.Hour)
		c.want(set("pass2", "pass3"), 204, "")
		now = now.Add(25 * time.Hour)
		c.want(set("pass3", "pass0"), 204, "") // three others since
		// expired, and changed all the same
		now = now.AddDate(0, 0, 11)
		c.want(c.signIn(login("u", "pass0", "")), 401, "The password is expired and needs to be changed for user: "+id+".")
		c.want(set("pass0", "pass9"), 204, "")
		c.want(c.signIn(login("u", "pass9", "")), 201, "password_expires_at")
		// locked out, which looks like any failure
		for range 2 {
			c.want(c.signIn(login("u", "wrong", "")), 401, "requires authentication")
		}
		c.want(c.signIn(login("u", "pass9", "")), 401, "requires authentication")
		now = now.Add(2 * time.Hour)
		c.want(c.signIn(login("u", "pass9", "")), 201, "")
		admin = c.token("nova", "nova-secret", onProject("service")) // whose password does not expire
		c.want(c.do(admin, "PATCH", "/v3/users/"+id, `{"user":{"options":{"lock_password":true}}}`), 200, "lock_password")
		now = now.Add(25 * time.Hour)
		c.want(set("pass9", "pass8"), 401, "")
		admin = c.token("nova", "nova-secret", onProject("service"))
		c.want(c.do(admin, "PATCH", "/v3/users/"+id, `{"user":{"options":{"nonsense":true}}}`), 400, "nonsense")
	}
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { test(t, newCloud(t, "sqlite::memory:", strict(&now))) })
}

package api_test

import (
	"testing"
)

// TestFederationObjects makes, changes and removes what federation is
// configured with.
func TestFederationObjects(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		const idp, m, sp = "/v3/OS-FEDERATION/identity_providers/acme", "/v3/OS-FEDERATION/mappings/m", "/v3/OS-FEDERATION/service_providers/other"
		rules := `{"mapping":{"rules":[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"sub"}]}]}}`
		c.want(c.do(admin, "PUT", m, rules), 201, `"schema_version":"1.0"`)
		c.want(c.do(admin, "PUT", m, rules), 409, "Duplicate ID, m.")
		c.want(c.do(admin, "PUT", idp, `{"identity_provider":{"remote_ids":["https://issuer"],"enabled":true}}`), 201, `"remote_ids":["https://issuer"]`)
		c.want(c.do(admin, "PUT", idp+"2", `{"identity_provider":{"remote_ids":["https://issuer"]}}`), 409, "Duplicate remote ID: https://issuer.")
		c.want(c.do(admin, "PATCH", idp, `{"identity_provider":{"description":"d","authorization_ttl":60}}`), 200, `"authorization_ttl":60`)
		c.want(c.do(admin, "GET", "/v3/OS-FEDERATION/identity_providers?enabled=true", ""), 200, `"id":"acme"`)
		c.want(c.do(admin, "PUT", idp+"/protocols/openid", `{"protocol":{"mapping_id":"none"}}`), 400, "Could not find mapping: none.")
		c.want(c.do(admin, "PUT", idp+"/protocols/openid", `{"protocol":{"mapping_id":"m"}}`), 201, `"mapping_id":"m"`)
		c.want(c.do(admin, "PUT", idp+"/protocols/openid", `{"protocol":{"mapping_id":"m"}}`), 409, "Duplicate ID, openid.")
		c.want(c.do(admin, "PATCH", idp+"/protocols/openid", `{"protocol":{"remote_id_attribute":"iss"}}`), 200, `"remote_id_attribute":"iss"`)
		c.want(c.do(admin, "GET", idp+"/protocols", ""), 200, `"id":"openid"`)
		c.want(c.do(admin, "GET", idp+"/protocols/none", ""), 404, "Could not find federation protocol: none.")
		c.want(c.do("", "GET", idp+"/protocols/openid/auth", ""), 404, "federation protocol") // nobody here can verify it
		c.want(c.do(admin, "DELETE", idp+"/protocols/openid", ""), 204, "")
		c.want(c.do(admin, "DELETE", idp, ""), 204, "")
		c.want(c.do(admin, "GET", idp, ""), 404, "Could not find identity provider: acme.")
		for name, bad := range map[string]string{
			"no rules":        `{"mapping":{"rules":[]}}`,
			"no type":         `{"mapping":{"rules":[{"local":[{}],"remote":[{}]}]}}`,
			"two conditions":  `{"mapping":{"rules":[{"local":[{}],"remote":[{"type":"a","any_one_of":["x"],"not_any_of":["y"]}]}]}}`,
			"no such key":     `{"mapping":{"rules":[{"local":[{"nonsense":1}],"remote":[{"type":"a"}]}]}}`,
			"group by name":   `{"mapping":{"rules":[{"local":[{"group":{"name":"g"}}],"remote":[{"type":"a"}]}]}}`,
			"bad expression":  `{"mapping":{"rules":[{"local":[{}],"remote":[{"type":"a","any_one_of":["("],"regex":true}]}]}}`,
			"unknown user":    `{"mapping":{"rules":[{"local":[{"user":{"name":"x","type":"odd"}}],"remote":[{"type":"a"}]}]}}`,
			"rules of no use": `{"mapping":{"rules":"all"}}`,
		} {
			if a := c.do(admin, "PATCH", m, bad); a.Status != 400 {
				t.Errorf("%s: %d %s", name, a.Status, a.Text)
			}
		}
		c.want(c.do(admin, "DELETE", m, ""), 204, "")
		c.want(c.do(admin, "PUT", sp, `{"service_provider":{"auth_url":"https://a/v3","sp_url":"https://a/sp","enabled":true}}`), 201, `"relay_state_prefix":"ss:mem:"`)
		c.want(c.do(admin, "PATCH", sp, `{"service_provider":{"enabled":false}}`), 200, `"sp_url":"https://a/sp"`)
		c.want(c.do(admin, "DELETE", sp, ""), 204, "")
	})
}

package api_test

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"nubo/internal/testx"
)

func TestFlavors(t *testing.T) { t.Parallel(); each(t, testFlavors) }

func testFlavors(t *testing.T, f *fixture) {
	a := f.want(200, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"m1","id":"auto","ram":"512","vcpus":2,"disk":1,"swap":"","rxtx_factor":"1.5","OS-FLV-EXT-DATA:ephemeral":3}}`)
	id := a.At("flavor", "id").(string)
	testx.Equal(t, []any{a.At("flavor", "ram"), a.At("flavor", "swap"), a.At("flavor", "rxtx_factor"), a.At("flavor", "OS-FLV-EXT-DATA:ephemeral"), a.At("flavor", "os-flavor-access:is_public")},
		[]any{512.0, "", 1.5, 3.0, true})
	testx.Equal(t, f.want(409, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"m1","ram":512,"vcpus":2,"disk":1}}`).Message(), "Flavor with name m1 already exists.")
	testx.Equal(t, f.want(409, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"m2","id":"`+id+`","ram":512,"vcpus":2,"disk":1}}`).Message(), "Flavor with ID "+id+" already exists.")
	for _, bad := range []string{`"ram":0`, `"ram":"x"`, `"ram":-1`, `"ram":1e99`, `"name":" "`} {
		f.want(400, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"m3","ram":1,"vcpus":1,"disk":1,`+bad+`}}`)
	}
	testx.Equal(t, f.want(200, "member", "2.75", "GET", "/v2.1/flavors/"+id, "").At("flavor", "swap"), any(0.0))
	f.want(200, "admin", "", "POST", "/v2.1/flavors/"+id+"/os-extra_specs", `{"extra_specs":{"hw:cpu_policy":"dedicated","n":4}}`)
	testx.Equal(t, f.want(200, "reader", "2.61", "GET", "/v2.1/flavors/detail", "").At("flavors", 0, "extra_specs"), any(map[string]any{"hw:cpu_policy": "dedicated", "n": "4"}))
	f.want(200, "admin", "", "DELETE", "/v2.1/flavors/"+id+"/os-extra_specs/n", "")
	f.want(404, "member", "", "GET", "/v2.1/flavors/"+id+"/os-extra_specs/n", "")
	f.want(202, "admin", "", "DELETE", "/v2.1/flavors/"+id, "")
	testx.Equal(t, f.want(404, "member", "", "GET", "/v2.1/flavors/"+id, "").Message(), "Flavor "+id+" could not be found.")
}

func TestPrivateFlavors(t *testing.T) { t.Parallel(); each(t, testPrivateFlavors) }

func testPrivateFlavors(t *testing.T, f *fixture) {
	a := f.want(200, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"p","ram":512,"vcpus":2,"disk":1,"os-flavor-access:is_public":false}}`)
	id := a.At("flavor", "id").(string)
	count := func(token, query string) int {
		return len(f.want(200, token, "", "GET", "/v2.1/flavors"+query, "").At("flavors").([]any))
	}
	f.want(404, "foreign", "", "GET", "/v2.1/flavors/"+id, "")
	testx.Equal(t, []int{count("foreign", ""), count("foreign", "?is_public=None"), count("admin", "?is_public=None"), count("admin", "?is_public=false")}, []int{0, 0, 1, 1})
	f.want(200, "admin", "", "POST", "/v2.1/flavors/"+id+"/action", `{"addTenantAccess":{"tenant":"`+p2+`"}}`)
	f.want(409, "admin", "", "POST", "/v2.1/flavors/"+id+"/action", `{"addTenantAccess":{"tenant":"`+p2+`"}}`)
	f.want(200, "foreign", "", "GET", "/v2.1/flavors/"+id, "")
	testx.Equal(t, count("foreign", ""), 1)
	f.want(200, "admin", "", "POST", "/v2.1/flavors/"+id+"/action", `{"removeTenantAccess":{"tenant":"`+p2+`"}}`)
	f.want(404, "foreign", "", "GET", "/v2.1/flavors/"+id, "")
}

func TestKeyPairs(t *testing.T) { t.Parallel(); each(t, testKeyPairs) }

func testKeyPairs(t *testing.T, f *fixture) {
	a := f.want(200, "member", "", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k"}}`)
	block, _ := pem.Decode([]byte(a.At("keypair", "private_key").(string)))
	if block == nil || block.Type != "RSA PRIVATE KEY" {
		t.Fatal("the private key is no RSA PEM")
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	testx.NoErr(t, err)
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(a.At("keypair", "public_key").(string)))
	testx.NoErr(t, err)
	own, err := ssh.NewPublicKey(&private.PublicKey)
	testx.NoErr(t, err)
	testx.Equal(t, public.Marshal(), own.Marshal())
	testx.Equal(t, a.At("keypair", "fingerprint"), any(ssh.FingerprintLegacyMD5(own)))
	testx.Equal(t, f.want(409, "member", "", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k"}}`).Message(), "Key pair 'k' already exists.")

	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(own)))
	a = f.want(201, "member", "2.92", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"mine","public_key":"`+line+`"}}`)
	testx.Equal(t, []any{a.At("keypair", "private_key"), a.At("keypair", "type")}, []any{nil, "ssh"})
	f.want(400, "member", "2.92", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"other"}}`) // none are made any more
	f.want(400, "member", "", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"bad","public_key":"nonsense"}}`)

	testx.Equal(t, len(f.want(200, "member", "", "GET", "/v2.1/os-keypairs", "").At("keypairs").([]any)), 2)
	testx.Equal(t, len(f.want(200, "reader", "", "GET", "/v2.1/os-keypairs", "").At("keypairs").([]any)), 0) // another user
	f.want(404, "reader", "", "GET", "/v2.1/os-keypairs/k", "")
	testx.Equal(t, len(f.want(200, "admin", "2.10", "GET", "/v2.1/os-keypairs?user_id=user-member", "").At("keypairs").([]any)), 2)
	a = f.want(200, "member", "2.35", "GET", "/v2.1/os-keypairs?limit=1", "")
	a = f.want(200, "member", "2.35", "GET", strings.TrimPrefix(a.At("keypairs_links", 0, "href").(string), "http://cloud"), "")
	testx.Equal(t, a.At("keypairs", 0, "keypair", "name"), any("mine"))
	f.want(202, "member", "", "DELETE", "/v2.1/os-keypairs/k", "")
	f.want(404, "member", "", "DELETE", "/v2.1/os-keypairs/k", "")
}

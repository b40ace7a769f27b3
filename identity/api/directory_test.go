package api_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"nubo/identity"
	"nubo/identity/api"
	"nubo/identity/driver/ldap"
	"nubo/internal/testx"
)

const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
database mdb
suffix dc=example,dc=org
rootdn cn=root,dc=example,dc=org
rootpw secret
directory %[1]s/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=root,dc=example,dc=org" write by users read by anonymous none
`

const entries = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: ou=Users,dc=example,dc=org
objectClass: organizationalUnit
ou: Users

dn: ou=UserGroups,dc=example,dc=org
objectClass: organizationalUnit
ou: UserGroups

dn: uid=anna,ou=Users,dc=example,dc=org
objectClass: inetOrgPerson
uid: anna
cn: anna
sn: Anna
mail: anna@example.org
userPassword: annas

dn: uid=bert,ou=Users,dc=example,dc=org
objectClass: inetOrgPerson
uid: bert
cn: bert (odd) *name
sn: Bert
userPassword: berts

dn: cn=admins,ou=UserGroups,dc=example,dc=org
objectClass: groupOfNames
cn: admins
ou: admins
member: uid=anna,ou=Users,dc=example,dc=org
`

// slapd starts Debian's LDAP server and gives its address.
func slapd(t *testing.T) string {
	t.Helper()
	const bin = "/usr/sbin/slapd"
	if _, err := os.Stat(bin); err != nil {
		t.Skip("NOT RUN: slapd is missing; install the packages in tools/packages/test.txt")
	}
	dir := t.TempDir()
	testx.NoErr(t, os.Mkdir(filepath.Join(dir, "db"), 0o700))
	conf, ldif := filepath.Join(dir, "conf"), filepath.Join(dir, "ldif")
	testx.NoErr(t, os.WriteFile(conf, fmt.Appendf(nil, slapdConf, dir), 0o600))
	testx.NoErr(t, os.WriteFile(ldif, []byte(entries), 0o600))
	if out, err := exec.Command("/usr/sbin/slapadd", "-f", conf, "-l", ldif).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	address := "ldap://" + l.Addr().String()
	testx.NoErr(t, l.Close())
	cmd := exec.Command(bin, "-f", conf, "-h", address, "-d", "0")
	testx.NoErr(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may be gone
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	testx.Eventually(t, "slapd listens", func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return address
}

func TestDirectory(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		address := slapd(t)
		admin := c.token("admin", adminPassword, onProject("admin"))
		d := c.make(admin, "/v3/domains", `{"domain":{"name":"corp"}}`)
		project := c.make(admin, "/v3/projects", `{"project":{"name":"p"}}`)
		c.want(c.do(admin, "PUT", "/v3/domains/"+d+"/config", `{"config":{"identity":{"driver":"ldap"},"ldap":{"url":"`+address+`","suffix":"dc=example,dc=org",
			"user":"cn=root,dc=example,dc=org","password":"secret","user_id_attribute":"uid","user_name_attribute":"cn"}}}`), 201, "")
		list := c.want(c.do(admin, "GET", "/v3/users?domain_id="+d, ""), 200, `"name":"anna"`)
		c.want(list, 200, `"bert (odd) *name"`)
		groups := c.want(c.do(admin, "GET", "/v3/groups?domain_id="+d, ""), 200, `"name":"admins"`)
		c.want(c.do(admin, "PUT", "/v3/projects/"+project+"/groups/"+groups.at("groups/0/id")+"/roles/"+c.role(admin, "member"), ""), 204, "")
		in := func(name, password string) answer {
			return c.signIn(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"` + name + `","domain":{"id":"` + d + `"},"password":"` + password +
				`"}}},"scope":{"project":{"id":"` + project + `"}}}}`)
		}
		a := c.want(in("anna", "annas"), 201, `"name":"member"`)
		for name, bad := range map[string][2]string{
			"wrong password": {"anna", "berts"}, "none": {"anna", ""}, "not in the group": {"bert (odd) *name", "berts"}, "nobody": {"nobody", "x"}, "a pattern": {"ann*", "annas"},
		} {
			if got := in(bad[0], bad[1]); got.Status != 401 {
				t.Errorf("%s: %d %s", name, got.Status, got.Text)
			}
		}
		id, token := a.at("token/user/id"), a.Header.Get("X-Subject-Token")
		c.want(c.do(admin, "GET", "/v3/users/"+id, ""), 200, "anna@example.org")
		for _, write := range [][3]string{
			{"PATCH", "/v3/users/" + id, `{"user":{"name":"x"}}`}, {"DELETE", "/v3/users/" + id, ""}, {"POST", "/v3/users", `{"user":{"name":"x","domain_id":"` + d + `"}}`},
			{"POST", "/v3/groups", `{"group":{"name":"x","domain_id":"` + d + `"}}`},
		} {
			c.want(c.do(admin, write[0], write[1], write[2]), 403, "read-only")
		}
		// out of the group: the next sign-in shows it
		inGroup(t, address, "bert")
		c.want(in("anna", "annas"), 401, "")
		c.want(c.do(token, "GET", "/v3/auth/projects", ""), 401, "")
		inGroup(t, address, "anna")
		c.want(in("anna", "annas"), 201, "")
	}, func(d *identity.Deps, _ *[]api.Option) { d.OpenDirectory = ldap.Open })
}

// inGroup makes one user the only member of the group.
func inGroup(t *testing.T, address, name string) {
	t.Helper()
	c, err := goldap.DialURL(address)
	testx.NoErr(t, err)
	defer c.Close()
	testx.NoErr(t, c.Bind("cn=root,dc=example,dc=org", "secret"))
	m := goldap.NewModifyRequest("cn=admins,ou=UserGroups,dc=example,dc=org", nil)
	m.Replace("member", []string{"uid=" + name + ",ou=Users,dc=example,dc=org"})
	testx.NoErr(t, c.Modify(m))
}

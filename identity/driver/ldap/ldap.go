// Package ldap reads the users and groups of a domain from an LDAP server,
// and checks passwords by binding with them. It writes nothing there.
package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"nubo/identity"
	"nubo/internal/fault"
)

// timeout bounds every exchange with the server.
const timeout = 10 * time.Second

// pageSize is how many entries are asked for at a time.
const pageSize = 500

// directory is one server with what its entries look like.
type directory struct {
	url, user, password string
	tls                 *tls.Config
	startTLS            bool
	scope               int
	users, groups       entries
	mail, description   string
	enabled             string
	member, groupAbout  string
}

// entries are those of one kind.
type entries struct{ base, filter, class, id, name string }

// search is the filter that finds all entries of the kind, of a name if one
// is given, and for which more holds.
func (e entries) search(name, more string) string {
	f := "(objectClass=" + ldap.EscapeFilter(e.class) + ")" + e.filter + more
	if name != "" {
		f += "(" + e.name + "=" + ldap.EscapeFilter(name) + ")"
	}
	return "(&" + f + ")"
}

// Open makes the directory that the options of section [ldap] describe; the
// server is spoken to when it is needed.
func Open(options map[string]any) (identity.Directory, error) {
	text := func(name string) string {
		s, _ := options[name].(string)
		return s
	}
	d := &directory{
		url: text("url"), user: text("user"), password: text("password"), scope: ldap.ScopeSingleLevel,
		users:  entries{text("user_tree_dn"), text("user_filter"), text("user_objectclass"), text("user_id_attribute"), text("user_name_attribute")},
		groups: entries{text("group_tree_dn"), text("group_filter"), text("group_objectclass"), text("group_id_attribute"), text("group_name_attribute")},
		mail:   text("user_mail_attribute"), description: text("user_description_attribute"), enabled: text("user_enabled_attribute"),
		member: text("group_member_attribute"), groupAbout: text("group_desc_attribute"),
	}
	if text("query_scope") == "sub" {
		d.scope = ldap.ScopeWholeSubtree
	}
	for e, unit := range map[*entries]string{&d.users: "ou=Users,", &d.groups: "ou=UserGroups,"} {
		if e.base == "" {
			e.base = unit + text("suffix")
		}
		for _, attribute := range []string{e.id, e.name} {
			if attribute == "" || strings.ContainsAny(attribute, "()*\\=& ") {
				return nil, fault.Invalidf("Invalid domain specific configuration: '%s' is no name of an attribute.", attribute)
			}
		}
		if e.filter != "" {
			if _, err := ldap.CompileFilter(e.filter); err != nil {
				return nil, fault.Invalidf("Invalid domain specific configuration: the filter %s does not parse.", e.filter)
			}
		}
	}
	d.startTLS, _ = options["use_tls"].(bool)
	d.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if file := text("tls_cacertfile"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the certificates of the directory: %w", err)
		}
		d.tls.RootCAs = x509.NewCertPool()
		d.tls.RootCAs.AppendCertsFromPEM(pem)
	}
	return d, nil
}

// connect opens a connection that ends with the context.
func (d *directory) connect(ctx context.Context) (*ldap.Conn, func(), error) {
	c, err := ldap.DialURL(d.url, ldap.DialWithDialer(&net.Dialer{Timeout: timeout}), ldap.DialWithTLSConfig(d.tls))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the directory: %w", err)
	}
	c.SetTimeout(timeout)
	stop := context.AfterFunc(ctx, func() { c.Close() }) //nolint:errcheck // its answer is not waited for any more
	end := func() {
		stop()
		c.Close() //nolint:errcheck // what was wanted of it has been read
	}
	if d.startTLS {
		host, _, _ := strings.Cut(strings.TrimPrefix(d.url, "ldap://"), ":")
		secure := d.tls.Clone()
		secure.ServerName = host
		if err := c.StartTLS(secure); err != nil {
			end()
			return nil, nil, fmt.Errorf("secure the connection to the directory: %w", err)
		}
	}
	return c, end, nil
}

func (d *directory) find(ctx context.Context, e entries, filter string, attributes ...string) ([]*ldap.Entry, error) {
	c, end, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if d.user != "" {
		if err := c.Bind(d.user, d.password); err != nil {
			return nil, fmt.Errorf("bind to the directory: %w", err)
		}
	}
	wanted := []string{}
	for _, a := range append(attributes, e.id, e.name) {
		if a != "" {
			wanted = append(wanted, a)
		}
	}
	r, err := c.SearchWithPaging(ldap.NewSearchRequest(e.base, d.scope, ldap.NeverDerefAliases, 0, int(timeout/time.Second), false, filter, wanted, nil), pageSize)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("search the directory: %w", err)
	}
	return r.Entries, nil
}

// Users implements identity.Directory.
func (d *directory) Users(ctx context.Context, name string) ([]identity.DirectoryUser, error) {
	found, err := d.find(ctx, d.users, d.users.search(name, ""), d.mail, d.description, d.enabled)
	if err != nil {
		return nil, err
	}
	out := []identity.DirectoryUser{}
	for _, e := range found {
		u := identity.DirectoryUser{
			ID: e.GetAttributeValue(d.users.id), Name: e.GetAttributeValue(d.users.name), DN: e.DN, Enabled: true,
			Mail: e.GetAttributeValue(d.mail), Description: e.GetAttributeValue(d.description),
		}
		if v := e.GetAttributeValue(d.enabled); v != "" {
			u.Enabled = strings.EqualFold(v, "true")
		}
		if u.ID != "" && u.Name != "" {
			out = append(out, u)
		}
	}
	return out, nil
}

// GroupsOf implements identity.Directory.
func (d *directory) GroupsOf(ctx context.Context, u *identity.DirectoryUser) ([]identity.DirectoryGroup, error) {
	more := ""
	if u != nil {
		more = "(" + d.member + "=" + ldap.EscapeFilter(u.DN) + ")"
	}
	found, err := d.find(ctx, d.groups, d.groups.search("", more), d.groupAbout)
	if err != nil {
		return nil, err
	}
	out := []identity.DirectoryGroup{}
	for _, e := range found {
		g := identity.DirectoryGroup{ID: e.GetAttributeValue(d.groups.id), Name: e.GetAttributeValue(d.groups.name), Description: e.GetAttributeValue(d.groupAbout)}
		if g.ID != "" && g.Name != "" {
			out = append(out, g)
		}
	}
	return out, nil
}

var errNoPassword = errors.New("a bind without password is anonymous")

// Verify implements identity.Directory.
func (d *directory) Verify(ctx context.Context, u identity.DirectoryUser, password string) (bool, error) {
	if password == "" {
		return false, errNoPassword
	}
	c, end, err := d.connect(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	err = c.Bind(u.DN, password)
	switch {
	case err == nil:
		return true, nil
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform):
		return false, nil
	}
	return false, fmt.Errorf("bind to the directory: %w", err)
}

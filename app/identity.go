package app

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"nubo/dashboard"
	"nubo/identity"
	identityapi "nubo/identity/api"
	"nubo/identity/driver/hashing"
	"nubo/identity/driver/ldap"
	"nubo/identity/driver/oidc"
	"nubo/identity/fernet"
	identitystore "nubo/identity/store"
	"nubo/internal/clock"
	"nubo/internal/service"
)

// services is the catalog.
func (s *settings) services() []identity.BootstrapService {
	return []identity.BootstrapService{
		{Type: "identity", Name: "keystone", URL: s.url(portIdentity, "/v3")},
		{Type: "image", Name: "glance", URL: s.url(portImage, "")},
		{Type: "compute", Name: "nova", URL: s.url(portCompute, "/v2.1")},
		{Type: "placement", Name: "placement", URL: s.url(portPlacement, "")},
		{Type: "network", Name: "neutron", URL: s.url(portNetwork, "")},
		{Type: "volumev3", Name: "cinderv3", URL: s.url(portVolume, "/v3/$(project_id)s")},
		{Type: "block-storage", Name: "cinder", URL: s.url(portVolume, "/v3/$(project_id)s")},
	}
}

func (s *settings) keyRepository() string {
	if s.identity.KeyRepository != "" {
		return s.identity.KeyRepository
	}
	return s.path("fernet-keys")
}

// providerTimeout bounds what an OpenID provider is asked.
const providerTimeout = 10 * time.Second

func (s *settings) credentialKeys() string {
	if s.identity.CredentialKeys != "" {
		return s.identity.CredentialKeys
	}
	return s.path("credential-keys")
}

// buildIdentity is the identity service.
func (c *cloud) buildIdentity(ctx context.Context) (service.Service, error) {
	url, err := c.database("identity")
	if err != nil {
		return nil, err
	}
	st, err := identitystore.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	keys, err := fernet.OpenRepository(c.set.keyRepository(), c.set.identity.MaxActiveKeys)
	if err != nil {
		return nil, err
	}
	credentialKeys, err := fernet.OpenRepository(c.set.credentialKeys(), c.set.identity.MaxActiveKeys)
	if err != nil {
		return nil, err
	}
	federation := c.set.fed
	if len(c.set.sso.WebSSOChoices) > 0 { // the cloud trusts its own
		federation.TrustedDashboard = append(slices.Clone(federation.TrustedDashboard), c.set.url(portDashboard, dashboard.SSOPath))
	}
	deps := identity.Deps{
		Store: st, Keys: keys, CredentialKeys: credentialKeys, Security: c.set.security, Federation: federation, OpenDirectory: ldap.Open, Bus: c.bus, Clock: clock.System, Log: c.module("identity"),
	}
	closers := []func() error{st.Close}
	if c.hashesApart {
		pool := hashing.New(c.set.identity.ConcurrentHash, nil)
		deps.Bcrypt, closers = pool, append(closers, pool.Close)
	}
	svc, err := identity.New(c.set.identity, deps)
	if err != nil {
		return nil, err
	}
	if err := svc.Bootstrap(ctx, identity.Bootstrap{
		AdminPassword: c.sec.AdminPassword, SetAdminPassword: c.newAdminPassword, Region: c.set.def.Region,
		Services: c.set.services(), ServiceUsers: c.sec.ServiceUsers,
	}); err != nil {
		return nil, err
	}
	rules, err := c.enforcer("identity", identityapi.Rules())
	if err != nil {
		return nil, err
	}
	var options []identityapi.Option
	if c.set.openid.ClientID != "" {
		options = append(options, identityapi.WithVerifier(oidc.New(c.set.openid, &http.Client{Timeout: providerTimeout})))
	}
	api, err := c.api(portIdentity, identityapi.New(svc, rules, c.module("identity.api"), options...))
	if err != nil {
		return nil, err
	}
	return closing(together(api, svc), closers...), nil
}

type keysCommand struct {
	Rotate   keysRotate   `cmd:"" help:"Make the staged Fernet key the one that seals tokens; those of before stay valid."`
	Services keysServices `cmd:"" help:"Make new passwords for the components' own users; they count from the cloud's next start on."`
}

type keysServices struct {
	options `embed:""`
}

// Run makes the passwords. A running cloud goes on with those of before: they
// are replaced, in identity and in every component at once, when it starts.
func (k keysServices) Run(o output) error {
	s, err := load(k.options)
	if err != nil {
		return err
	}
	path := s.path("secrets.json")
	sec, err := readSecrets(path)
	if err != nil {
		return failure{fmt.Errorf("there is no cloud here: %w", err)}
	}
	for name := range sec.ServiceUsers {
		sec.ServiceUsers[name] = randomSecret()
	}
	if err := sec.write(path); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.out, "%d service users have new passwords, which count from the next start on; copy %s to the other nodes before\n", len(sec.ServiceUsers), path)
	return err
}

type keysRotate struct {
	options `embed:""`
}

// Run rotates the keys; running processes notice within a second.
func (k keysRotate) Run() error {
	s, err := load(k.options)
	if err != nil {
		return err
	}
	keys, err := fernet.OpenRepository(s.keyRepository(), s.identity.MaxActiveKeys)
	if err != nil {
		return err
	}
	return keys.Rotate()
}

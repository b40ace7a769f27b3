package identity

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// FederationConfig is section [federation] of the configuration.
type FederationConfig struct {
	TrustedDashboard        []string `default:"" help:"Addresses of dashboards that may get a token after a sign-in with a browser: https://dashboard.example.org/auth/websso/."`
	DefaultAuthorizationTTL int      `toml:"default_authorization_ttl" default:"0" help:"For how many minutes after a sign-in the groups of a provider that says nothing of it count; 0: not at all."`
}

// TrustsDashboard reports whether a dashboard may get tokens. Names of hosts
// are compared without case.
func (s *Identity) TrustsDashboard(origin string) bool {
	return slices.ContainsFunc(s.federation.TrustedDashboard, func(trusted string) bool { return plainHost(trusted) == plainHost(origin) })
}

// plainHost gives an address with its host in lower case.
func plainHost(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.Host = strings.ToLower(u.Host)
	return u.String()
}

// Nonce is a word that lets one script of one page run.
func Nonce() string { return newAuditID() }

// ProvidersOf lists the providers at which one may sign in by a protocol.
func (s *Identity) ProvidersOf(ctx context.Context, protocolID string) ([]IdentityProvider, error) {
	all, err := s.store.IdentityProviders().List(ctx, everything, filters(equal("enabled", true)))
	if err != nil {
		return nil, err
	}
	var out []IdentityProvider
	for _, idp := range all {
		_, err := s.store.Protocol(ctx, idp.ID, protocolID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, idp)
	}
	return out, nil
}

// IdentityProvider is a party that vouches for users of a domain of its own.
type IdentityProvider struct {
	ID          string
	DomainID    string
	Enabled     bool
	Description string
	// AuthorizationTTL is for how many minutes after a sign-in its groups
	// count for what the user does with other credentials; nil: as long as the
	// configuration says, 0: not at all.
	AuthorizationTTL *int
	RemoteIDs        []string `bun:"remote_ids"` // how the provider calls itself: an OpenID issuer
}

// Mapping says which users and groups a provider's assertions stand for.
type Mapping struct {
	ID            string
	Rules         []any
	SchemaVersion string
}

// Protocol joins a provider with a mapping.
type Protocol struct {
	ID                string
	ProviderID        string
	MappingID         string
	RemoteIDAttribute string
}

// ServiceProvider is another cloud that trusts this one.
type ServiceProvider struct {
	ID               string
	AuthURL          string
	SPURL            string `bun:"sp_url"`
	Description      string
	Enabled          bool
	RelayStatePrefix string
}

// CreateIdentityProvider registers a provider; without a domain it gets one.
func (s *Identity) CreateIdentityProvider(ctx context.Context, p *IdentityProvider) error {
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.freeRemoteIDs(ctx, p); err != nil {
			return err
		}
		if p.DomainID == "" {
			d := &Project{
				ID: clock.NewHexID(), Name: clock.NewHexID(), IsDomain: true, Enabled: true, CreatedAt: s.clock.Now(),
				Description: "Auto generated federated domain for Identity Provider: " + p.ID,
			}
			if err := s.store.Projects().Create(ctx, d); err != nil {
				return err
			}
			p.DomainID = d.ID
		} else if _, err := s.Domain(ctx, p.DomainID); err != nil {
			return err
		}
		return s.store.IdentityProviders().Create(ctx, p)
	})
}

// freeRemoteIDs refuses a remote id that another provider has: it must say
// who is meant.
func (s *Identity) freeRemoteIDs(ctx context.Context, p *IdentityProvider) error {
	all, err := s.store.IdentityProviders().List(ctx, everything, nil)
	if err != nil {
		return err
	}
	for _, other := range all {
		for _, id := range p.RemoteIDs {
			if other.ID != p.ID && slices.Contains(other.RemoteIDs, id) {
				return fault.Conflictf("Conflict occurred attempting to store identity_provider - Duplicate remote ID: %s.", id)
			}
		}
	}
	return nil
}

// UpdateIdentityProvider changes a provider.
func (s *Identity) UpdateIdentityProvider(ctx context.Context, id string, apply func(*IdentityProvider)) (*IdentityProvider, error) {
	return update(ctx, s, s.store.IdentityProviders(), id, func(ctx context.Context, p *IdentityProvider) error {
		apply(p)
		return s.freeRemoteIDs(ctx, p)
	})
}

// DeleteIdentityProvider removes a provider with its protocols and with the
// users for whom nobody else vouches.
func (s *Identity) DeleteIdentityProvider(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		protocols, err := s.store.Protocols(ctx, id)
		if err != nil {
			return err
		}
		for _, p := range protocols {
			if err := s.DeleteProtocol(ctx, id, p.ID); err != nil {
				return err
			}
		}
		return s.store.IdentityProviders().Delete(ctx, id)
	})
}

// CreateMapping keeps a mapping whose rules have been checked.
func (s *Identity) CreateMapping(ctx context.Context, m *Mapping) error {
	if _, err := ParseRules(m.Rules); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error { return s.store.Mappings().Create(ctx, m) })
}

// UpdateMapping changes a mapping.
func (s *Identity) UpdateMapping(ctx context.Context, id string, apply func(*Mapping)) (*Mapping, error) {
	return update(ctx, s, s.store.Mappings(), id, func(_ context.Context, m *Mapping) error {
		apply(m)
		_, err := ParseRules(m.Rules)
		return err
	})
}

// DeleteMapping forgets a mapping.
func (s *Identity) DeleteMapping(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Mappings().Delete(ctx, id) })
}

// CreateProtocol joins a provider with a mapping.
func (s *Identity) CreateProtocol(ctx context.Context, p *Protocol) error {
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.store.IdentityProviders().Get(ctx, p.ProviderID); err != nil {
			return err
		}
		if _, err := s.store.Mappings().Get(ctx, p.MappingID); err != nil {
			return invalid(err, "Could not find mapping: %s.", p.MappingID)
		}
		return s.store.CreateProtocol(ctx, p)
	})
}

// UpdateProtocol changes a protocol.
func (s *Identity) UpdateProtocol(ctx context.Context, providerID, id string, apply func(*Protocol)) (*Protocol, error) {
	var p *Protocol
	err := s.change(ctx, func(ctx context.Context) error {
		found, err := s.store.Protocol(ctx, providerID, id)
		if err != nil {
			return err
		}
		apply(found)
		if _, err := s.store.Mappings().Get(ctx, found.MappingID); err != nil {
			return invalid(err, "Could not find mapping: %s.", found.MappingID)
		}
		p = found
		return s.store.UpdateProtocol(ctx, found)
	})
	return p, err
}

// DeleteProtocol ends a protocol, and the users who signed in by it and by
// nothing else.
func (s *Identity) DeleteProtocol(ctx context.Context, providerID, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.store.DeleteProtocol(ctx, providerID, id); err != nil {
			return err
		}
		gone, err := s.store.ForgetExternalUsers(ctx, federationSource(providerID, id))
		if err != nil {
			return err
		}
		for _, user := range gone {
			if err := s.deleteUser(ctx, user); err != nil {
				return err
			}
		}
		return nil
	})
}

// CreateServiceProvider registers a service provider.
func (s *Identity) CreateServiceProvider(ctx context.Context, p *ServiceProvider) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.ServiceProviders().Create(ctx, p) })
}

// UpdateServiceProvider changes a service provider.
func (s *Identity) UpdateServiceProvider(ctx context.Context, id string, apply func(*ServiceProvider)) (*ServiceProvider, error) {
	return update(ctx, s, s.store.ServiceProviders(), id, func(_ context.Context, p *ServiceProvider) error { apply(p); return nil })
}

// DeleteServiceProvider forgets a service provider.
func (s *Identity) DeleteServiceProvider(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.ServiceProviders().Delete(ctx, id) })
}

// SignInFederated gives a token without scope for the user that a provider's
// assertion, which has been verified, stands for. The user is mirrored here
// when he comes first.
func (s *Identity) SignInFederated(ctx context.Context, idp *IdentityProvider, p *Protocol, assertion Assertion) (*Token, error) {
	if !idp.Enabled {
		return nil, fault.Forbiddenf("Identity Provider %s is disabled.", idp.ID)
	}
	m, err := s.store.Mappings().Get(ctx, p.MappingID)
	if err != nil {
		return nil, err
	}
	rules, err := ParseRules(m.Rules)
	if err != nil {
		return nil, err
	}
	who, ok := rules.Map(assertion)
	if !ok {
		return nil, errUnauthorized
	}
	var user *User
	groups := []string{}
	if who.Local {
		if user, err = s.findUser(ctx, who.User); err == nil && user == nil {
			err = errUnauthorized
		}
	} else {
		user, err = s.federatedUser(ctx, idp, p, who)
	}
	if err != nil {
		return nil, err
	}
	if user, err = s.activeUser(ctx, user.ID); err != nil {
		return nil, err
	}
	if groups, err = s.mappedGroups(ctx, who, groups); err != nil {
		return nil, err
	}
	payload := Payload{
		UserID: user.ID, Epoch: user.TokenEpoch, Methods: []string{"mapped"}, AuditIDs: []string{newAuditID()},
		ExpiresAt: s.clock.Now().Add(s.cfg.TokenExpiration),
	}
	if !who.Local {
		payload.Federation = Federation{ProviderID: idp.ID, ProtocolID: p.ID, Groups: groups}
		if err := s.keepMemberships(ctx, idp, user.ID, groups); err != nil {
			return nil, err
		}
	}
	return s.issue(ctx, payload)
}

// keepMemberships has a user's groups count for as long as their provider
// says.
func (s *Identity) keepMemberships(ctx context.Context, idp *IdentityProvider, userID string, groups []string) error {
	minutes := s.federation.DefaultAuthorizationTTL
	if idp.AuthorizationTTL != nil {
		minutes = *idp.AuthorizationTTL
	}
	if minutes <= 0 || len(groups) == 0 {
		return nil
	}
	expires := s.clock.Now().Add(time.Duration(minutes) * time.Minute)
	return s.change(ctx, func(ctx context.Context) error {
		for _, g := range groups {
			if err := s.store.AddExpiringMember(ctx, g, userID, idp.ID, expires); err != nil {
				return err
			}
		}
		return nil
	})
}

// mappedGroups finds the groups a mapping names; those that are not there
// are left out.
func (s *Identity) mappedGroups(ctx context.Context, who Mapped, ids []string) ([]string, error) {
	for _, ref := range who.Groups {
		var g *Group
		var err error
		if ref.ID != "" {
			g, err = s.store.Groups().Find(ctx, equal("id", ref.ID))
		} else {
			var d *Project
			if d, err = s.findDomain(ctx, ref.DomainID, ref.DomainName); err == nil && d != nil {
				g, err = s.store.Groups().Find(ctx, equal("name", ref.Name), equal("domain_id", d.ID))
			}
		}
		if err != nil {
			return nil, err
		}
		if g != nil && !slices.Contains(ids, g.ID) {
			ids = append(ids, g.ID)
		}
	}
	return ids, nil
}

// federatedUser gives the mirror of a provider's user, made or renamed as
// needed, with the projects the mapping gives him.
func (s *Identity) federatedUser(ctx context.Context, idp *IdentityProvider, p *Protocol, who Mapped) (*User, error) {
	source := federationSource(idp.ID, p.ID)
	unique := who.User.ID
	if unique == "" {
		unique = who.User.Name
	}
	domain := idp.DomainID
	if who.User.DomainID+who.User.DomainName != "" {
		d, err := s.findDomain(ctx, who.User.DomainID, who.User.DomainName)
		if err != nil || d == nil {
			return nil, orUnauthorized(err)
		}
		domain = d.ID
	}
	var u *User
	err := s.change(ctx, func(ctx context.Context) error {
		id, err := s.store.ExternalUser(ctx, source, unique)
		if err != nil {
			return err
		}
		if id == "" {
			u = &User{ID: clock.NewHexID(), Name: who.User.Name, DomainID: domain, Enabled: true, Email: who.Email, CreatedAt: s.clock.Now()}
			if err := s.store.Users().Create(ctx, u); err != nil {
				return err
			}
			if err := s.store.AddExternalUser(ctx, source, unique, u.ID, true); err != nil {
				return err
			}
		} else {
			if u, err = s.store.Users().Get(ctx, id); err != nil {
				return err
			}
			if u.Name != who.User.Name || who.Email != "" && u.Email != who.Email {
				u.Name = who.User.Name
				if who.Email != "" {
					u.Email = who.Email
				}
				if err := s.store.Users().Update(ctx, u); err != nil {
					return err
				}
			}
		}
		return s.mappedProjects(ctx, idp, u.ID, who)
	})
	return u, err
}

// mappedProjects makes the projects a mapping wants for a user and gives him
// the roles on them.
func (s *Identity) mappedProjects(ctx context.Context, idp *IdentityProvider, userID string, who Mapped) error {
	for _, want := range who.Projects {
		p, err := s.store.Projects().Find(ctx, equal("name", want.Name), equal("domain_id", idp.DomainID), equal("is_domain", false))
		if err != nil {
			return err
		}
		if p == nil {
			p = &Project{ID: clock.NewHexID(), Name: want.Name, DomainID: idp.DomainID, ParentID: idp.DomainID, Enabled: true, CreatedAt: s.clock.Now()}
			if err := s.store.Projects().Create(ctx, p); err != nil {
				return err
			}
		}
		for _, name := range want.Roles {
			role, err := s.roleByRef(ctx, RoleRef{Name: name})
			if err != nil {
				return err
			}
			if err := s.store.Assign(ctx, Assignment{ActorUser, userID, TargetProject, p.ID, role.ID, false}); err != nil {
				return err
			}
		}
	}
	return nil
}

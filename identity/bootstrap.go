package identity

import (
	"context"
	"slices"

	"nubo/internal/fault"
)

// Bootstrap is what a cloud starts with.
type Bootstrap struct {
	AdminPassword string
	// SetAdminPassword gives the password also to an admin who exists.
	SetAdminPassword bool
	Region           string
	Services         []BootstrapService
	// ServiceUsers are the components' own users with their passwords, which
	// are set at every start.
	ServiceUsers map[string]string
}

// BootstrapService is a service with the address of its endpoints.
type BootstrapService struct{ Type, Name, URL string }

// The roles every cloud has, and what each implies.
var bootRoles = []struct{ name, implies string }{
	{"reader", ""}, {"member", "reader"}, {"manager", "member"}, {"admin", "manager"},
	{"service", ""}, {"_member_", "member"},
}

// The projects of a new cloud.
const (
	AdminProject   = "admin"
	ServiceProject = "service"
	AdminUser      = "admin"
)

// Bootstrap makes what is missing of a cloud's beginning and corrects the
// catalog's addresses; it can be run at every start.
func (s *Identity) Bootstrap(ctx context.Context, b Bootstrap) error {
	domain, err := s.ensureDomain(ctx)
	if err != nil {
		return err
	}
	roles, err := s.ensureRoles(ctx)
	if err != nil {
		return err
	}
	projects := map[string]string{}
	for _, name := range []string{AdminProject, ServiceProject} {
		if projects[name], err = s.ensureProject(ctx, domain, name); err != nil {
			return err
		}
	}
	admin, err := s.ensureUser(ctx, &User{Name: AdminUser, DomainID: domain}, b.AdminPassword, b.SetAdminPassword)
	if err != nil {
		return err
	}
	given := []Assignment{
		{ActorUser, admin, TargetProject, projects[AdminProject], roles["admin"], false},
		{ActorUser, admin, TargetDomain, domain, roles["admin"], false},
		{ActorUser, admin, TargetSystem, TargetSystem, roles["admin"], false},
	}
	for name, password := range b.ServiceUsers {
		id, err := s.ensureUser(ctx, &User{Name: name, DomainID: domain, random: true}, password, true)
		if err != nil {
			return err
		}
		for _, role := range []string{"admin", "service"} {
			given = append(given, Assignment{ActorUser, id, TargetProject, projects[ServiceProject], roles[role], false})
		}
	}
	for _, a := range given {
		if err := s.ensureAssigned(ctx, a); err != nil {
			return err
		}
	}
	return s.ensureCatalog(ctx, b)
}

func (s *Identity) ensureDomain(ctx context.Context) (string, error) {
	found, err := s.store.Projects().Find(ctx, equal("id", DefaultDomain))
	if err != nil || found != nil {
		return DefaultDomain, err
	}
	d := &Project{ID: DefaultDomain, Name: "Default", Description: "The default domain", IsDomain: true, Enabled: true, CreatedAt: s.clock.Now()}
	return d.ID, s.change(ctx, func(ctx context.Context) error { return s.store.Projects().Create(ctx, d) })
}

func (s *Identity) ensureRoles(ctx context.Context) (map[string]string, error) {
	ids := map[string]string{}
	for _, want := range bootRoles {
		r, err := s.store.Roles().Find(ctx, equal("name", want.name), equal("domain_id", ""))
		if err != nil {
			return nil, err
		}
		if r == nil {
			r = &Role{Name: want.name}
			if err := s.CreateRole(ctx, r); err != nil {
				return nil, err
			}
		}
		ids[want.name] = r.ID
	}
	known, err := s.store.Implications(ctx)
	if err != nil {
		return nil, err
	}
	for _, want := range bootRoles {
		i := Implication{ids[want.name], ids[want.implies]}
		if want.implies != "" && !slices.Contains(known, i) {
			if err := s.Imply(ctx, i); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

func (s *Identity) ensureProject(ctx context.Context, domain, name string) (string, error) {
	p, err := s.store.Projects().Find(ctx, equal("name", name), equal("domain_id", domain))
	if err != nil {
		return "", err
	}
	if p == nil {
		p = &Project{Name: name, DomainID: domain, Enabled: true}
		err = s.CreateProject(ctx, p)
	}
	return p.ID, err
}

// ensureUser makes the wanted user, or gives one who exists the password if
// that is to be set.
func (s *Identity) ensureUser(ctx context.Context, want *User, password string, set bool) (string, error) {
	u, err := s.store.Users().Find(ctx, equal("name", want.Name), equal("domain_id", want.DomainID))
	if err != nil {
		return "", err
	}
	if u == nil {
		want.Enabled = true
		err := s.CreateUser(ctx, want, password)
		return want.ID, err
	}
	if !set {
		return u.ID, nil
	}
	same, err := s.hasher.check(ctx, u.PasswordHash, password)
	if err != nil || same {
		return u.ID, err
	}
	_, err = s.UpdateUser(ctx, u.ID, password, want.random, func(*User) {})
	return u.ID, err
}

func (s *Identity) ensureAssigned(ctx context.Context, a Assignment) error {
	ok, err := s.store.HasAssignment(ctx, a)
	if err != nil || ok {
		return err
	}
	return s.Assign(ctx, a)
}

// ensureCatalog makes services and their three endpoints, and moves those
// whose address changed.
func (s *Identity) ensureCatalog(ctx context.Context, b Bootstrap) error {
	if _, err := s.store.Regions().Get(ctx, b.Region); fault.Is(err, fault.NotFound) {
		if err := s.CreateRegion(ctx, &Region{ID: b.Region}); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	for _, want := range b.Services {
		v, err := s.store.Services().Find(ctx, equal("type", want.Type))
		if err != nil {
			return err
		}
		if v == nil {
			v = &Service{Type: want.Type, Name: want.Name, Enabled: true}
			if err := s.CreateService(ctx, v); err != nil {
				return err
			}
		}
		for _, iface := range []string{"public", "internal", "admin"} {
			if err := s.ensureEndpoint(ctx, v.ID, b.Region, iface, want.URL); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Identity) ensureEndpoint(ctx context.Context, service, region, iface, url string) error {
	e, err := s.store.Endpoints().Find(ctx, equal("service_id", service), equal("region_id", region), equal("interface", iface))
	switch {
	case err != nil:
		return err
	case e == nil:
		return s.CreateEndpoint(ctx, &Endpoint{ServiceID: service, RegionID: region, Interface: iface, URL: url, Enabled: true})
	case e.URL != url:
		_, err := s.UpdateEndpoint(ctx, e.ID, func(e *Endpoint) { e.URL = url })
		return err
	}
	return nil
}

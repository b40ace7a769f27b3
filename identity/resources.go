package identity

import (
	"context"
	"slices"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// CreateDomain makes a domain.
func (s *Identity) CreateDomain(ctx context.Context, d *Project) error {
	d.ID, d.IsDomain, d.CreatedAt = clock.NewHexID(), true, s.clock.Now()
	return s.change(ctx, func(ctx context.Context) error { return s.store.Projects().Create(ctx, d) })
}

// Domain gives a domain by id.
func (s *Identity) Domain(ctx context.Context, id string) (*Project, error) {
	d, err := s.store.Projects().Get(ctx, id)
	if err != nil || !d.IsDomain {
		return nil, fault.NotFoundf("Could not find domain: %s.", id)
	}
	return d, nil
}

// DeleteDomain removes a disabled domain with all it owns.
func (s *Identity) DeleteDomain(ctx context.Context, id string) error {
	d, err := s.Domain(ctx, id)
	if err != nil {
		return err
	}
	if d.Enabled {
		return fault.Forbiddenf("You are not authorized to perform the requested action: Cannot delete a domain that is enabled, please disable it first.")
	}
	return s.change(ctx, func(ctx context.Context) error { return s.store.Projects().Delete(ctx, id) })
}

// CreateProject makes a project in a domain, below a parent.
func (s *Identity) CreateProject(ctx context.Context, p *Project) error {
	p.ID, p.CreatedAt = clock.NewHexID(), s.clock.Now()
	return s.change(ctx, func(ctx context.Context) error {
		if p.ParentID == "" {
			p.ParentID = p.DomainID
		}
		parent, err := s.store.Projects().Get(ctx, p.ParentID)
		if err != nil {
			return err
		}
		if p.DomainID == "" {
			p.DomainID = owner(parent)
		}
		if _, err := s.Domain(ctx, p.DomainID); err != nil {
			return err
		}
		if owner(parent) != p.DomainID {
			return fault.Invalidf("Cannot create project, since its parent (%s) is not in the project's domain (%s).", p.ParentID, p.DomainID)
		}
		if p.Enabled && !parent.Enabled {
			return fault.Forbiddenf("Cannot create project in a branch containing a disabled project %s.", parent.ID)
		}
		return s.store.Projects().Create(ctx, p)
	})
}

// owner is the domain that a project, or a domain itself, belongs to.
func owner(p *Project) string {
	if p.IsDomain {
		return p.ID
	}
	return p.DomainID
}

// UpdateProject saves a changed project or domain.
func (s *Identity) UpdateProject(ctx context.Context, p *Project) error {
	return s.change(ctx, func(ctx context.Context) error {
		old, err := s.store.Projects().Get(ctx, p.ID)
		if err != nil {
			return err
		}
		if old.ParentID != p.ParentID || old.DomainID != p.DomainID {
			return fault.Forbiddenf("Update of `parent_id` or `domain_id` is not allowed.")
		}
		if !p.Enabled && p.ID == DefaultDomain {
			return fault.Forbiddenf("You are not authorized to perform the requested action: disable the default domain.")
		}
		return s.store.Projects().Update(ctx, p)
	})
}

// DeleteProject removes a project without children, and the roles on it.
func (s *Identity) DeleteProject(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		p, err := s.store.Projects().Get(ctx, id)
		if err != nil {
			return err
		}
		if p.IsDomain {
			return fault.Forbiddenf("You are not authorized to perform the requested action: delete a project acting as a domain.")
		}
		child, err := s.store.Projects().Find(ctx, equal("parent_id", id))
		if err != nil {
			return err
		}
		if child != nil {
			return fault.Forbiddenf("Cannot delete the project %s since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.", id)
		}
		return s.store.Projects().Delete(ctx, id)
	})
}

// CreateUser makes a user; password "" makes one who cannot sign in with one.
func (s *Identity) CreateUser(ctx context.Context, u *User, password string) error {
	u.ID, u.CreatedAt = clock.NewHexID(), s.clock.Now()
	if err := s.setPassword(ctx, u, password); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.Domain(ctx, u.DomainID); err != nil {
			return err
		}
		return s.store.Users().Create(ctx, u)
	})
}

func (s *Identity) setPassword(ctx context.Context, u *User, password string) error {
	if password == "" {
		return nil
	}
	hash, err := s.hasher.hash(ctx, password, u.random)
	if err != nil {
		return err
	}
	u.PasswordHash, u.PasswordSetAt = hash, s.clock.Now()
	return nil
}

// UpdateUser saves a changed user. A new password, or being disabled, ends
// the user's tokens.
func (s *Identity) UpdateUser(ctx context.Context, u *User, password string) error {
	if err := s.setPassword(ctx, u, password); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error {
		old, err := s.store.Users().Get(ctx, u.ID)
		if err != nil {
			return err
		}
		u.TokenEpoch = old.TokenEpoch
		if password != "" || old.Enabled && !u.Enabled {
			u.TokenEpoch++
		}
		return s.store.Users().Update(ctx, u)
	})
}

// ChangePassword lets a user replace his own password.
func (s *Identity) ChangePassword(ctx context.Context, userID, original, password string) error {
	u, err := s.store.Users().Find(ctx, equal("id", userID))
	if err != nil {
		return err
	}
	hash := ""
	if u != nil {
		hash = u.PasswordHash
	}
	ok, err := s.hasher.check(ctx, hash, original)
	if err != nil {
		return err
	}
	if !ok {
		return errUnauthorized
	}
	return s.UpdateUser(ctx, u, password)
}

// DeleteUser removes a user with all he has.
func (s *Identity) DeleteUser(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Users().Delete(ctx, id) })
}

// CreateGroup makes a group.
func (s *Identity) CreateGroup(ctx context.Context, g *Group) error {
	g.ID = clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.Domain(ctx, g.DomainID); err != nil {
			return err
		}
		return s.store.Groups().Create(ctx, g)
	})
}

// UpdateGroup saves a changed group.
func (s *Identity) UpdateGroup(ctx context.Context, g *Group) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Groups().Update(ctx, g) })
}

// DeleteGroup removes a group, not its users.
func (s *Identity) DeleteGroup(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Groups().Delete(ctx, id) })
}

// AddMember puts a user into a group.
func (s *Identity) AddMember(ctx context.Context, groupID, userID string) error {
	return s.membership(ctx, groupID, userID, s.store.AddMember)
}

// RemoveMember takes a user out of a group.
func (s *Identity) RemoveMember(ctx context.Context, groupID, userID string) error {
	return s.membership(ctx, groupID, userID, s.store.RemoveMember)
}

// CheckMember answers NotFound unless the user is in the group.
func (s *Identity) CheckMember(ctx context.Context, groupID, userID string) error {
	ok, err := s.store.IsMember(ctx, groupID, userID)
	if err == nil && !ok {
		err = fault.NotFoundf("User '%s' not found in group '%s'.", userID, groupID)
	}
	return err
}

func (s *Identity) membership(ctx context.Context, groupID, userID string, do func(context.Context, string, string) error) error {
	if _, err := s.store.Groups().Get(ctx, groupID); err != nil {
		return err
	}
	if _, err := s.store.Users().Get(ctx, userID); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error { return do(ctx, groupID, userID) })
}

// CreateRole makes a role.
func (s *Identity) CreateRole(ctx context.Context, r *Role) error {
	r.ID = clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error { return s.store.Roles().Create(ctx, r) })
}

// UpdateRole saves a changed role.
func (s *Identity) UpdateRole(ctx context.Context, r *Role) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Roles().Update(ctx, r) })
}

// DeleteRole removes a role with its assignments and implications.
func (s *Identity) DeleteRole(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Roles().Delete(ctx, id) })
}

// Imply makes prior imply implied. A circle is refused.
func (s *Identity) Imply(ctx context.Context, i Implication) error {
	if i.PriorID == i.ImpliedID {
		return fault.Forbiddenf("%s cannot be an implied roles.", i.ImpliedID)
	}
	if err := s.bothRoles(ctx, i); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error {
		all, err := s.store.Implications(ctx)
		if err != nil {
			return err
		}
		if slices.Contains(closure([]string{i.ImpliedID}, all), i.PriorID) {
			return fault.Forbiddenf("Implying role %s by role %s would make a circle.", i.ImpliedID, i.PriorID)
		}
		return s.store.AddImplication(ctx, i)
	})
}

// Unimply ends an implication.
func (s *Identity) Unimply(ctx context.Context, i Implication) error {
	if err := s.CheckImplied(ctx, i); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error { return s.store.RemoveImplication(ctx, i) })
}

// CheckImplied answers NotFound unless prior implies implied directly.
func (s *Identity) CheckImplied(ctx context.Context, i Implication) error {
	if err := s.bothRoles(ctx, i); err != nil {
		return err
	}
	all, err := s.store.Implications(ctx)
	if err == nil && !slices.Contains(all, i) {
		err = fault.NotFoundf("%s does not imply %s.", i.PriorID, i.ImpliedID)
	}
	return err
}

func (s *Identity) bothRoles(ctx context.Context, i Implication) error {
	for _, id := range []string{i.PriorID, i.ImpliedID} {
		if _, err := s.store.Roles().Get(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// SaveRegion makes or changes a region.
func (s *Identity) SaveRegion(ctx context.Context, r *Region, create bool) error {
	if r.ID == "" {
		r.ID = clock.NewHexID()
	}
	return s.change(ctx, func(ctx context.Context) error {
		if r.ParentRegionID != "" {
			if _, err := s.store.Regions().Get(ctx, r.ParentRegionID); err != nil {
				return err
			}
		}
		if create {
			return s.store.Regions().Create(ctx, r)
		}
		return s.store.Regions().Update(ctx, r)
	})
}

// DeleteRegion removes a region without endpoints.
func (s *Identity) DeleteRegion(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		used, err := s.store.Endpoints().Find(ctx, equal("region_id", id))
		if err != nil {
			return err
		}
		if used != nil {
			return fault.Forbiddenf("Unable to delete region %s because it or its child regions have associated endpoints.", id)
		}
		return s.store.Regions().Delete(ctx, id)
	})
}

// SaveService makes or changes a service of the catalog.
func (s *Identity) SaveService(ctx context.Context, v *Service, create bool) error {
	return s.change(ctx, func(ctx context.Context) error {
		if create {
			v.ID = clock.NewHexID()
			return s.store.Services().Create(ctx, v)
		}
		return s.store.Services().Update(ctx, v)
	})
}

// DeleteService removes a service with its endpoints.
func (s *Identity) DeleteService(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Services().Delete(ctx, id) })
}

// SaveEndpoint makes or changes an endpoint.
func (s *Identity) SaveEndpoint(ctx context.Context, e *Endpoint, create bool) error {
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.store.Services().Get(ctx, e.ServiceID); err != nil {
			return fault.Invalidf("Could not find service: %s.", e.ServiceID)
		}
		if e.RegionID != "" {
			if _, err := s.store.Regions().Get(ctx, e.RegionID); err != nil {
				return fault.Invalidf("Could not find region: %s.", e.RegionID)
			}
		}
		if create {
			e.ID = clock.NewHexID()
			return s.store.Endpoints().Create(ctx, e)
		}
		return s.store.Endpoints().Update(ctx, e)
	})
}

// DeleteEndpoint removes an endpoint.
func (s *Identity) DeleteEndpoint(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Endpoints().Delete(ctx, id) })
}

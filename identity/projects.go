package identity

import (
	"context"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// immutable refuses to change or delete what is marked so.
func immutable(kind, id string, options map[string]any, verb string) error {
	if on, _ := options["immutable"].(bool); on {
		return fault.Forbiddenf("Unable to %s immutable %s resource: `%s. Set resource option \"immutable\" to false first.", verb, kind, id)
	}
	return nil
}

// mayChange lets only the mark itself be taken off what is immutable.
func mayChange(kind, id string, old, new map[string]any) error {
	if on, _ := new["immutable"].(bool); on {
		return immutable(kind, id, old, "update")
	}
	return nil
}

func projectKind(p *Project) string {
	if p.IsDomain {
		return "domain"
	}
	return "project"
}

// CreateDomain makes a domain.
func (s *Identity) CreateDomain(ctx context.Context, d *Project) error {
	if d.ID == "" {
		d.ID = clock.NewHexID()
	}
	d.IsDomain, d.CreatedAt = true, s.clock.Now()
	return s.change(ctx, func(ctx context.Context) error { return s.store.Projects().Create(ctx, d) })
}

// Domain gives a domain by id.
func (s *Identity) Domain(ctx context.Context, id string) (*Project, error) {
	d, err := s.store.Projects().Get(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && !d.IsDomain {
		return nil, fault.NotFoundf("Could not find domain: %s.", id)
	}
	return d, err
}

// DeleteDomain removes a disabled domain with all it owns.
func (s *Identity) DeleteDomain(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		d, err := s.Domain(ctx, id)
		if err != nil {
			return err
		}
		if err := immutable("domain", id, d.Options, "delete"); err != nil {
			return err
		}
		if d.Enabled {
			return fault.Forbiddenf("You are not authorized to perform the requested action: Cannot delete a domain that is enabled, please disable it first.")
		}
		if err := s.store.AddEvent(ctx, Event{DomainID: id, RevokedAt: s.clock.Now()}); err != nil {
			return err
		}
		return s.store.Projects().Delete(ctx, id)
	})
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
		above, err := s.ancestors(ctx, parent.ID)
		if err != nil {
			return err
		}
		// The tree's depth counts projects below the domain.
		if !parent.IsDomain && len(above)+1 > s.cfg.MaxProjectTreeDepth {
			return fault.Forbiddenf("Max hierarchy depth reached for %s branch.", parent.ID)
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

// UpdateProject changes a project or a domain.
func (s *Identity) UpdateProject(ctx context.Context, id string, apply func(*Project)) (*Project, error) {
	return update(ctx, s, s.store.Projects(), id, func(ctx context.Context, p *Project) error {
		old := *p
		apply(p)
		if err := mayChange(projectKind(p), id, old.Options, p.Options); err != nil {
			return err
		}
		switch {
		case old.ParentID != p.ParentID:
			return fault.Forbiddenf("Update of `parent_id` is not allowed.")
		case old.DomainID != p.DomainID || old.IsDomain != p.IsDomain:
			return fault.Invalidf("Update of `domain_id` is not allowed.")
		case !p.Enabled && id == DefaultDomain:
			return fault.Forbiddenf("You are not authorized to perform the requested action: disable the default domain.")
		case old.Enabled == p.Enabled || p.IsDomain:
			return s.noteDisabled(ctx, &old, p)
		}
		if p.Enabled {
			parent, err := s.store.Projects().Get(ctx, p.ParentID)
			if err != nil {
				return err
			}
			if !parent.Enabled {
				return fault.Forbiddenf("You are not authorized to perform the requested action: Cannot enable project %s since it has disabled parents.", id)
			}
			return nil
		}
		below, err := s.Subtree(ctx, id)
		if err != nil {
			return err
		}
		for _, b := range below {
			if b.Enabled {
				return fault.Forbiddenf("You are not authorized to perform the requested action: Cannot disable project %s since its subtree contains enabled projects.", id)
			}
		}
		return s.noteDisabled(ctx, &old, p)
	})
}

// noteDisabled tells that the tokens of what was switched off ended.
func (s *Identity) noteDisabled(ctx context.Context, old, now *Project) error {
	if !old.Enabled || now.Enabled {
		return nil
	}
	e := Event{ProjectID: now.ID, RevokedAt: s.clock.Now()}
	if now.IsDomain {
		e = Event{DomainID: now.ID, RevokedAt: s.clock.Now()}
	}
	return s.store.AddEvent(ctx, e)
}

// SetTags replaces, or with a function that changes them edits, a project's
// tags.
func (s *Identity) SetTags(ctx context.Context, id string, edit func([]string) ([]string, error)) (*Project, error) {
	return update(ctx, s, s.store.Projects(), id, func(_ context.Context, p *Project) (err error) {
		if err := immutable("project", id, p.Options, "update"); err != nil {
			return err
		}
		p.Tags, err = edit(p.Tags)
		return err
	})
}

// DeleteProject removes a project without children, and all that is on it.
func (s *Identity) DeleteProject(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		p, err := s.store.Projects().Get(ctx, id)
		if err != nil {
			return err
		}
		if err := immutable(projectKind(p), id, p.Options, "delete"); err != nil {
			return err
		}
		if p.IsDomain && p.Enabled {
			return fault.Forbiddenf("You are not authorized to perform the requested action: cannot delete an enabled project acting as a domain. Please disable the project %s first.", id)
		}
		child, err := s.store.Projects().Find(ctx, equal("parent_id", id))
		if err != nil {
			return err
		}
		if child != nil {
			return fault.Forbiddenf("Cannot delete the project %s since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.", id)
		}
		if err := s.store.AddEvent(ctx, Event{ProjectID: id, RevokedAt: s.clock.Now()}); err != nil {
			return err
		}
		return s.store.Projects().Delete(ctx, id)
	})
}

// ancestors lists the ids above a project: parents, and its domain last.
func (s *Identity) ancestors(ctx context.Context, projectID string) ([]string, error) {
	var ids []string
	for id := projectID; ; {
		p, err := s.store.Projects().Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if p.ParentID == "" {
			return ids, nil
		}
		ids = append(ids, p.ParentID)
		id = p.ParentID
	}
}

// Parents lists the projects above one, the nearest first, without the
// domain.
func (s *Identity) Parents(ctx context.Context, id string) ([]Project, error) {
	ids, err := s.ancestors(ctx, id)
	if err != nil {
		return nil, err
	}
	out := []Project{}
	for _, id := range ids {
		p, err := s.store.Projects().Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if !p.IsDomain {
			out = append(out, *p)
		}
	}
	return out, nil
}

// Subtree lists the projects below one, parents before their children.
func (s *Identity) Subtree(ctx context.Context, id string) ([]Project, error) {
	out := []Project{}
	for level := []any{id}; len(level) > 0; {
		below, err := s.store.Projects().List(ctx, everything, filters(db.Filter{Column: "parent_id", Op: db.Equal, Values: level}))
		if err != nil {
			return nil, err
		}
		level = nil
		for _, p := range below {
			level = append(level, p.ID)
		}
		out = append(out, below...)
	}
	return out, nil
}

package identity

import (
	"context"
	"strings"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Region is where endpoints are.
type Region struct {
	ID             string
	ParentRegionID string
	Description    string
	Extra          map[string]any
}

// Service is an entry of the catalog.
type Service struct {
	ID          string
	Type        string
	Name        string
	Description string
	Enabled     bool
	Extra       map[string]any
}

// Endpoint is an address of a service.
type Endpoint struct {
	ID        string
	ServiceID string
	RegionID  string
	Interface string // public, internal or admin
	URL       string
	Enabled   bool
	Extra     map[string]any
}

// CreateRegion makes a region, with an id of the client's if it has one.
func (s *Identity) CreateRegion(ctx context.Context, r *Region) error {
	if r.ID == "" {
		r.ID = clock.NewHexID()
	}
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.checkParent(ctx, r); err != nil {
			return err
		}
		return s.store.Regions().Create(ctx, r)
	})
}

// checkParent refuses a parent that is not there, or that is below the
// region itself.
func (s *Identity) checkParent(ctx context.Context, r *Region) error {
	for id := r.ParentRegionID; id != ""; {
		if id == r.ID {
			return fault.Invalidf("Unable to make region %s its own ancestor.", r.ID)
		}
		parent, err := s.store.Regions().Get(ctx, id)
		if err != nil {
			return err
		}
		id = parent.ParentRegionID
	}
	return nil
}

// UpdateRegion changes a region.
func (s *Identity) UpdateRegion(ctx context.Context, id string, apply func(*Region)) (*Region, error) {
	return update(ctx, s, s.store.Regions(), id, func(ctx context.Context, r *Region) error {
		apply(r)
		return s.checkParent(ctx, r)
	})
}

// DeleteRegion removes a region and those below it, if none has endpoints.
func (s *Identity) DeleteRegion(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.store.Regions().Get(ctx, id); err != nil {
			return err
		}
		used := fault.Forbiddenf("Unable to delete region %s because it or its child regions have associated endpoints.", id)
		todo := []string{id}
		for n := 0; n < len(todo); n++ {
			e, err := s.store.Endpoints().Find(ctx, equal("region_id", todo[n]))
			if err != nil {
				return err
			}
			if e != nil {
				return used
			}
			below, err := s.store.Regions().List(ctx, everything, filters(equal("parent_region_id", todo[n])))
			if err != nil {
				return err
			}
			for _, r := range below {
				todo = append(todo, r.ID)
			}
		}
		for _, r := range todo {
			if err := s.store.Regions().Delete(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// CreateService makes a service of the catalog.
func (s *Identity) CreateService(ctx context.Context, v *Service) error {
	v.ID = clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error { return s.store.Services().Create(ctx, v) })
}

// UpdateService changes a service.
func (s *Identity) UpdateService(ctx context.Context, id string, apply func(*Service)) (*Service, error) {
	return update(ctx, s, s.store.Services(), id, func(_ context.Context, v *Service) error { apply(v); return nil })
}

// DeleteService removes a service with its endpoints.
func (s *Identity) DeleteService(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Services().Delete(ctx, id) })
}

// CreateEndpoint makes an endpoint.
func (s *Identity) CreateEndpoint(ctx context.Context, e *Endpoint) error {
	e.ID = clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.catalogPlace(ctx, e.ServiceID, e.RegionID); err != nil {
			return err
		}
		return s.store.Endpoints().Create(ctx, e)
	})
}

// UpdateEndpoint changes an endpoint.
func (s *Identity) UpdateEndpoint(ctx context.Context, id string, apply func(*Endpoint)) (*Endpoint, error) {
	return update(ctx, s, s.store.Endpoints(), id, func(ctx context.Context, e *Endpoint) error {
		apply(e)
		return s.catalogPlace(ctx, e.ServiceID, e.RegionID)
	})
}

// DeleteEndpoint removes an endpoint.
func (s *Identity) DeleteEndpoint(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Endpoints().Delete(ctx, id) })
}

// Catalog gives the enabled services, and their enabled endpoints by service,
// as a project sees them. They must not be changed.
func (s *Identity) Catalog(ctx context.Context, projectID string) ([]Service, map[string][]Endpoint, error) {
	c, err := s.wholeCatalog(ctx)
	if err != nil || projectID == "" || !c.linked {
		return c.services, c.endpoints, err
	}
	visible, narrowed, err := s.LinkedEndpoints(ctx, projectID)
	if err != nil || !narrowed {
		return c.services, c.endpoints, err
	}
	seen := map[string][]Endpoint{}
	for service, endpoints := range c.endpoints {
		for _, e := range endpoints {
			if visible[e.ID] {
				seen[service] = append(seen[service], e)
			}
		}
	}
	return c.services, seen, nil
}

// wholeCatalog reads the catalog and the roles once for every change; with an
// error it gives an empty one.
func (s *Identity) wholeCatalog(ctx context.Context) (*catalog, error) {
	empty := &catalog{}
	if err := s.refresh(ctx); err != nil {
		return empty, err
	}
	epoch := s.tokens.epochNow()
	if c := s.tokens.getCatalog(epoch); c != nil {
		return c, nil
	}
	byType := db.Page{Sort: []db.SortKey{{Column: "type"}}}
	services, err := s.store.Services().List(ctx, byType, nil)
	if err != nil {
		return empty, err
	}
	all, err := s.store.Endpoints().List(ctx, db.Page{}, nil)
	if err != nil {
		return empty, err
	}
	endpoints := map[string][]Endpoint{}
	for _, e := range all {
		if e.Enabled {
			endpoints[e.ServiceID] = append(endpoints[e.ServiceID], e)
		}
	}
	var enabled []Service
	for _, v := range services {
		if v.Enabled {
			enabled = append(enabled, v)
		}
	}
	c := &catalog{services: enabled, endpoints: endpoints, roles: map[string]Role{}}
	roles, err := s.store.Roles().List(ctx, everything, nil)
	if err != nil {
		return empty, err
	}
	for _, r := range roles {
		c.roles[r.ID] = r
	}
	if c.implications, err = s.store.Implications(ctx); err != nil {
		return empty, err
	}
	for _, group := range []bool{false, true} {
		links, err := s.store.Links(ctx, group, "", "")
		if err != nil {
			return empty, err
		}
		c.linked = c.linked || len(links) > 0
	}
	s.tokens.putCatalog(epoch, c)
	return c, nil
}

// EndpointURL fills the project into an endpoint's address.
func EndpointURL(url, projectID string) string {
	for _, place := range []string{"$(project_id)s", "%(project_id)s", "$(tenant_id)s", "%(tenant_id)s"} {
		url = strings.ReplaceAll(url, place, projectID)
	}
	return url
}

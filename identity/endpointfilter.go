package identity

import (
	"context"
	"slices"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// EndpointGroup is a set of endpoints by what they have in common.
type EndpointGroup struct {
	ID          string
	Name        string
	Description string
	Filters     map[string]string // service_id, region_id, interface
}

// Holds reports whether an endpoint is in the group.
func (g *EndpointGroup) Holds(e *Endpoint) bool {
	have := map[string]string{"service_id": e.ServiceID, "region_id": e.RegionID, "interface": e.Interface}
	for k, want := range g.Filters {
		if have[k] != want {
			return false
		}
	}
	return true
}

// checkFilters refuses what no endpoint could be asked for.
func (s *Identity) checkFilters(ctx context.Context, g *EndpointGroup) error {
	for k, v := range g.Filters {
		switch k {
		case "service_id":
			if _, err := s.store.Services().Get(ctx, v); err != nil {
				return invalid(err, "Could not find service: %s.", v)
			}
		case "region_id":
			if _, err := s.store.Regions().Get(ctx, v); err != nil {
				return invalid(err, "Could not find region: %s.", v)
			}
		}
	}
	return nil
}

// CreateEndpointGroup makes a group.
func (s *Identity) CreateEndpointGroup(ctx context.Context, g *EndpointGroup) error {
	g.ID = clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.checkFilters(ctx, g); err != nil {
			return err
		}
		return s.store.EndpointGroups().Create(ctx, g)
	})
}

// UpdateEndpointGroup changes a group.
func (s *Identity) UpdateEndpointGroup(ctx context.Context, id string, apply func(*EndpointGroup)) (*EndpointGroup, error) {
	return update(ctx, s, s.store.EndpointGroups(), id, func(ctx context.Context, g *EndpointGroup) error {
		apply(g)
		return s.checkFilters(ctx, g)
	})
}

// DeleteEndpointGroup removes a group and its associations.
func (s *Identity) DeleteEndpointGroup(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.EndpointGroups().Delete(ctx, id) })
}

// Link ties a project to an endpoint or to a group of endpoints.
type Link struct {
	ProjectID string
	Group     bool
	OtherID   string
}

func (s *Identity) checkLink(ctx context.Context, l Link) error {
	if _, err := s.store.Projects().Get(ctx, l.ProjectID); err != nil {
		return err
	}
	var err error
	if l.Group {
		_, err = s.store.EndpointGroups().Get(ctx, l.OtherID)
	} else {
		_, err = s.store.Endpoints().Get(ctx, l.OtherID)
	}
	return err
}

// AddLink shows a project the endpoint, or those of the group; with the
// first of them it sees only what it is linked to.
func (s *Identity) AddLink(ctx context.Context, l Link) error {
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.checkLink(ctx, l); err != nil {
			return err
		}
		return s.store.AddLink(ctx, l)
	})
}

// CheckLink answers NotFound unless the link is there.
func (s *Identity) CheckLink(ctx context.Context, l Link) error {
	if err := s.checkLink(ctx, l); err != nil {
		return err
	}
	links, err := s.store.Links(ctx, l.Group, l.ProjectID, "")
	if err == nil && !slices.Contains(links, l) {
		err = fault.NotFoundf("Endpoint or endpoint group %s is not associated with project %s.", l.OtherID, l.ProjectID)
	}
	return err
}

// RemoveLink ends a link.
func (s *Identity) RemoveLink(ctx context.Context, l Link) error {
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.CheckLink(ctx, l); err != nil {
			return err
		}
		return s.store.RemoveLink(ctx, l)
	})
}

// LinkedEndpoints lists the ids of the endpoints a project is linked to,
// directly or by groups. linked is false for a project without any link,
// which sees all.
func (s *Identity) LinkedEndpoints(ctx context.Context, projectID string) (ids map[string]bool, linked bool, err error) {
	direct, err := s.store.Links(ctx, false, projectID, "")
	if err != nil {
		return nil, false, err
	}
	grouped, err := s.store.Links(ctx, true, projectID, "")
	if err != nil || len(direct)+len(grouped) == 0 {
		return nil, false, err
	}
	ids = map[string]bool{}
	for _, l := range direct {
		ids[l.OtherID] = true
	}
	for _, l := range grouped {
		members, err := s.GroupEndpoints(ctx, l.OtherID)
		if err != nil {
			return nil, false, err
		}
		for _, e := range members {
			ids[e.ID] = true
		}
	}
	return ids, true, nil
}

// GroupEndpoints lists a group's endpoints.
func (s *Identity) GroupEndpoints(ctx context.Context, groupID string) ([]Endpoint, error) {
	g, err := s.store.EndpointGroups().Get(ctx, groupID)
	if err != nil {
		return nil, err
	}
	all, err := s.store.Endpoints().List(ctx, everything, nil)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(e Endpoint) bool { return !g.Holds(&e) }), nil
}

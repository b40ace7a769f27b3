package identity

import (
	"context"
	"strings"

	"nubo/internal/db"
)

// Catalog gives the enabled services, and their enabled endpoints by service.
// They must not be changed.
func (s *Identity) Catalog(ctx context.Context) ([]Service, map[string][]Endpoint, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, nil, err
	}
	epoch := s.tokens.epochNow()
	if c := s.tokens.getCatalog(epoch); c != nil {
		return c.services, c.endpoints, nil
	}
	byType := db.Page{Sort: []db.SortKey{{Column: "type"}}}
	services, err := s.store.Services().List(ctx, byType, nil)
	if err != nil {
		return nil, nil, err
	}
	all, err := s.store.Endpoints().List(ctx, db.Page{}, nil)
	if err != nil {
		return nil, nil, err
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
	s.tokens.putCatalog(epoch, &catalog{enabled, endpoints})
	return enabled, endpoints, nil
}

// EndpointURL fills the project into an endpoint's address.
func EndpointURL(url, projectID string) string {
	for _, place := range []string{"$(project_id)s", "%(project_id)s", "$(tenant_id)s", "%(tenant_id)s"} {
		url = strings.ReplaceAll(url, place, projectID)
	}
	return url
}

package compute

import (
	"context"
	"slices"
)

// Zone is an availability zone.
type Zone struct {
	Name      string
	Available bool
	// Hosts has each host's services.
	Hosts map[string][]*ComputeService
}

// hostZones says which zone each host is in by an aggregate.
func (s *Service) hostZones(ctx context.Context) (map[string]string, error) {
	all, err := s.store.Aggregates(ctx)
	if err != nil {
		return nil, err
	}
	zones := map[string]string{}
	for _, a := range all {
		if zone := a.Zone(); zone != "" {
			for _, h := range a.Hosts {
				zones[h] = zone
			}
		}
	}
	return zones, nil
}

// zoneNames are the zones somebody can ask for.
func (s *Service) zoneNames(ctx context.Context) ([]string, error) {
	zones, err := s.Zones(ctx)
	var names []string
	for _, z := range zones {
		if z.Name != s.cfg.Default.InternalServiceZone {
			names = append(names, z.Name)
		}
	}
	return names, err
}

// Zones lists the zones that have services. A zone is available while one of
// its compute services is enabled.
func (s *Service) Zones(ctx context.Context) ([]Zone, error) {
	services, err := s.Services(ctx, "", "")
	if err != nil {
		return nil, err
	}
	byName := map[string]*Zone{}
	for _, one := range services {
		z := byName[one.AZ]
		if z == nil {
			z = &Zone{Name: one.AZ, Hosts: map[string][]*ComputeService{}}
			byName[one.AZ] = z
		}
		z.Hosts[one.Host] = append(z.Hosts[one.Host], one)
		z.Available = z.Available || !one.Disabled
	}
	var zones []Zone
	for _, name := range sortedKeys(byName) {
		zones = append(zones, *byName[name])
	}
	slices.SortStableFunc(zones, func(a, b Zone) int { // what is there before what is not
		switch {
		case a.Available == b.Available:
			return 0
		case a.Available:
			return -1
		}
		return 1
	})
	return zones, nil
}

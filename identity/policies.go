package identity

import (
	"context"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Policy is a policy file kept for whoever wants to fetch it.
type Policy struct {
	ID    string
	Type  string
	Blob  string
	Extra map[string]any
}

// PolicyAssociation says for which endpoints a policy is: for one, for a
// service's, or for a service's in a region.
type PolicyAssociation struct {
	PolicyID   string
	EndpointID string
	ServiceID  string
	RegionID   string
}

// CreatePolicy keeps a policy.
func (s *Identity) CreatePolicy(ctx context.Context, p *Policy) error {
	p.ID = clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error { return s.store.Policies().Create(ctx, p) })
}

// UpdatePolicy changes a policy.
func (s *Identity) UpdatePolicy(ctx context.Context, id string, apply func(*Policy)) (*Policy, error) {
	return update(ctx, s, s.store.Policies(), id, func(_ context.Context, p *Policy) error { apply(p); return nil })
}

// DeletePolicy forgets a policy and its associations.
func (s *Identity) DeletePolicy(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Policies().Delete(ctx, id) })
}

func (s *Identity) checkAssociation(ctx context.Context, a PolicyAssociation) error {
	if _, err := s.store.Policies().Get(ctx, a.PolicyID); err != nil {
		return err
	}
	if a.EndpointID != "" {
		if _, err := s.store.Endpoints().Get(ctx, a.EndpointID); err != nil {
			return err
		}
	}
	if a.ServiceID != "" {
		if _, err := s.store.Services().Get(ctx, a.ServiceID); err != nil {
			return err
		}
	}
	if a.RegionID != "" {
		if _, err := s.store.Regions().Get(ctx, a.RegionID); err != nil {
			return err
		}
	}
	return nil
}

// AssociatePolicy makes a policy the one of some endpoints, in place of any
// before it.
func (s *Identity) AssociatePolicy(ctx context.Context, a PolicyAssociation) error {
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.checkAssociation(ctx, a); err != nil {
			return err
		}
		return s.store.AssociatePolicy(ctx, a)
	})
}

// CheckPolicyAssociation answers NotFound unless the policy is that of the
// endpoints.
func (s *Identity) CheckPolicyAssociation(ctx context.Context, a PolicyAssociation) error {
	if err := s.checkAssociation(ctx, a); err != nil {
		return err
	}
	found, err := s.store.PolicyAssociations(ctx)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f == a {
			return nil
		}
	}
	return fault.NotFoundf("Could not find policy association.")
}

// DissociatePolicy ends an association.
func (s *Identity) DissociatePolicy(ctx context.Context, a PolicyAssociation) error {
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.CheckPolicyAssociation(ctx, a); err != nil {
			return err
		}
		return s.store.DissociatePolicy(ctx, a)
	})
}

// PolicyFor finds the policy of an endpoint: its own, else its service's in
// its region or the nearest region above, else its service's.
func (s *Identity) PolicyFor(ctx context.Context, endpointID string) (*Policy, error) {
	e, err := s.store.Endpoints().Get(ctx, endpointID)
	if err != nil {
		return nil, err
	}
	found, err := s.store.PolicyAssociations(ctx)
	if err != nil {
		return nil, err
	}
	wanted := []PolicyAssociation{{EndpointID: e.ID}}
	for region := e.RegionID; region != "" && len(wanted) < 64; {
		wanted = append(wanted, PolicyAssociation{ServiceID: e.ServiceID, RegionID: region})
		r, err := s.store.Regions().Get(ctx, region)
		if err != nil {
			return nil, err
		}
		region = r.ParentRegionID
	}
	for _, w := range append(wanted, PolicyAssociation{ServiceID: e.ServiceID}) {
		for _, f := range found {
			if f.EndpointID == w.EndpointID && f.ServiceID == w.ServiceID && f.RegionID == w.RegionID {
				return s.store.Policies().Get(ctx, f.PolicyID)
			}
		}
	}
	return nil, fault.NotFoundf("No policy is associated with endpoint %s.", endpointID)
}

// EndpointsOf lists the endpoints whose policy is the given one.
func (s *Identity) EndpointsOf(ctx context.Context, policyID string) ([]Endpoint, error) {
	if _, err := s.store.Policies().Get(ctx, policyID); err != nil {
		return nil, err
	}
	all, err := s.store.Endpoints().List(ctx, everything, nil)
	if err != nil {
		return nil, err
	}
	out := []Endpoint{}
	for _, e := range all {
		p, err := s.PolicyFor(ctx, e.ID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if p.ID == policyID {
			out = append(out, e)
		}
	}
	return out, nil
}

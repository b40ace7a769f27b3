package placement

import (
	"context"
	"time"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Provider is whatever has resources: a host, a disk pool, a device in a host.
type Provider struct {
	UUID       string
	Name       string
	Generation int64
	ParentUUID string // "" for the root of a tree
	RootUUID   string // its own for a root
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// ProviderQuery selects providers. Zero fields select all.
type ProviderQuery struct {
	UUID, Name string
	InTree     string // uuid of any provider of the tree
	// Fits are amounts a provider must have left of each class itself.
	Fits map[string]int64
	Filter
}

// Filter is what traits and aggregates a provider must and must not have.
type Filter struct {
	// Required is a list of sets; of each, one trait must be there.
	Required  [][]string
	Forbidden []string
	// MemberOf is a list of sets; of each, one aggregate must have it.
	MemberOf      [][]string
	ForbiddenAggs []string
}

// ProviderStore keeps providers.
type ProviderStore interface {
	// Provider gives one, or ProviderNotFound.
	Provider(ctx context.Context, uuid string) (*Provider, error)
	// Providers lists them in the order of their uuids.
	Providers(ctx context.Context, q ProviderQuery) ([]Provider, error)
	// InsertProvider says which of uuid and name is taken, if one is.
	InsertProvider(ctx context.Context, p *Provider) (taken string, err error)
	// UpdateProvider changes name, parent and root.
	UpdateProvider(ctx context.Context, p *Provider) (taken string, err error)
	// DeleteProvider removes it with its inventories, traits, aggregates.
	DeleteProvider(ctx context.Context, uuid string) error
	// Bump raises a provider's generation if it is still the one given, or
	// else gives GenerationConflict.
	Bump(ctx context.Context, uuid string, generation int64, now time.Time) error
}

// CreateProvider makes one. An empty UUID has one made.
func (s *Service) CreateProvider(ctx context.Context, p Provider) (*Provider, error) {
	if p.UUID == "" {
		p.UUID = clock.NewID()
	}
	p.RootUUID = p.UUID
	p.CreatedAt = s.clock.Now()
	p.UpdatedAt = p.CreatedAt
	refuse := func(reason string) error {
		return fault.Invalidf("Unable to create resource provider %q, %s: Object action create failed because: %s", p.Name, p.UUID, reason)
	}
	if p.ParentUUID == p.UUID {
		return nil, refuse("parent provider UUID cannot be same as UUID. Please set parent provider UUID to None if there is no parent.")
	}
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		if p.ParentUUID != "" {
			parent, err := s.store.Provider(ctx, p.ParentUUID)
			if fault.Is(err, fault.NotFound) {
				return refuse("parent provider UUID does not exist.")
			}
			if err != nil {
				return err
			}
			p.RootUUID = parent.RootUUID
		}
		taken, err := s.store.InsertProvider(ctx, &p)
		if taken != "" {
			return conflict(codeDuplicateName, "Conflicting resource provider %s already exists.", taken)
		}
		return err
	})
	return &p, err
}

// Provider shows one.
func (s *Service) Provider(ctx context.Context, uuid string) (*Provider, error) {
	return s.store.Provider(ctx, uuid)
}

// Providers lists.
func (s *Service) Providers(ctx context.Context, q ProviderQuery) ([]Provider, error) {
	if err := s.knownClasses(ctx, q.Fits); err != nil {
		return nil, err
	}
	if err := s.knownTraits(ctx, q.Filter); err != nil {
		if fault.Is(err, fault.Invalid) {
			err = fault.Invalidf(`Invalid trait(s) in "required" parameter: %s`, err)
		}
		return nil, err
	}
	return s.store.Providers(ctx, q)
}

// ProviderUpdate changes a provider.
type ProviderUpdate struct {
	Name string
	// Parent is nil to leave it; "" makes the provider a root.
	Parent *string
	// Reparent allows a parent to be changed or taken away once it is set.
	Reparent bool
}

// UpdateProvider renames a provider or moves it, with all below it, to
// another place in the trees.
func (s *Service) UpdateProvider(ctx context.Context, uuid string, u ProviderUpdate) (*Provider, error) {
	var p *Provider
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		var err error
		if p, err = s.store.Provider(ctx, uuid); err != nil {
			return err
		}
		p.Name, p.UpdatedAt = u.Name, s.clock.Now()
		if u.Parent != nil && *u.Parent != p.ParentUUID {
			if err := s.move(ctx, p, *u.Parent, u.Reparent); err != nil {
				return err
			}
		}
		taken, err := s.store.UpdateProvider(ctx, p)
		if taken != "" {
			return conflict(codeDuplicateName, "Conflicting resource provider %s already exists.", p.Name)
		}
		return err
	})
	return p, err
}

// move gives p another parent and everything below it another root.
func (s *Service) move(ctx context.Context, p *Provider, parent string, reparent bool) error {
	refuse := func(action, reason string) error {
		return fault.Invalidf("Unable to save resource provider %s: Object action %s failed because: %s", p.UUID, action, reason)
	}
	if p.ParentUUID != "" && !reparent {
		if parent == "" {
			return refuse("update", "un-parenting a provider is not currently allowed.")
		}
		return refuse("update", "re-parenting a provider is not currently allowed.")
	}
	below, err := s.below(ctx, p)
	if err != nil {
		return err
	}
	root := p.UUID
	if parent != "" {
		above, err := s.store.Provider(ctx, parent)
		switch {
		case fault.Is(err, fault.NotFound):
			return refuse("create", "parent provider UUID does not exist.")
		case err != nil:
			return err
		}
		for _, b := range append(below, *p) {
			if b.UUID == parent {
				return refuse("update", "creating loop in the provider tree is not allowed.")
			}
		}
		root = above.RootUUID
	}
	p.ParentUUID, p.RootUUID = parent, root
	for _, b := range below {
		b.RootUUID = root
		if _, err := s.store.UpdateProvider(ctx, &b); err != nil {
			return err
		}
	}
	return nil
}

// below gives all providers under p in its tree.
func (s *Service) below(ctx context.Context, p *Provider) ([]Provider, error) {
	tree, err := s.store.Providers(ctx, ProviderQuery{InTree: p.UUID})
	if err != nil {
		return nil, err
	}
	children := map[string][]Provider{}
	for _, one := range tree {
		children[one.ParentUUID] = append(children[one.ParentUUID], one)
	}
	var out []Provider
	for next := children[p.UUID]; len(next) > 0; {
		one := next[0]
		out = append(out, one)
		next = append(next[1:], children[one.UUID]...)
	}
	return out, nil
}

// DeleteProvider removes one that has no children and no allocations.
func (s *Service) DeleteProvider(ctx context.Context, uuid string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		p, err := s.store.Provider(ctx, uuid)
		if fault.Is(err, fault.NotFound) {
			return fault.NotFoundf("No resource provider with uuid %s found for delete", uuid)
		}
		if err != nil {
			return err
		}
		below, err := s.below(ctx, p)
		if err != nil {
			return err
		}
		if len(below) > 0 {
			return conflict(codeCannotDeleteParent, "Unable to delete parent resource provider %s: It has child resource providers.", uuid)
		}
		inventories, err := s.store.Inventories(ctx, uuid)
		if err != nil {
			return err
		}
		for _, i := range inventories {
			if i.Used > 0 {
				return conflict(codeProviderInUse, "Unable to delete resource provider %s: Resource provider has allocations.", uuid)
			}
		}
		return s.store.DeleteProvider(ctx, uuid)
	})
}

// edit changes what belongs to a provider in a transaction of its own: fn
// runs if the generation is still that given (nil for any), and then the
// generation is raised. The provider comes back as it is afterwards.
func (s *Service) edit(ctx context.Context, uuid string, generation *int64, fn func(ctx context.Context, p *Provider) error) (*Provider, error) {
	var p *Provider
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		var err error
		if p, err = s.store.Provider(ctx, uuid); err != nil {
			return err
		}
		if generation != nil && *generation != p.Generation {
			return GenerationConflict()
		}
		if err := fn(ctx, p); err != nil {
			return err
		}
		p.UpdatedAt = s.clock.Now()
		if err := s.store.Bump(ctx, uuid, p.Generation, p.UpdatedAt); err != nil {
			return err
		}
		p.Generation++
		return nil
	})
	return p, err
}

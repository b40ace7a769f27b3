package placement

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"nubo/internal/fault"
)

// standardTraitsText has OpenStack's traits (those of os-traits), one a line,
// sorted.
//
//go:embed traits.txt
var standardTraitsText string

var standardTraits = strings.Fields(standardTraitsText)

func isStandardTrait(name string) bool {
	_, found := slices.BinarySearch(standardTraits, name)
	return found
}

// TraitQuery selects traits.
type TraitQuery struct {
	Names      []string // nil for all
	Prefix     string
	Associated *bool // whether any provider has it
}

// ListTraits lists traits in the order of their names.
func (s *Service) ListTraits(ctx context.Context, q TraitQuery) ([]string, error) {
	custom, err := s.store.CustomTraits(ctx, nil)
	if err != nil {
		return nil, err
	}
	var used []string
	if q.Associated != nil {
		if used, err = s.store.UsedTraits(ctx); err != nil {
			return nil, err
		}
	}
	all := append(slices.Clone(standardTraits), custom...)
	slices.Sort(all)
	return slices.DeleteFunc(all, func(name string) bool {
		return q.Names != nil && !slices.Contains(q.Names, name) || !strings.HasPrefix(name, q.Prefix) ||
			q.Associated != nil && slices.Contains(used, name) != *q.Associated
	}), nil
}

// unknownTraits gives those of the names that are no traits.
func (s *Service) unknownTraits(ctx context.Context, names []string) ([]string, error) {
	var ask, unknown []string
	for _, name := range names {
		switch {
		case isStandardTrait(name):
		case IsCustomName(name):
			ask = append(ask, name)
		default:
			unknown = append(unknown, name)
		}
	}
	if len(ask) == 0 {
		return unknown, nil
	}
	known, err := s.store.CustomTraits(ctx, ask)
	return append(unknown, slices.DeleteFunc(ask, func(name string) bool { return slices.Contains(known, name) })...), err
}

// knownTraits fails unless all traits of the filters exist.
func (s *Service) knownTraits(ctx context.Context, filters ...Filter) error {
	var names []string
	for _, f := range filters {
		names = slices.Concat(names, slices.Concat(f.Required...), f.Forbidden)
	}
	unknown, err := s.unknownTraits(ctx, names)
	if err == nil && len(unknown) > 0 {
		slices.Sort(unknown)
		err = fault.Invalidf("No such trait(s): %s.", strings.Join(slices.Compact(unknown), ", "))
	}
	return err
}

// Trait fails unless the trait exists.
func (s *Service) Trait(ctx context.Context, name string) error {
	unknown, err := s.unknownTraits(ctx, []string{name})
	if err == nil && len(unknown) > 0 {
		err = fault.NotFoundf("No such trait(s): %s.", name)
	}
	return err
}

// EnsureTrait makes a custom trait exist and reports whether it is new.
func (s *Service) EnsureTrait(ctx context.Context, name string) (bool, error) {
	return s.store.PutTrait(ctx, name)
}

// DeleteTrait removes a custom trait that no provider has.
func (s *Service) DeleteTrait(ctx context.Context, name string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.Trait(ctx, name); err != nil {
			return err
		}
		if isStandardTrait(name) {
			return fault.Invalidf("Cannot delete standard trait %s.", name)
		}
		used, err := s.store.UsedTraits(ctx)
		if err != nil {
			return err
		}
		if slices.Contains(used, name) {
			return fault.Conflictf("The trait %s is in use by a resource provider.", name)
		}
		return s.store.DeleteTrait(ctx, name)
	})
}

// Traits shows a provider's traits.
func (s *Service) Traits(ctx context.Context, uuid string) (*Provider, []string, error) {
	p, err := s.store.Provider(ctx, uuid)
	if err != nil {
		return nil, nil, err
	}
	traits, err := s.store.Traits(ctx, uuid)
	return p, traits, err
}

// SetTraits makes the provider have exactly these traits. A nil generation is
// any.
func (s *Service) SetTraits(ctx context.Context, uuid string, generation *int64, traits []string) (*Provider, error) {
	return s.edit(ctx, uuid, generation, func(ctx context.Context, _ *Provider) error {
		unknown, err := s.unknownTraits(ctx, traits)
		if err != nil {
			return err
		}
		if len(unknown) > 0 {
			return fault.Invalidf("No such trait %s", strings.Join(unknown, ", "))
		}
		return s.store.SetTraits(ctx, uuid, traits)
	})
}

// Aggregates shows the aggregates a provider is in.
func (s *Service) Aggregates(ctx context.Context, uuid string) (*Provider, []string, error) {
	p, err := s.store.Provider(ctx, uuid)
	if err != nil {
		return nil, nil, err
	}
	aggregates, err := s.store.Aggregates(ctx, uuid)
	return p, aggregates, err
}

// SetAggregates puts the provider into exactly these. A nil generation is
// any.
func (s *Service) SetAggregates(ctx context.Context, uuid string, generation *int64, aggregates []string) (*Provider, error) {
	return s.edit(ctx, uuid, generation, func(ctx context.Context, _ *Provider) error {
		return s.store.SetAggregates(ctx, uuid, aggregates)
	})
}

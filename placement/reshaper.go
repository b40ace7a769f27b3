package placement

import (
	"context"

	"nubo/internal/fault"
)

// Shape is what inventories a provider is to have, exactly.
type Shape struct {
	Provider    string
	Generation  int64
	Inventories []Inventory
}

// Reshape moves inventories between providers together with what is allocated
// of them, all or nothing. In between each provider has its old inventories
// and the new, so that the claims find both.
func (s *Service) Reshape(ctx context.Context, shapes []Shape, claims []Claim) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		for _, shape := range shapes {
			if err := s.widen(ctx, shape); err != nil {
				return err
			}
		}
		if err := s.Claim(ctx, claims...); err != nil {
			return err
		}
		for _, shape := range shapes {
			p, err := s.store.Provider(ctx, shape.Provider)
			if err != nil {
				return err
			}
			if _, err := s.SetInventories(ctx, shape.Provider, p.Generation, shape.Inventories, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// widen adds the new inventories to a provider's old ones.
func (s *Service) widen(ctx context.Context, shape Shape) error {
	p, err := s.store.Provider(ctx, shape.Provider)
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.Invalidf("Resource provider %s in inventories not found: %s", shape.Provider, err).WithType(codeProviderNotFound)
	case err != nil:
		return err
	case p.Generation != shape.Generation:
		return conflict(codeConcurrentUpdate, "resource provider generation conflict for provider %s: actual: %d, given: %d",
			shape.Provider, p.Generation, shape.Generation)
	case len(shape.Inventories) == 0:
		return nil
	}
	_, err = s.edit(ctx, shape.Provider, &shape.Generation, func(ctx context.Context, p *Provider) error {
		for _, i := range shape.Inventories {
			if err := s.putInventory(ctx, p, i, false, true); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

package placement

import "context"

// UsageQuery selects whose usage is summed up.
type UsageQuery struct {
	ProjectID string
	UserID    string  // "" for all users
	Type      *string // nil for all types
}

// Usage is what consumers of one type have of one class.
type Usage struct {
	Type          string
	ResourceClass string
	Amount        int64
}

// Usages sums up what a project has, by type of consumer and by class, and
// counts the consumers of each type.
func (s *Service) Usages(ctx context.Context, q UsageQuery) (usages []Usage, consumers map[string]int64, err error) {
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if usages, err = s.store.Usages(ctx, q); err != nil {
			return err
		}
		consumers, err = s.store.CountConsumers(ctx, q)
		return err
	})
	return usages, consumers, err
}

package volume

import (
	"context"
	"time"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Type classifies volumes.
type Type struct {
	ID          string
	Name        string
	Description string
	Public      bool
	ExtraSpecs  map[string]string
	CreatedAt   time.Time
}

// EnsureDefaultType makes the type of volumes that ask for none.
func (s *Volumes) EnsureDefaultType(ctx context.Context) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.store.Type(ctx, s.cfg.DefaultType); !fault.Is(err, fault.NotFound) {
			return err
		}
		return s.store.SaveType(ctx, &Type{
			ID: clock.NewID(), Name: s.cfg.DefaultType, Description: "Default Volume Type", Public: true, CreatedAt: s.clock.Now(),
		}, true)
	})
}

// DefaultType gives the type of volumes that ask for none.
func (s *Volumes) DefaultType(ctx context.Context) (*Type, error) {
	return s.store.Type(ctx, s.cfg.DefaultType)
}

// CreateType makes a type.
func (s *Volumes) CreateType(ctx context.Context, t *Type) error {
	t.ID, t.CreatedAt = clock.NewID(), s.clock.Now()
	return s.store.InTx(ctx, func(ctx context.Context) error { return s.store.SaveType(ctx, t, true) })
}

// Type gives one type, by id or name.
func (s *Volumes) Type(ctx context.Context, idOrName string) (*Type, error) {
	return s.store.Type(ctx, idOrName)
}

// Types gives a page of types.
func (s *Volumes) Types(ctx context.Context, p db.Page, f []db.Filter) ([]Type, error) {
	return s.store.Types(ctx, p, f)
}

// ChangeType changes a type, by fn.
func (s *Volumes) ChangeType(ctx context.Context, id string, fn func(*Type) error) (t *Type, err error) {
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if t, err = s.store.Type(ctx, id); err != nil {
			return err
		}
		isDefault := t.Name == s.cfg.DefaultType
		if err := fn(t); err != nil {
			return err
		}
		if isDefault && (t.Name != s.cfg.DefaultType || !t.Public) {
			return fault.Invalidf("The volume type %s is the default one: it keeps its name and stays public.", s.cfg.DefaultType)
		}
		return s.store.SaveType(ctx, t, false)
	})
	return t, err
}

// DeleteType removes a type that no volume has.
func (s *Volumes) DeleteType(ctx context.Context, id string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		t, err := s.store.Type(ctx, id)
		if err != nil {
			return err
		}
		if t.Name == s.cfg.DefaultType {
			return fault.Invalidf("The volume type %s is the default one and cannot be deleted.", t.Name)
		}
		return s.store.DeleteType(ctx, t.ID)
	})
}

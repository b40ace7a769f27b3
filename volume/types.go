package volume

import (
	"context"
	"time"

	"nubo/internal/clock"
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

// ChangeType changes a type, by fn.
func (s *Volumes) ChangeType(ctx context.Context, id string, fn func(*Type)) (*Type, error) {
	var t *Type
	return t, s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if t, err = s.store.Type(ctx, id); err != nil {
			return err
		}
		fn(t)
		return s.store.SaveType(ctx, t, false)
	})
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

package compute

import (
	"context"
	"maps"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Flavor is a size of servers.
type Flavor struct {
	ID          string
	Name        string
	Description string
	VCPUs       int
	MemoryMB    int
	RootGB      int
	EphemeralGB int
	SwapMB      int
	RxtxFactor  float64
	Public      bool
	Disabled    bool
	ExtraSpecs  map[string]string
	CreatedAt   time.Time
	UpdatedAt   *time.Time
}

// FlavorSnapshot is the flavor as it was when the server was made: flavors
// may be deleted, servers keep their size.
type FlavorSnapshot struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	VCPUs       int               `json:"vcpus"`
	MemoryMB    int               `json:"memory_mb"`
	RootGB      int               `json:"root_gb"`
	EphemeralGB int               `json:"ephemeral_gb"`
	SwapMB      int               `json:"swap_mb"`
	ExtraSpecs  map[string]string `json:"extra_specs,omitempty"`
}

// Snapshot is what a server keeps of its flavor.
func (f *Flavor) Snapshot() FlavorSnapshot {
	return FlavorSnapshot{
		ID: f.ID, Name: f.Name, VCPUs: f.VCPUs, MemoryMB: f.MemoryMB, RootGB: f.RootGB,
		EphemeralGB: f.EphemeralGB, SwapMB: f.SwapMB, ExtraSpecs: f.ExtraSpecs,
	}
}

// Flavor gives a flavor the caller may use.
func (s *Service) Flavor(ctx context.Context, id string) (*Flavor, error) {
	f, err := s.store.Flavor(ctx, id)
	if err != nil || f.Public || auth.From(ctx).IsAdmin {
		return f, err
	}
	granted, err := s.store.FlavorGranted(ctx, id, auth.From(ctx).ProjectID)
	if err == nil && !granted {
		return nil, fault.NotFoundf("Flavor %s could not be found.", id).WithType("FlavorNotFound")
	}
	return f, err
}

// Flavors lists those the caller may use; an admin, if he asks, all.
func (s *Service) Flavors(ctx context.Context, q FlavorQuery) ([]*Flavor, error) {
	if c := auth.From(ctx); !c.IsAdmin {
		q.ProjectID = c.ProjectID
		if q.ProjectID == "" {
			q.Public = Ptr(true)
		}
	}
	return s.store.Flavors(ctx, q)
}

// CreateFlavor makes a flavor; "" and "auto" as id make one up.
func (s *Service) CreateFlavor(ctx context.Context, f *Flavor) error {
	if f.ID == "" || f.ID == "auto" {
		f.ID = clock.NewID()
	}
	if f.RxtxFactor == 0 {
		f.RxtxFactor = 1
	}
	f.CreatedAt = db.Micro(s.clock.Now())
	var projects []string
	if !f.Public { // its maker can use it
		projects = []string{auth.From(ctx).ProjectID}
	}
	return s.store.CreateFlavor(ctx, f, projects)
}

// DescribeFlavor changes a flavor's description.
func (s *Service) DescribeFlavor(ctx context.Context, id, description string) (*Flavor, error) {
	if err := s.store.SetFlavorDescription(ctx, id, description); err != nil {
		return nil, err
	}
	return s.store.Flavor(ctx, id)
}

// DeleteFlavor removes a flavor; servers made with it stay as they are.
func (s *Service) DeleteFlavor(ctx context.Context, id string) error {
	return s.store.DeleteFlavor(ctx, id)
}

// SetExtraSpecs adds or replaces extra specs.
func (s *Service) SetExtraSpecs(ctx context.Context, id string, specs map[string]string) error {
	return s.store.SetExtraSpecs(ctx, id, func(has map[string]string) error {
		maps.Copy(has, specs)
		return nil
	})
}

// DeleteExtraSpec removes one.
func (s *Service) DeleteExtraSpec(ctx context.Context, id, key string) error {
	return s.store.SetExtraSpecs(ctx, id, func(has map[string]string) error {
		if _, ok := has[key]; !ok {
			return noExtraSpec(id, key)
		}
		delete(has, key)
		return nil
	})
}

// ExtraSpec gives one.
func (f *Flavor) ExtraSpec(key string) (string, error) {
	v, ok := f.ExtraSpecs[key]
	if !ok {
		return "", noExtraSpec(f.ID, key)
	}
	return v, nil
}

func noExtraSpec(id, key string) error {
	return fault.NotFoundf("Flavor %s has no extra specs with key %s.", id, key)
}

// FlavorAccess lists the projects that may use a private flavor.
func (s *Service) FlavorAccess(ctx context.Context, id string) ([]string, error) {
	f, err := s.store.Flavor(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.Public {
		return nil, fault.NotFoundf("Access list not available for public flavors.")
	}
	return s.store.FlavorAccess(ctx, id)
}

// GrantFlavor lets a project use a private flavor, and lists all that may.
func (s *Service) GrantFlavor(ctx context.Context, id, project string) ([]string, error) {
	f, err := s.store.Flavor(ctx, id)
	if err != nil {
		return nil, err
	}
	if f.Public {
		return nil, fault.Conflictf("Can not add access to a public flavor.")
	}
	if err := s.store.GrantFlavor(ctx, id, project); err != nil {
		return nil, err
	}
	return s.store.FlavorAccess(ctx, id)
}

// RevokeFlavor ends that.
func (s *Service) RevokeFlavor(ctx context.Context, id, project string) ([]string, error) {
	if _, err := s.store.Flavor(ctx, id); err != nil {
		return nil, err
	}
	if err := s.store.RevokeFlavor(ctx, id, project); err != nil {
		return nil, err
	}
	return s.store.FlavorAccess(ctx, id)
}

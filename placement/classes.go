package placement

import (
	"context"
	"maps"
	"regexp"
	"slices"

	"nubo/internal/fault"
)

// standardClasses are OpenStack's resource classes.
var standardClasses = []string{
	"VCPU", "MEMORY_MB", "DISK_GB", "PCI_DEVICE", "SRIOV_NET_VF", "NUMA_SOCKET", "NUMA_CORE", "NUMA_THREAD",
	"NUMA_MEMORY_MB", "IPV4_ADDRESS", "VGPU", "VGPU_DISPLAY_HEAD", "NET_BW_EGR_KILOBIT_PER_SEC",
	"NET_BW_IGR_KILOBIT_PER_SEC", "PCPU", "MEM_ENCRYPTION_CONTEXT", "FPGA", "PGPU",
	"NET_PACKET_RATE_KILOPACKET_PER_SEC", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC", "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
}

// customName is what the names of classes and traits are that are not
// standard.
var customName = regexp.MustCompile(`^CUSTOM_[A-Z0-9_]+$`)

// IsCustomName reports whether a class or trait may be made with the name.
func IsCustomName(name string) bool { return len(name) <= 255 && customName.MatchString(name) }

// LabelStore keeps custom resource classes and traits, and which providers
// have which traits and aggregates.
type LabelStore interface {
	// CustomClasses gives those of the names that exist; nil names for all.
	CustomClasses(ctx context.Context, names []string) ([]string, error)
	// PutClass reports whether the class is new.
	PutClass(ctx context.Context, name string) (bool, error)
	RenameClass(ctx context.Context, name, to string) error
	DeleteClass(ctx context.Context, name string) error
	// ClassInUse reports whether any provider has an inventory of it.
	ClassInUse(ctx context.Context, name string) (bool, error)

	CustomTraits(ctx context.Context, names []string) ([]string, error)
	PutTrait(ctx context.Context, name string) (bool, error)
	DeleteTrait(ctx context.Context, name string) error
	// UsedTraits gives all traits that any provider has.
	UsedTraits(ctx context.Context) ([]string, error)
	Traits(ctx context.Context, provider string) ([]string, error)
	SetTraits(ctx context.Context, provider string, traits []string) error

	Aggregates(ctx context.Context, provider string) ([]string, error)
	SetAggregates(ctx context.Context, provider string, aggregates []string) error
}

// Classes lists all resource classes.
func (s *Service) Classes(ctx context.Context) ([]string, error) {
	custom, err := s.store.CustomClasses(ctx, nil)
	return append(slices.Clone(standardClasses), custom...), err
}

// knownClasses fails unless all classes exist.
func (s *Service) knownClasses(ctx context.Context, amounts map[string]int64) error {
	var ask []string
	for _, class := range slices.Sorted(maps.Keys(amounts)) {
		switch {
		case slices.Contains(standardClasses, class):
		case IsCustomName(class):
			ask = append(ask, class)
		default:
			return fault.Invalidf("Invalid resource class in resources parameter: No such resource class %s.", class)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	known, err := s.store.CustomClasses(ctx, ask)
	if err != nil {
		return err
	}
	for _, class := range ask {
		if !slices.Contains(known, class) {
			return fault.Invalidf("Invalid resource class in resources parameter: No such resource class %s.", class)
		}
	}
	return nil
}

// Class fails unless the class exists.
func (s *Service) Class(ctx context.Context, name string) error {
	if slices.Contains(standardClasses, name) {
		return nil
	}
	missing := fault.NotFoundf("No such resource class %s.", name)
	if !IsCustomName(name) {
		return missing
	}
	known, err := s.store.CustomClasses(ctx, []string{name})
	if err == nil && len(known) == 0 {
		err = missing
	}
	return err
}

// EnsureClass makes a custom class exist and reports whether it is new.
func (s *Service) EnsureClass(ctx context.Context, name string) (bool, error) {
	return s.store.PutClass(ctx, name)
}

// CreateClass makes a custom class that does not exist yet.
func (s *Service) CreateClass(ctx context.Context, name string) error {
	isNew, err := s.store.PutClass(ctx, name)
	if err == nil && !isNew {
		err = fault.Conflictf("Conflicting resource class already exists: %s", name)
	}
	return err
}

// RenameClass gives a custom class another name.
func (s *Service) RenameClass(ctx context.Context, name, to string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.Class(ctx, name); err != nil {
			return err
		}
		if slices.Contains(standardClasses, name) {
			return fault.Invalidf("Cannot update standard resource class %s", name)
		}
		if to != name && s.Class(ctx, to) == nil {
			return fault.Conflictf("Resource class already exists: %s", to)
		}
		return s.store.RenameClass(ctx, name, to)
	})
}

// DeleteClass removes a custom class that no inventory has.
func (s *Service) DeleteClass(ctx context.Context, name string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.Class(ctx, name); err != nil {
			return err
		}
		if slices.Contains(standardClasses, name) {
			return fault.Invalidf("Error in delete resource class: Cannot delete standard resource class %s.", name)
		}
		used, err := s.store.ClassInUse(ctx, name)
		if err != nil {
			return err
		}
		if used {
			return fault.Conflictf("Error in delete resource class: Cannot delete resource class %s. Class is in use in inventory.", name)
		}
		return s.store.DeleteClass(ctx, name)
	})
}

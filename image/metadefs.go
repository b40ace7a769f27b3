package image

import (
	"context"
	"maps"
	"slices"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Namespace is a container of metadata definitions: of what properties of
// images, flavors and so on mean, for people who choose them in a form.
type Namespace struct {
	ID          string
	Namespace   string // its name
	DisplayName string
	Description string
	Visibility  string // public or private
	Protected   bool
	Owner       string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// The kinds of items a namespace has.
const (
	DefObject      = "object"
	DefProperty    = "property"
	DefTag         = "tag"
	DefAssociation = "resource_type"
)

// Definition is one item of a namespace: an object, a property, a tag, or the
// association with a resource type. What else it says is its body.
type Definition struct {
	NamespaceID string
	Kind        string
	Name        string
	Body        map[string]any
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// ResourceType is something that definitions are for, such as OS::Nova::Flavor.
type ResourceType struct {
	Name      string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NamespaceQuery narrows a list of namespaces.
type NamespaceQuery struct {
	Page       db.Page
	Visibility string
	// ResourceTypes lists those that are associated with one of them.
	ResourceTypes []string
}

// metadefStore keeps the metadata definitions; namespaces are seen by their
// owner, and by all if they are public.
type metadefStore interface {
	Namespaces(ctx context.Context, q NamespaceQuery) ([]Namespace, error)
	// Namespace finds one by name.
	Namespace(ctx context.Context, name string) (*Namespace, error)
	SaveNamespace(ctx context.Context, n *Namespace, create bool) error
	DeleteNamespace(ctx context.Context, n *Namespace) error
	// Definitions lists the items of namespaces, of one kind.
	Definitions(ctx context.Context, namespaceIDs []string, kind string, p db.Page) ([]Definition, error)
	// Definition gives one item; nil if it is not there.
	Definition(ctx context.Context, namespaceID, kind, name string) (*Definition, error)
	// SaveDefinition keeps an item, in the place of the one named was unless
	// that is empty. The fault Conflict says that the name is taken.
	SaveDefinition(ctx context.Context, d *Definition, was string) error
	// DeleteDefinitions removes an item, or with an empty name all of a kind.
	DeleteDefinitions(ctx context.Context, namespaceID, kind, name string) (int64, error)
	ResourceTypes(ctx context.Context) ([]ResourceType, error)
	// EnsureResourceType makes it unless it is there.
	EnsureResourceType(ctx context.Context, t *ResourceType) error
}

// defNames are how the kinds are called in messages.
var defNames = map[string]string{
	DefObject: "object", DefProperty: "property", DefTag: "tag", DefAssociation: "resource-type association",
}

func noDefinition(kind, name, namespace string) error {
	if kind == DefAssociation {
		return fault.NotFoundf("The metadata definition resource-type association of resource-type=%s to namespace=%s was not found.", name, namespace)
	}
	return fault.NotFoundf("The metadata definition %s with name=%s was not found in namespace=%s.", defNames[kind], name, namespace)
}

// Namespaces lists the namespaces that the caller may see.
func (s *Images) Namespaces(ctx context.Context, q NamespaceQuery) ([]Namespace, error) {
	return s.store.Namespaces(ctx, q)
}

// Namespace gives one of them.
func (s *Images) Namespace(ctx context.Context, name string) (*Namespace, error) {
	return s.store.Namespace(ctx, name)
}

// CreateNamespace makes a namespace with what is in it.
func (s *Images) CreateNamespace(ctx context.Context, n *Namespace, items []Definition) error {
	now := s.clock.Now()
	n.ID, n.CreatedAt, n.UpdatedAt = clock.NewID(), now, now
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.SaveNamespace(ctx, n, true); err != nil {
			return err
		}
		for k := range items {
			if err := s.define(ctx, n, &items[k]); err != nil {
				return err
			}
		}
		return nil
	})
}

// UpdateNamespace changes a namespace, by fn.
func (s *Images) UpdateNamespace(ctx context.Context, name string, fn func(*Namespace)) (*Namespace, error) {
	var n *Namespace
	return n, s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if n, err = s.store.Namespace(ctx, name); err != nil {
			return err
		}
		fn(n)
		n.UpdatedAt = s.clock.Now()
		return s.store.SaveNamespace(ctx, n, false)
	})
}

// DeleteNamespace removes a namespace with all that is in it.
func (s *Images) DeleteNamespace(ctx context.Context, name string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		n, err := s.unprotected(ctx, name)
		if err != nil {
			return err
		}
		return s.store.DeleteNamespace(ctx, n)
	})
}

// unprotected gives a namespace from which something may be removed.
func (s *Images) unprotected(ctx context.Context, name string) (*Namespace, error) {
	n, err := s.store.Namespace(ctx, name)
	if err == nil && n.Protected {
		err = fault.Forbiddenf("Metadata definition namespace %s is protected and cannot be deleted.", name)
	}
	return n, err
}

// Definitions lists the items of a namespace, of one kind.
func (s *Images) Definitions(ctx context.Context, namespace, kind string, p db.Page) ([]Definition, error) {
	n, err := s.store.Namespace(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return s.store.Definitions(ctx, []string{n.ID}, kind, p)
}

// Associations lists the resource types of several namespaces, by their ids.
func (s *Images) Associations(ctx context.Context, list []Namespace) (map[string][]Definition, error) {
	var ids []string
	for _, n := range list {
		ids = append(ids, n.ID)
	}
	all, err := s.store.Definitions(ctx, ids, DefAssociation, db.Page{})
	out := map[string][]Definition{}
	for _, d := range all {
		out[d.NamespaceID] = append(out[d.NamespaceID], d)
	}
	return out, err
}

// Definition gives one item.
func (s *Images) Definition(ctx context.Context, namespace, kind, name string) (*Definition, error) {
	n, err := s.store.Namespace(ctx, namespace)
	if err != nil {
		return nil, err
	}
	d, err := s.store.Definition(ctx, n.ID, kind, name)
	if err == nil && d == nil {
		err = noDefinition(kind, name, namespace)
	}
	return d, err
}

// Define adds an item to a namespace.
func (s *Images) Define(ctx context.Context, namespace string, d *Definition) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		n, err := s.store.Namespace(ctx, namespace)
		if err != nil {
			return err
		}
		return s.define(ctx, n, d)
	})
}

func (s *Images) define(ctx context.Context, n *Namespace, d *Definition) error {
	now := s.clock.Now()
	d.NamespaceID, d.CreatedAt, d.UpdatedAt = n.ID, now, now
	if d.Kind == DefAssociation {
		if err := s.store.EnsureResourceType(ctx, &ResourceType{d.Name, now, now}); err != nil {
			return err
		}
	}
	return s.save(ctx, n, d, "")
}

func (s *Images) save(ctx context.Context, n *Namespace, d *Definition, was string) error {
	err := s.store.SaveDefinition(ctx, d, was)
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	if d.Kind == DefAssociation {
		return fault.Conflictf("The metadata definition resource-type association of resource-type=%s to namespace=%s already exists.", d.Name, n.Namespace)
	}
	return fault.Conflictf("A metadata definition %s with name=%s already exists in namespace=%s.", defNames[d.Kind], d.Name, n.Namespace)
}

// Redefine puts another item in the place of one.
func (s *Images) Redefine(ctx context.Context, namespace, was string, d *Definition) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		n, err := s.store.Namespace(ctx, namespace)
		if err != nil {
			return err
		}
		old, err := s.store.Definition(ctx, n.ID, d.Kind, was)
		if err != nil {
			return err
		}
		if old == nil {
			return noDefinition(d.Kind, was, namespace)
		}
		d.NamespaceID, d.CreatedAt, d.UpdatedAt = n.ID, old.CreatedAt, s.clock.Now()
		return s.save(ctx, n, d, was)
	})
}

// Undefine removes an item, or with an empty name all of a kind.
func (s *Images) Undefine(ctx context.Context, namespace, kind, name string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		n, err := s.unprotected(ctx, namespace)
		if err != nil {
			return err
		}
		gone, err := s.store.DeleteDefinitions(ctx, n.ID, kind, name)
		if err == nil && gone == 0 && name != "" {
			err = noDefinition(kind, name, namespace)
		}
		return err
	})
}

// SetTags defines tags, in the place of those that are there unless they are
// to be added.
func (s *Images) SetTags(ctx context.Context, namespace string, names []string, add bool) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		n, err := s.store.Namespace(ctx, namespace)
		if err != nil {
			return err
		}
		if !add {
			if _, err := s.store.DeleteDefinitions(ctx, n.ID, DefTag, ""); err != nil {
				return err
			}
		}
		for _, name := range names {
			if err := s.define(ctx, n, &Definition{Kind: DefTag, Name: name}); err != nil {
				return err
			}
		}
		return nil
	})
}

// ResourceTypes lists what definitions can be for.
func (s *Images) ResourceTypes(ctx context.Context) ([]ResourceType, error) {
	return s.store.ResourceTypes(ctx)
}

// CommonNamespace is a namespace that every cloud has at first.
type CommonNamespace struct {
	Namespace, DisplayName, Description string
	ResourceTypes                       []string
	// Prefix stands before the properties' names on images.
	Prefix     string
	Properties map[string]map[string]any
	Tags       []string
}

// EnsureCommon loads the common definitions into a cloud that has none.
func (s *Images) EnsureCommon(ctx context.Context, all []CommonNamespace) error {
	ctx = auth.Admin(ctx)
	have, err := s.store.Namespaces(ctx, NamespaceQuery{Page: db.Page{Limit: 1}})
	if err != nil || len(have) > 0 {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		for _, c := range all {
			n := &Namespace{
				Namespace: c.Namespace, DisplayName: c.DisplayName, Description: c.Description, Visibility: VisibilityPublic, Protected: true, Owner: "admin",
			}
			if err := s.CreateNamespace(ctx, n, c.definitions()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c CommonNamespace) definitions() []Definition {
	var out []Definition
	for _, name := range c.ResourceTypes {
		body := map[string]any{}
		if name == "OS::Glance::Image" && c.Prefix != "" {
			body["prefix"] = c.Prefix
		}
		out = append(out, Definition{Kind: DefAssociation, Name: name, Body: body})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Properties)) {
		out = append(out, Definition{Kind: DefProperty, Name: name, Body: c.Properties[name]})
	}
	for _, name := range c.Tags {
		out = append(out, Definition{Kind: DefTag, Name: name})
	}
	return out
}

package placement

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"nubo/sdk/rest"
)

// Provider is whatever has resources: a compute host.
type Provider struct {
	UUID       string `json:"uuid"`
	Name       string `json:"name"`
	Generation int64  `json:"generation"`
	ParentUUID string `json:"parent_provider_uuid"`
	RootUUID   string `json:"root_provider_uuid"`
}

// Inventory is how much of a class a provider has.
type Inventory struct {
	Total           int     `json:"total"`
	Reserved        int     `json:"reserved"`
	MinUnit         int     `json:"min_unit"`
	MaxUnit         int     `json:"max_unit"`
	StepSize        int     `json:"step_size"`
	AllocationRatio float64 `json:"allocation_ratio"`
}

// attempts bounds the retries of an update that others race with.
const attempts = 10

func asError(err error) (*rest.Error, bool) {
	var e *rest.Error
	ok := errors.As(err, &e)
	return e, ok
}

// EnsureProvider makes the provider exist with that name and parent.
func (c Client) EnsureProvider(ctx context.Context, p Provider) (*Provider, error) {
	var err error
	for range attempts {
		var now *Provider
		now, err = c.Provider(ctx, p.UUID)
		switch {
		case rest.IsNotFound(err):
			now, err = c.createProvider(ctx, p)
		case err == nil && (now.Name != p.Name || now.ParentUUID != p.ParentUUID):
			now, err = c.updateProvider(ctx, p)
		}
		if err == nil {
			return now, nil
		}
		if !rest.IsStatus(err, http.StatusConflict) {
			break
		}
	}
	return nil, fmt.Errorf("ensure resource provider %s: %w", p.UUID, err)
}

func (c Client) createProvider(ctx context.Context, p Provider) (*Provider, error) {
	in := map[string]any{"uuid": p.UUID, "name": p.Name}
	if p.ParentUUID != "" {
		in["parent_provider_uuid"] = p.ParentUUID
	}
	var out Provider
	return &out, c.newest().Post(ctx, "/resource_providers", in, &out)
}

func (c Client) updateProvider(ctx context.Context, p Provider) (*Provider, error) {
	in := map[string]any{"name": p.Name, "parent_provider_uuid": nil}
	if p.ParentUUID != "" {
		in["parent_provider_uuid"] = p.ParentUUID
	}
	var out Provider
	return &out, c.newest().Put(ctx, "/resource_providers/"+url.PathEscape(p.UUID), in, &out)
}

// Provider shows one.
func (c Client) Provider(ctx context.Context, uuid string) (*Provider, error) {
	var out Provider
	return &out, c.newest().Get(ctx, "/resource_providers/"+url.PathEscape(uuid), &out)
}

// Providers lists those of a name, or all.
func (c Client) Providers(ctx context.Context, name string) ([]Provider, error) {
	var out struct {
		Providers []Provider `json:"resource_providers"`
	}
	return out.Providers, c.newest().Get(ctx, "/resource_providers"+rest.Query("name", name), &out)
}

// DeleteProvider removes a provider; one that is gone is no error.
func (c Client) DeleteProvider(ctx context.Context, uuid string) error {
	return unlessGone(c.newest().Delete(ctx, "/resource_providers/"+url.PathEscape(uuid)))
}

func unlessGone(err error) error {
	if rest.IsNotFound(err) {
		return nil
	}
	return err
}

// inventories is the body of a provider's inventories, both ways.
type inventories struct {
	Generation  int64                `json:"resource_provider_generation"`
	Inventories map[string]Inventory `json:"inventories"`
}

// Inventories shows a provider's inventories by resource class.
func (c Client) Inventories(ctx context.Context, uuid string) (map[string]Inventory, error) {
	var out inventories
	err := c.newest().Get(ctx, "/resource_providers/"+url.PathEscape(uuid)+"/inventories", &out)
	return out.Inventories, err
}

// PutInventories makes the provider have exactly these inventories. It writes
// only if they differ, so that it may be called as often as one likes. Zero
// fields have Placement's defaults.
func (c Client) PutInventories(ctx context.Context, uuid string, want map[string]Inventory) error {
	path := "/resource_providers/" + url.PathEscape(uuid) + "/inventories"
	full := make(map[string]Inventory, len(want))
	for class, inv := range want {
		full[class] = inv.withDefaults()
	}
	return retry("put inventories of "+uuid, func() error {
		var now inventories
		if err := c.newest().Get(ctx, path, &now); err != nil {
			return err
		}
		if maps.Equal(now.Inventories, full) {
			return nil
		}
		return c.newest().Put(ctx, path, inventories{now.Generation, full}, nil)
	})
}

func (i Inventory) withDefaults() Inventory {
	if i.MinUnit == 0 {
		i.MinUnit = 1
	}
	if i.MaxUnit == 0 {
		i.MaxUnit = i.Total
	}
	if i.StepSize == 0 {
		i.StepSize = 1
	}
	if i.AllocationRatio == 0 {
		i.AllocationRatio = 1
	}
	return i
}

type traits struct {
	Generation int64    `json:"resource_provider_generation"`
	Traits     []string `json:"traits"`
}

// Traits shows a provider's traits.
func (c Client) Traits(ctx context.Context, uuid string) ([]string, error) {
	var out traits
	err := c.newest().Get(ctx, "/resource_providers/"+url.PathEscape(uuid)+"/traits", &out)
	return out.Traits, err
}

// PutTraits makes the provider have exactly these traits, which must exist.
func (c Client) PutTraits(ctx context.Context, uuid string, want []string) error {
	path := "/resource_providers/" + url.PathEscape(uuid) + "/traits"
	want = slices.Compact(slices.Sorted(slices.Values(want)))
	return retry("put traits of "+uuid, func() error {
		var now traits
		if err := c.newest().Get(ctx, path, &now); err != nil {
			return err
		}
		slices.Sort(now.Traits)
		if slices.Equal(now.Traits, want) {
			return nil
		}
		return c.newest().Put(ctx, path, traits{now.Generation, append([]string{}, want...)}, nil)
	})
}

// CreateTrait makes a custom trait exist.
func (c Client) CreateTrait(ctx context.Context, name string) error {
	return c.newest().Put(ctx, "/traits/"+url.PathEscape(name), nil, nil)
}

type aggregates struct {
	Generation int64    `json:"resource_provider_generation"`
	Aggregates []string `json:"aggregates"`
}

// PutAggregates makes the provider a member of exactly these aggregates.
func (c Client) PutAggregates(ctx context.Context, uuid string, want []string) error {
	path := "/resource_providers/" + url.PathEscape(uuid) + "/aggregates"
	want = slices.Compact(slices.Sorted(slices.Values(want)))
	return retry("put aggregates of "+uuid, func() error {
		var now aggregates
		if err := c.newest().Get(ctx, path, &now); err != nil {
			return err
		}
		slices.Sort(now.Aggregates)
		if slices.Equal(now.Aggregates, want) {
			return nil
		}
		return c.newest().Put(ctx, path, aggregates{now.Generation, append([]string{}, want...)}, nil)
	})
}

// retry runs a read and conditional write until nobody came between.
func retry(what string, fn func() error) error {
	var err error
	for range attempts {
		if err = fn(); err == nil {
			return nil
		}
		if !IsConcurrentUpdate(err) {
			break
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

package network

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sync/singleflight"
)

// viewCache keeps what many hosts ask for after one change: a network's
// ports, a security group's addresses. An entry knows which version it has
// seen at least: a version is known to agents only after it was committed, so
// an entry that was loaded because of a version holds it.
type viewCache struct {
	mu     sync.Mutex // guards ports and groups
	ports  map[string]view[[]*Port]
	groups map[string]view[[]netip.Prefix]
	flight singleflight.Group
}

type view[T any] struct {
	asOf  int64
	value T
}

// maxViews bounds each map; a full one is emptied.
const maxViews = 1000

func lookup[T any](c *viewCache, m *map[string]view[T], id string, version int64) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := (*m)[id]
	return v.value, ok && version > 0 && v.asOf >= version
}

func remember[T any](c *viewCache, m *map[string]view[T], id string, version int64, value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *m == nil || len(*m) >= maxViews {
		*m = map[string]view[T]{}
	}
	if version > (*m)[id].asOf {
		(*m)[id] = view[T]{version, value}
	}
}

// members gives a network's ports, at least as new as the version; nobody
// may change them.
func (s *Service) members(ctx context.Context, network string, version int64) ([]*Port, error) {
	c := &s.views
	if ports, ok := lookup(c, &c.ports, network, version); ok {
		return ports, nil
	}
	load := func() (any, error) {
		ports, err := s.store.Members(ctx, network)
		if err == nil {
			remember(c, &c.ports, network, version, ports)
		}
		return ports, err
	}
	v, err := s.once(version, network, load)
	ports, _ := v.([]*Port)
	return ports, err
}

// once shares one load among those who ask for the same version at a time.
func (s *Service) once(version int64, key string, load func() (any, error)) (any, error) {
	if version == 0 {
		return load()
	}
	v, err, _ := s.views.flight.Do(fmt.Sprint(version, key), load)
	return v, err
}

// addressesOf gives the addresses of groups' members, at least as new as the
// version.
func (s *Service) addressesOf(ctx context.Context, groups []string, version int64) (map[string][]netip.Prefix, error) {
	c := &s.views
	out := make(map[string][]netip.Prefix, len(groups))
	var missing []string
	for _, g := range groups {
		if addrs, ok := lookup(c, &c.groups, g, version); ok {
			out[g] = addrs
		} else {
			missing = append(missing, g)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	v, err := s.once(version, fmt.Sprint(missing), func() (any, error) {
		texts, err := s.store.GroupAddresses(ctx, missing)
		loaded := map[string][]netip.Prefix{}
		for _, g := range missing {
			loaded[g] = []netip.Prefix{}
			for _, text := range texts[g] {
				if a, err := netip.ParseAddr(text); err == nil {
					loaded[g] = append(loaded[g], netip.PrefixFrom(a, a.BitLen()))
				}
			}
			if err == nil {
				remember(c, &c.groups, g, version, loaded[g])
			}
		}
		return loaded, err
	})
	loaded, _ := v.(map[string][]netip.Prefix)
	for g, addrs := range loaded {
		out[g] = addrs
	}
	return out, err
}

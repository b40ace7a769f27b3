package network

import (
	"maps"
	"slices"

	"nubo/internal/trace"
)

// sets holds ids by key: by host, mostly.
type sets map[string]map[string]bool

func (s *sets) add(key string, ids ...string) {
	if key == "" {
		return
	}
	if *s == nil {
		*s = sets{}
	}
	if (*s)[key] == nil {
		(*s)[key] = map[string]bool{}
	}
	for _, id := range ids {
		(*s)[key][id] = true
	}
}

func (s sets) of(key string) []string { return slices.Sorted(maps.Keys(s[key])) }

// Dirty is what a transaction changed, in the terms that the database knows
// without a look at who is concerned. The relay looks, once for all records
// it merges.
type Dirty struct {
	// Ports, Routers and Networks are dirty on a host that is known, because
	// it may be the last that the database says of it.
	Ports    sets `json:"ports,omitempty"`
	Routers  sets `json:"routers,omitempty"`
	Networks sets `json:"networks,omitempty"`
	// Defined networks have changed themselves; in those with Members a port
	// came, went or moved.
	Defined map[string]bool `json:"defined,omitempty"`
	Members map[string]bool `json:"members,omitempty"`
	// Ruled groups have other rules; Joined ones have other ports.
	Ruled  map[string]bool `json:"ruled,omitempty"`
	Joined map[string]bool `json:"joined,omitempty"`
	// Ref is the request that changed it; of merged records, refs has that of
	// each port, router and network.
	Ref  *trace.Ref `json:"ref,omitempty"`
	refs map[string]*trace.Ref
}

func mark(m *map[string]bool, ids ...string) {
	if *m == nil && len(ids) > 0 {
		*m = map[string]bool{}
	}
	for _, id := range ids {
		(*m)[id] = true
	}
}

// port marks a port as it was, or as it is now.
func (d *Dirty) port(p *Port) {
	if p.HostID != "" {
		d.Networks.add(p.HostID, p.NetworkID)
		if !p.isService() {
			d.Ports.add(p.HostID, p.ID)
		}
	}
	mark(&d.Joined, p.SecurityGroups...)
	if len(p.FixedIPs) > 0 && p.DeviceOwner != OwnerFloatingIP {
		mark(&d.Members, p.NetworkID)
	}
}

func (d *Dirty) router(host, id string) { d.Routers.add(host, id) }
func (d *Dirty) network(id string)      { mark(&d.Defined, id) }
func (d *Dirty) groups(id string)       { mark(&d.Ruled, id) }

// empty reports whether nobody has to be told.
func (d *Dirty) empty() bool {
	return len(d.Ports)+len(d.Routers)+len(d.Networks)+len(d.Defined)+len(d.Members)+len(d.Ruled)+len(d.Joined) == 0
}

// merge adds another record.
func (d *Dirty) merge(o *Dirty) {
	for _, pair := range []struct {
		into *sets
		from sets
	}{{&d.Ports, o.Ports}, {&d.Routers, o.Routers}, {&d.Networks, o.Networks}} {
		for key, ids := range pair.from {
			pair.into.add(key, slices.Collect(maps.Keys(ids))...)
			d.refer(ids, o.Ref)
		}
	}
	d.refer(o.Defined, o.Ref)
	mark(&d.Defined, slices.Collect(maps.Keys(o.Defined))...)
	mark(&d.Members, slices.Collect(maps.Keys(o.Members))...)
	mark(&d.Ruled, slices.Collect(maps.Keys(o.Ruled))...)
	mark(&d.Joined, slices.Collect(maps.Keys(o.Joined))...)
}

// refer keeps the request that changed something.
func (d *Dirty) refer(ids map[string]bool, ref *trace.Ref) {
	if d.refs == nil && ref != nil {
		d.refs = map[string]*trace.Ref{}
	}
	for id := range ids {
		if ref != nil {
			d.refs[id] = ref
		}
	}
}

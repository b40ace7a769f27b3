package network

import (
	"context"
	"slices"
)

// maxTags is how many tags a resource may have.
const maxTags = 50

// SetTags replaces a resource's tags. The caller was allowed to change it.
func (s *Service) SetTags(ctx context.Context, id string, tags []string) ([]string, error) {
	tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	if len(tags) > maxTags {
		return nil, invalidInput("The number of tags exceeded the per-resource limit %d", maxTags)
	}
	return tags, s.store.SetTags(ctx, id, tags)
}

// TagNotFound is the answer where a resource does not have the tag.
func TagNotFound(tag string) error {
	return notFound("TagNotFound", "Tag %s could not be found.", tag)
}

// Availability is how many addresses a network, and each of its subnets, has
// and uses.
type Availability struct {
	Network *Network
	Subnets []SubnetAvailability
}

// SubnetAvailability is one subnet's share.
type SubnetAvailability struct {
	Subnet      *Subnet
	Total, Used int64
}

// Availability counts the addresses of networks.
func (s *Service) Availability(ctx context.Context, networks []*Network) ([]Availability, error) {
	out := make([]Availability, len(networks))
	for i, n := range networks {
		subnets, err := s.SubnetsOf(ctx, n.ID)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, sub := range subnets {
			ids = append(ids, sub.ID)
		}
		used, err := s.store.AddressesUsed(ctx, ids)
		if err != nil {
			return nil, err
		}
		out[i].Network = n
		for _, sub := range subnets {
			var total int64
			for _, p := range sub.pools() {
				total += int64(p.size())
			}
			out[i].Subnets = append(out[i].Subnets, SubnetAvailability{sub, total, used[sub.ID]})
		}
	}
	return out, nil
}

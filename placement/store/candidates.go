package store

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"

	"nubo/placement"
)

// Versions implements placement.CandidateStore: one pass over an index that
// has all it gives.
func (s *Store) Versions(ctx context.Context) ([]placement.NodeVersion, error) {
	var list []placement.NodeVersion
	err := s.query(ctx, func(rows *sql.Rows) error {
		var v placement.NodeVersion
		err := rows.Scan(&v.UUID, &v.Version)
		list = append(list, v)
		return err
	}, "SELECT uuid, version FROM resource_providers ORDER BY root_uuid, uuid")
	return list, err
}

// Nodes implements placement.CandidateStore. The version is read first: what
// comes after it can only be newer.
func (s *Store) Nodes(ctx context.Context, uuids []string) ([]*placement.Node, error) {
	nodes := make([]*placement.Node, 0, len(uuids))
	byUUID := make(map[string]*placement.Node, len(uuids))
	err := s.query(ctx, func(rows *sql.Rows) error {
		n := new(placement.Node)
		err := rows.Scan(&n.UUID, &n.ParentUUID, &n.RootUUID, &n.Version)
		nodes, byUUID[n.UUID] = append(nodes, n), n
		return err
	}, "SELECT uuid, parent_uuid, root_uuid, version FROM resource_providers WHERE uuid IN (?)", bun.List(uuids))
	if err != nil {
		return nil, err
	}
	err = s.query(ctx, func(rows *sql.Rows) error {
		var uuid string
		var i placement.Inventory
		err := rows.Scan(append([]any{&uuid}, inventoryDest(&i)...)...)
		if n := byUUID[uuid]; n != nil {
			n.Inventories = append(n.Inventories, i)
		}
		return err
	}, "SELECT i.provider_uuid, "+inventoryColumns+" FROM inventories AS i WHERE i.provider_uuid IN (?) ORDER BY i.provider_uuid, i.resource_class", bun.List(uuids))
	if err != nil {
		return nil, err
	}
	return nodes, s.query(ctx, func(rows *sql.Rows) error {
		var uuid, trait, aggregate string
		err := rows.Scan(&uuid, &trait, &aggregate)
		switch n := byUUID[uuid]; {
		case n == nil:
		case trait != "":
			n.Traits = append(n.Traits, trait)
		default:
			n.Aggregates = append(n.Aggregates, aggregate)
		}
		return err
	}, "SELECT provider_uuid, trait, '' FROM provider_traits WHERE provider_uuid IN (?) UNION ALL"+
		" SELECT provider_uuid, '', aggregate_uuid FROM provider_aggregates WHERE provider_uuid IN (?) ORDER BY 1, 2, 3", bun.List(uuids), bun.List(uuids))
}

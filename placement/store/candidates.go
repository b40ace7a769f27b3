package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"nubo/placement"
)

// CandidateRoots implements placement.CandidateStore: one pass over the
// inventories of the classes asked for.
func (s *Store) CandidateRoots(ctx context.Context, q placement.RootQuery) ([]string, error) {
	var w where
	var classes []string
	for _, class := range slices.Sorted(maps.Keys(q.Needs)) {
		classes = append(classes, fits)
		w.args = append(w.args, fitArgs(class, q.Needs[class])...)
	}
	w.parts = []string{"(" + strings.Join(classes, " OR ") + ")"}
	if q.In != nil {
		w.add("p.root_uuid IN (?)", bun.List(q.In))
	}
	inTree := func(table, alias, column string, sets [][]string) {
		for _, set := range sets {
			w.add("EXISTS (SELECT 1 FROM ? AS ? JOIN resource_providers AS n ON n.uuid = ?.provider_uuid WHERE n.root_uuid = p.root_uuid AND ?.? IN (?))",
				bun.Ident(table), bun.Ident(alias), bun.Ident(alias), bun.Ident(alias), bun.Ident(column), bun.List(set))
		}
	}
	inTree("provider_traits", "t", "trait", q.Traits)
	inTree("provider_aggregates", "a", "aggregate_uuid", q.MemberOf)
	w.filter("p.root_uuid", q.Root)
	args := append(w.args, len(q.Needs))
	return s.names(ctx, "SELECT p.root_uuid FROM inventories AS i JOIN resource_providers AS p ON p.uuid = i.provider_uuid"+
		w.String()+" GROUP BY p.root_uuid HAVING COUNT(DISTINCT i.resource_class) = ? ORDER BY p.root_uuid", args...)
}

// Nodes implements placement.CandidateStore.
func (s *Store) Nodes(ctx context.Context, roots []string, traits, aggregates bool) ([]placement.Node, error) {
	var nodes []placement.Node
	err := s.query(ctx, func(rows *sql.Rows) error {
		var n placement.Node
		var class sql.NullString
		var total, reserved, minUnit, maxUnit, stepSize, used sql.NullInt64
		var ratio sql.NullFloat64
		if err := rows.Scan(&n.UUID, &n.ParentUUID, &n.RootUUID, &class, &total, &reserved, &minUnit, &maxUnit, &stepSize, &ratio, &used); err != nil {
			return err
		}
		if len(nodes) == 0 || nodes[len(nodes)-1].UUID != n.UUID {
			nodes = append(nodes, n)
		}
		if class.Valid {
			last := &nodes[len(nodes)-1]
			last.Inventories = append(last.Inventories, placement.Inventory{
				ResourceClass: class.String, Total: total.Int64, Reserved: reserved.Int64, MinUnit: minUnit.Int64,
				MaxUnit: maxUnit.Int64, StepSize: stepSize.Int64, AllocationRatio: ratio.Float64, Used: used.Int64,
			})
		}
		return nil
	}, "SELECT p.uuid, p.parent_uuid, p.root_uuid, "+inventoryColumns+" FROM resource_providers AS p"+
		" LEFT JOIN inventories AS i ON i.provider_uuid = p.uuid WHERE p.root_uuid IN (?) ORDER BY p.root_uuid, p.uuid, i.resource_class", bun.List(roots))
	if err != nil {
		return nil, err
	}
	if traits {
		err = s.label(ctx, nodes, roots, "provider_traits", "trait", func(n *placement.Node, l []string) { n.Traits = l })
	}
	if err == nil && aggregates {
		err = s.label(ctx, nodes, roots, "provider_aggregates", "aggregate_uuid", func(n *placement.Node, l []string) { n.Aggregates = l })
	}
	return nodes, err
}

// label reads one kind of label of all nodes, a row a provider.
func (s *Store) label(ctx context.Context, nodes []placement.Node, roots []string, table, column string, set func(*placement.Node, []string)) error {
	byUUID := make(map[string]*placement.Node, len(nodes))
	for i := range nodes {
		byUUID[nodes[i].UUID] = &nodes[i]
	}
	return s.query(ctx, func(rows *sql.Rows) error {
		var uuid, labels string
		if err := rows.Scan(&uuid, &labels); err != nil {
			return err
		}
		if n := byUUID[uuid]; n != nil {
			set(n, strings.Split(labels, ","))
		}
		return nil
	}, "SELECT l.provider_uuid, string_agg(l.?, ',') FROM ? AS l JOIN resource_providers AS p ON p.uuid = l.provider_uuid"+
		" WHERE p.root_uuid IN (?) GROUP BY l.provider_uuid", bun.Ident(column), bun.Ident(table), bun.List(roots))
}

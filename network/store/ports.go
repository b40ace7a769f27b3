package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"nubo/internal/db"
	"nubo/network"
)

// allocation is an address that a port has.
type allocation struct {
	bun.BaseModel `bun:"table:ip_allocations"`

	SubnetID  string
	IPAddress string
	PortID    string
	Position  int
}

// membership is a port in a security group.
type membership struct {
	bun.BaseModel `bun:"table:port_groups"`

	PortID  string
	GroupID string
}

// SegmentsTaken implements network.PortStore, as all of this file do.
func (s *Store) SegmentsTaken(ctx context.Context, candidates []int) ([]int, error) {
	var out []int
	err := s.d.Query(ctx).NewSelect().Table("networks").Column("segmentation_id").
		Where("network_type = ?", network.TypeVXLAN).Where("segmentation_id IN (?)", bun.List(candidates)).Scan(ctx, &out)
	return out, err
}

// FreeSegment looks for the end of the first run of identifiers in use.
func (s *Store) FreeSegment(ctx context.Context, low, high int) (int, error) {
	taken, err := s.SegmentsTaken(ctx, []int{low})
	if err != nil {
		return 0, err
	}
	if len(taken) == 0 {
		return low, nil
	}
	var out []int
	err = s.d.Query(ctx).NewSelect().TableExpr("networks AS n").ColumnExpr("n.segmentation_id + 1").
		Where("n.network_type = ?", network.TypeVXLAN).Where("n.segmentation_id >= ?", low).Where("n.segmentation_id < ?", high).
		Where("NOT EXISTS (SELECT 1 FROM networks AS m WHERE m.network_type = ? AND m.segmentation_id = n.segmentation_id + 1)", network.TypeVXLAN).
		OrderExpr("n.segmentation_id").Limit(1).Scan(ctx, &out)
	if err != nil || len(out) == 0 {
		return 0, err
	}
	return out[0], nil
}

// AddressesTaken says which addresses of a subnet are allocated.
func (s *Store) AddressesTaken(ctx context.Context, subnetID string, candidates []string) ([]string, error) {
	var out []string
	q := s.d.Query(ctx).NewSelect().Table("ip_allocations").Column("ip_address").Where("subnet_id = ?", subnetID)
	if len(candidates) > 0 {
		q = q.Where("ip_address IN (?)", bun.List(candidates))
	}
	err := q.Scan(ctx, &out)
	return out, err
}

// AddressesUsed counts the addresses of subnets that are allocated.
func (s *Store) AddressesUsed(ctx context.Context, subnetIDs []string) (map[string]int64, error) {
	out := map[string]int64{}
	if len(subnetIDs) == 0 {
		return out, nil
	}
	var rows []struct {
		SubnetID string
		N        int64
	}
	err := s.d.Query(ctx).NewSelect().Table("ip_allocations").Column("subnet_id").ColumnExpr("COUNT(*) AS n").
		Where("subnet_id IN (?)", bun.List(subnetIDs)).Group("subnet_id").Scan(ctx, &rows)
	for _, r := range rows {
		out[r.SubnetID] = r.N
	}
	return out, err
}

// AddPort keeps a new port.
func (s *Store) AddPort(ctx context.Context, p *network.Port) error {
	if err := s.ports.Create(ctx, p); err != nil {
		return err
	}
	if err := s.addAddresses(ctx, p.ID, p.FixedIPs); err != nil {
		return err
	}
	return s.addPortGroups(ctx, p.ID, p.SecurityGroups)
}

// SetAddresses replaces a port's addresses.
func (s *Store) SetAddresses(ctx context.Context, portID string, fixed []network.FixedIP) error {
	if _, err := s.d.Query(ctx).NewDelete().Table("ip_allocations").Where("port_id = ?", portID).Exec(ctx); err != nil {
		return err
	}
	return s.addAddresses(ctx, portID, fixed)
}

func (s *Store) addAddresses(ctx context.Context, portID string, fixed []network.FixedIP) error {
	if len(fixed) == 0 {
		return nil
	}
	rows := make([]allocation, len(fixed))
	for i, f := range fixed {
		rows[i] = allocation{SubnetID: f.SubnetID, IPAddress: f.IPAddress, PortID: portID, Position: i}
	}
	_, err := s.d.Query(ctx).NewInsert().Model(&rows).Exec(ctx)
	return taken(err)
}

// SetPortGroups replaces a port's security groups.
func (s *Store) SetPortGroups(ctx context.Context, portID string, groups []string) error {
	if _, err := s.d.Query(ctx).NewDelete().Table("port_groups").Where("port_id = ?", portID).Exec(ctx); err != nil {
		return err
	}
	return s.addPortGroups(ctx, portID, groups)
}

func (s *Store) addPortGroups(ctx context.Context, portID string, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	rows := make([]membership, len(groups))
	for i, g := range groups {
		rows[i] = membership{PortID: portID, GroupID: g}
	}
	_, err := s.d.Query(ctx).NewInsert().Model(&rows).Exec(ctx)
	return err
}

// DefaultGroup gives the id of a project's default group.
func (s *Store) DefaultGroup(ctx context.Context, project string) (string, error) {
	var out []string
	err := s.d.Query(ctx).NewSelect().Table("security_groups").Column("id").Where("project_id = ?", project).Where("is_default").Scan(ctx, &out)
	if err != nil || len(out) == 0 {
		return "", err
	}
	return out[0], nil
}

// SetPortStatus sets the status of ports that have another.
func (s *Store) SetPortStatus(ctx context.Context, host string, ids []string, status string) ([]*network.Port, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []*network.Port
	err := s.d.Query(ctx).NewUpdate().Model(&rows).ModelTableExpr("ports AS port").
		Set("status = ?", status).Set("updated_at = ?", db.Micro(time.Now())).Set("revision_number = revision_number + 1").
		Where("id IN (?)", bun.List(ids)).Where("host_id = ?", host).Where("status <> ?", status).Where("admin_state_up").
		Returning("*").Scan(ctx)
	return rows, err
}

// SetFloatingIPStatus sets the status of floating IPs on a host's routers.
func (s *Store) SetFloatingIPStatus(ctx context.Context, host string, ids []string, status string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := s.d.Query(ctx).NewUpdate().Table("floating_ips").
		Set("status = ?", status).Set("revision_number = revision_number + 1").
		Where("id IN (?)", bun.List(ids)).Where("status <> ?", status).
		Where("router_id IN (SELECT id FROM routers WHERE host = ?)", host).Exec(ctx)
	return err
}

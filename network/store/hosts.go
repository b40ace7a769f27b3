package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"nubo/internal/db"
	"nubo/network"
)

// ownDevices matches ports that are this component's own: agents make them
// with the network or the router they serve.
const ownDevices = "network:%"

// HostPorts implements network.HostStore, as all of this file do.
func (s *Store) HostPorts(ctx context.Context, host string, ids, groups []string) ([]*network.Port, error) {
	var rows []*network.Port
	q := s.d.Query(ctx).NewSelect().Model(&rows).Where("host_id = ?", host).Where("device_owner NOT LIKE ?", ownDevices)
	if len(ids)+len(groups) > 0 {
		q = q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			if len(ids) > 0 {
				q = q.WhereOr("id IN (?)", bun.List(ids))
			}
			if len(groups) > 0 {
				q = q.WhereOr("id IN (SELECT port_id FROM port_groups WHERE group_id IN (?))", bun.List(groups))
			}
			return q
		})
	}
	if err := q.Order("id").Scan(ctx); err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows, fillPorts(ctx, s.d, rows)
}

// HostNetworks gives the networks a host takes part in.
func (s *Store) HostNetworks(ctx context.Context, host string) ([]string, error) {
	var out []string
	err := s.d.Query(ctx).NewSelect().Table("ports").Distinct().Column("network_id").Where("host_id = ?", host).Scan(ctx, &out)
	return out, err
}

// grouped reads pairs into lists by their first text.
func grouped(ctx context.Context, q *bun.SelectQuery) (map[string][]string, error) {
	out := map[string][]string{}
	err := pairs(ctx, q, func(a, b string) { out[a] = append(out[a], b) })
	return out, err
}

// Members gives the ports of a network, as others know them.
func (s *Store) Members(ctx context.Context, networkID string) ([]*network.Port, error) {
	rows, err := s.d.Query(ctx).NewSelect().TableExpr("ports AS p").
		Column("p.id", "p.mac_address", "p.host_id", "p.device_owner", "p.status", "p.dns_name").
		ColumnExpr("COALESCE(a.subnet_id, ''), COALESCE(a.ip_address, '')").
		Join("LEFT JOIN ip_allocations AS a ON a.port_id = p.id").Where("p.network_id = ?", networkID).
		OrderExpr("p.id, a.position").Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*network.Port
	for rows.Next() {
		p := &network.Port{NetworkID: networkID}
		var f network.FixedIP
		if err := rows.Scan(&p.ID, &p.MACAddress, &p.HostID, &p.DeviceOwner, &p.Status, &p.DNSName, &f.SubnetID, &f.IPAddress); err != nil {
			return nil, err
		}
		if n := len(out); n > 0 && out[n-1].ID == p.ID {
			p = out[n-1]
		} else {
			out = append(out, p)
		}
		if f.IPAddress != "" {
			p.FixedIPs = append(p.FixedIPs, f)
		}
	}
	return out, rows.Err()
}

// NetworkHosts gives the hosts that take part in networks. It begins with the
// agents, of which there are fewer than ports, as the next two do.
func (s *Store) NetworkHosts(ctx context.Context, networks []string) (map[string][]string, error) {
	return grouped(ctx, s.d.Query(ctx).NewSelect().TableExpr("networks AS n").Column("n.id", "a.host").
		Join("JOIN agents AS a ON a.binary_name = ?", network.BinaryL2).Where("n.id IN (?)", bun.List(networks)).
		Where("EXISTS (SELECT 1 FROM ports AS p WHERE p.host_id = a.host AND p.network_id = n.id)"))
}

// MemberHosts gives the hosts that have to know networks' ports.
func (s *Store) MemberHosts(ctx context.Context, networks []string) (map[string][]string, error) {
	tunnelled := s.d.Query(ctx).NewSelect().TableExpr("networks AS n").Column("n.id", "a.host").
		Join("JOIN agents AS a ON a.binary_name = ? AND a.tunnel_ip <> ''", network.BinaryL2).Where("n.network_type = ?", network.TypeVXLAN).Where("n.id IN (?)", bun.List(networks)).
		Where("EXISTS (SELECT 1 FROM ports AS p WHERE p.host_id = a.host AND p.network_id = n.id)")
	return grouped(ctx, s.d.Query(ctx).NewSelect().Table("network_dhcp").Column("network_id", "host").
		Where("network_id IN (?)", bun.List(networks)).Union(tunnelled))
}

// GroupHosts gives, by host, the groups its ports are in.
func (s *Store) GroupHosts(ctx context.Context, groups []string) (map[string][]string, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	return grouped(ctx, s.d.Query(ctx).NewSelect().TableExpr("agents AS a").Column("a.host", "g.id").
		Join("JOIN security_groups AS g ON g.id IN (?)", bun.List(groups)).Where("a.binary_name = ?", network.BinaryL2).
		Where("EXISTS (SELECT 1 FROM ports AS p WHERE p.host_id = a.host AND EXISTS "+
			"(SELECT 1 FROM port_groups AS m WHERE m.port_id = p.id AND m.group_id = g.id))"))
}

// Dependents gives the groups with a rule that admits one of the groups.
func (s *Store) Dependents(ctx context.Context, groups []string) ([]string, error) {
	var out []string
	if len(groups) == 0 {
		return out, nil
	}
	err := s.d.Query(ctx).NewSelect().Table("security_group_rules").Distinct().Column("security_group_id").
		Where("remote_group_id IN (?)", bun.List(groups)).Scan(ctx, &out)
	return out, err
}

// GroupAddresses gives the addresses of the groups' ports.
func (s *Store) GroupAddresses(ctx context.Context, groups []string) (map[string][]string, error) {
	return grouped(ctx, s.d.Query(ctx).NewSelect().TableExpr("port_groups AS g").Column("g.group_id", "a.ip_address").
		Join("JOIN ip_allocations AS a ON a.port_id = g.port_id").Where("g.group_id IN (?)", bun.List(groups)).
		OrderExpr("g.group_id, a.ip_address"))
}

// Tunnels gives the tunnel addresses of hosts.
func (s *Store) Tunnels(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := pairs(ctx, s.d.Query(ctx).NewSelect().Table("agents").Column("host", "tunnel_ip").
		Where("binary_name = ?", network.BinaryL2).Where("tunnel_ip <> ''"), func(host, ip string) { out[host] = ip })
	return out, err
}

// DHCPHosts gives the hosts that answer DHCP for networks.
func (s *Store) DHCPHosts(ctx context.Context, networks []string) (map[string]string, error) {
	out := map[string]string{}
	err := pairs(ctx, s.d.Query(ctx).NewSelect().Table("network_dhcp").Column("network_id", "host").
		Where("network_id IN (?)", bun.List(networks)), func(n, host string) { out[n] = host })
	return out, err
}

// SetDHCPHost makes a host answer DHCP for a network.
func (s *Store) SetDHCPHost(ctx context.Context, networkID, host string) error {
	if _, err := s.d.Query(ctx).NewDelete().Table("network_dhcp").Where("network_id = ?", networkID).Exec(ctx); err != nil || host == "" {
		return err
	}
	_, err := s.d.Query(ctx).NewRaw("INSERT INTO network_dhcp (network_id, host) VALUES (?, ?)", networkID, host).Exec(ctx)
	return taken(err)
}

// WithoutDHCP gives the networks that ask for DHCP and have no host for it.
func (s *Store) WithoutDHCP(ctx context.Context) ([]string, error) {
	var out []string
	err := s.d.Query(ctx).NewSelect().Table("subnets").Distinct().Column("network_id").Where("enable_dhcp").Where("version = 4").
		Where("network_id NOT IN (SELECT network_id FROM network_dhcp)").Scan(ctx, &out)
	return out, err
}

// WithoutHost gives the routers in use that have no host.
func (s *Store) WithoutHost(ctx context.Context) ([]string, error) {
	var out []string
	err := s.d.Query(ctx).NewSelect().Table("routers").Column("id").Where("host = ''").
		Where("id IN (SELECT device_id FROM ports WHERE device_owner IN (?, ?))", network.OwnerInterface, network.OwnerGateway).Scan(ctx, &out)
	return out, err
}

// Loads counts a table's rows by host.
func (s *Store) Loads(ctx context.Context, table string) (map[string]int, error) {
	var rows []struct {
		Host string
		N    int
	}
	err := s.d.Query(ctx).NewSelect().Table(table).Column("host").ColumnExpr("COUNT(*) AS n").Group("host").Scan(ctx, &rows)
	out := map[string]int{}
	for _, r := range rows {
		out[r.Host] = r.N
	}
	return out, err
}

// Waiting says whether a host has ports that are down since before.
func (s *Store) Waiting(ctx context.Context, host string, before time.Time) (bool, error) {
	return s.d.Query(ctx).NewSelect().Table("ports").Where("host_id = ?", host).Where("status = ?", network.StatusDown).
		Where("admin_state_up").Where("vif_type = ?", network.VIFTap).Where("updated_at < ?", before).Exists(ctx)
}

// externalEvent is an event compute has still to be told.
type externalEvent struct {
	ID   int64 `bun:",pk"`
	Body string
}

// AddEvents keeps events for compute.
func (s *Store) AddEvents(ctx context.Context, events []network.Event) error {
	rows := make([]externalEvent, len(events))
	for i, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		rows[i] = externalEvent{db.NextSeq(), string(body)}
	}
	_, err := s.d.Query(ctx).NewInsert().Model(&rows).Exec(ctx)
	return err
}

// Events gives the oldest events.
func (s *Store) Events(ctx context.Context, limit int) ([]network.Event, []int64, error) {
	var rows []externalEvent
	if err := s.d.Query(ctx).NewSelect().Model(&rows).Order("id").Limit(int64(limit)).Scan(ctx); err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	out, keys := make([]network.Event, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		keys[i] = r.ID
		if err := json.Unmarshal([]byte(r.Body), &out[i]); err != nil {
			return nil, nil, err
		}
	}
	return out, keys, nil
}

// RemoveEvents forgets events.
func (s *Store) RemoveEvents(ctx context.Context, keys []int64) error {
	_, err := s.d.Query(ctx).NewDelete().Table("external_events").Where("id IN (?)", bun.List(keys)).Exec(ctx)
	return err
}

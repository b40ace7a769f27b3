package store

import (
	"context"

	"github.com/uptrace/bun"

	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/network"
)

func networksTable(d *db.DB) *table[network.Network] {
	return newTable(table[network.Network]{
		d: d, name: "networks", alias: "network", absent: network.NetworkNotFound, tags: true,
		columns: map[string]string{
			"name": "name", "status": "status", "admin_state_up": "admin_state_up", "shared": "shared", "router:external": "external",
			"is_default": "is_default", "mtu": "mtu", "port_security_enabled": "port_security_enabled",
			"provider:network_type": "network_type", "provider:physical_network": "physical_network", "provider:segmentation_id": "segmentation_id",
		},
		scope: func(q *bun.SelectQuery, c *auth.Context) *bun.SelectQuery {
			return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Where("network.shared").WhereOr("network.external").WhereOr("? <> '' AND network.project_id = ?", c.ProjectID, c.ProjectID)
			})
		},
		fill: func(ctx context.Context, rows []*network.Network) error {
			byID := map[string]*network.Network{}
			ids := make([]string, len(rows))
			for i, n := range rows {
				n.Subnets = []string{}
				byID[n.ID], ids[i] = n, n.ID
			}
			return pairs(ctx, d.Query(ctx).NewSelect().Table("subnets").Column("network_id", "id").
				Where("network_id IN (?)", bun.List(ids)).Order("created_at", "id"), func(n, sub string) {
				byID[n].Subnets = append(byID[n].Subnets, sub)
			})
		},
	})
}

func subnetsTable(d *db.DB) *table[network.Subnet] {
	return newTable(table[network.Subnet]{
		d: d, name: "subnets", alias: "subnet", absent: network.SubnetNotFound, tags: true,
		columns: map[string]string{
			"name": "name", "network_id": "network_id", "ip_version": "version", "cidr": "cidr", "gateway_ip": "gateway_ip",
			"enable_dhcp": "enable_dhcp", "ipv6_address_mode": "address_mode", "ipv6_ra_mode": "ra_mode",
		},
		scope: func(q *bun.SelectQuery, c *auth.Context) *bun.SelectQuery {
			return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Where("subnet.network_id IN (SELECT id FROM networks WHERE shared OR (project_id <> '' AND project_id = ?))", c.ProjectID).
					WhereOr("? <> '' AND subnet.project_id = ?", c.ProjectID, c.ProjectID)
			})
		},
		fill: func(ctx context.Context, rows []*network.Subnet) error {
			ids := make([]string, len(rows))
			for i, sub := range rows {
				ids[i] = sub.NetworkID
			}
			shared := map[string]bool{}
			err := pairs(ctx, d.Query(ctx).NewSelect().Table("networks").Column("id", "id").Where("id IN (?)", bun.List(ids)).Where("shared"),
				func(n, _ string) { shared[n] = true })
			for _, sub := range rows {
				sub.Shared = shared[sub.NetworkID]
			}
			return err
		},
	})
}

func portsTable(d *db.DB) *table[network.Port] {
	return newTable(table[network.Port]{
		d: d, name: "ports", alias: "port", absent: network.PortNotFound, tags: true,
		columns: map[string]string{
			"name": "name", "network_id": "network_id", "mac_address": "mac_address", "status": "status", "admin_state_up": "admin_state_up",
			"device_id": "device_id", "device_owner": "device_owner", "binding:host_id": "host_id", "binding:vif_type": "vif_type",
			"binding:vnic_type": "vnic_type", "dns_name": "dns_name", "port_security_enabled": "port_security_enabled",
		},
		special: map[string]func(*bun.SelectQuery, db.Filter) *bun.SelectQuery{
			"ip_address": func(q *bun.SelectQuery, f db.Filter) *bun.SelectQuery {
				return q.Where("port.id IN (SELECT port_id FROM ip_allocations WHERE ip_address IN (?))", bun.List(f.Values))
			},
			"ip_address_substr": func(q *bun.SelectQuery, f db.Filter) *bun.SelectQuery {
				sub := d.Reader().NewSelect().Table("ip_allocations").Column("port_id")
				sub, _ = db.ApplyFilters(sub, []db.Filter{{Column: "ip", Op: db.Contains, Values: f.Values}}, map[string]string{"ip": "ip_address"})
				return q.Where("port.id IN (?)", sub)
			},
			"subnet_id": func(q *bun.SelectQuery, f db.Filter) *bun.SelectQuery {
				return q.Where("port.id IN (SELECT port_id FROM ip_allocations WHERE subnet_id IN (?))", bun.List(f.Values))
			},
			"security_groups": func(q *bun.SelectQuery, f db.Filter) *bun.SelectQuery {
				return q.Where("port.id IN (SELECT port_id FROM port_groups WHERE group_id IN (?))", bun.List(f.Values))
			},
		},
		scope: func(q *bun.SelectQuery, c *auth.Context) *bun.SelectQuery {
			return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Where("? <> '' AND port.project_id = ?", c.ProjectID, c.ProjectID).
					WhereOr("port.network_id IN (SELECT id FROM networks WHERE project_id <> '' AND project_id = ?)", c.ProjectID)
			})
		},
		fill: func(ctx context.Context, rows []*network.Port) error { return fillPorts(ctx, d, rows) },
	})
}

// fillPorts loads the ports' addresses and groups.
func fillPorts(ctx context.Context, d *db.DB, rows []*network.Port) error {
	byID := make(map[string]*network.Port, len(rows))
	ids := make([]string, len(rows))
	for i, p := range rows {
		p.FixedIPs, p.SecurityGroups = []network.FixedIP{}, []string{}
		byID[p.ID], ids[i] = p, p.ID
	}
	var fixed []allocation
	err := d.Query(ctx).NewSelect().Model(&fixed).Where("port_id IN (?)", bun.List(ids)).Order("port_id", "position").Scan(ctx)
	if err != nil {
		return err
	}
	for _, a := range fixed {
		p := byID[a.PortID]
		p.FixedIPs = append(p.FixedIPs, network.FixedIP{SubnetID: a.SubnetID, IPAddress: a.IPAddress})
	}
	return pairs(ctx, d.Query(ctx).NewSelect().Table("port_groups").Column("port_id", "group_id").
		Where("port_id IN (?)", bun.List(ids)).Order("group_id"), func(p, g string) {
		byID[p].SecurityGroups = append(byID[p].SecurityGroups, g)
	})
}

func routersTable(d *db.DB) *table[network.Router] {
	return newTable(table[network.Router]{
		d: d, name: "routers", alias: "router", absent: network.RouterNotFound, tags: true,
		columns: map[string]string{
			"name": "name", "status": "status", "admin_state_up": "admin_state_up", "host": "host", "external_network_id": "external_network_id",
		},
		fill: func(ctx context.Context, rows []*network.Router) error {
			byPort := map[string]*network.Router{}
			var ids []string
			for _, r := range rows {
				if r.GatewayPortID != "" {
					byPort[r.GatewayPortID] = r
					ids = append(ids, r.GatewayPortID)
				}
			}
			if len(ids) == 0 {
				return nil
			}
			var fixed []allocation
			err := d.Query(ctx).NewSelect().Model(&fixed).Where("port_id IN (?)", bun.List(ids)).Order("port_id", "position").Scan(ctx)
			for _, a := range fixed {
				r := byPort[a.PortID]
				r.GatewayIPs = append(r.GatewayIPs, network.FixedIP{SubnetID: a.SubnetID, IPAddress: a.IPAddress})
			}
			return err
		},
	})
}

func floatingIPsTable(d *db.DB) *table[network.FloatingIP] {
	return newTable(table[network.FloatingIP]{
		d: d, name: "floating_ips", alias: "floating_ip", absent: network.FloatingIPNotFound, tags: true,
		columns: map[string]string{
			"floating_network_id": "floating_network_id", "floating_ip_address": "floating_ip_address", "port_id": "port_id",
			"fixed_ip_address": "fixed_ip_address", "router_id": "router_id", "status": "status",
		},
	})
}

func groupsTable(d *db.DB) *table[network.SecurityGroup] {
	return newTable(table[network.SecurityGroup]{
		d: d, name: "security_groups", alias: "security_group", absent: network.SecurityGroupNotFound, tags: true,
		columns: map[string]string{"name": "name", "stateful": "stateful"},
		fill: func(ctx context.Context, rows []*network.SecurityGroup) error {
			byID := map[string]*network.SecurityGroup{}
			ids := make([]string, len(rows))
			for i, g := range rows {
				byID[g.ID], ids[i] = g, g.ID
			}
			var rules []*network.SecurityGroupRule
			err := d.Query(ctx).NewSelect().Model(&rules).Where("security_group_id IN (?)", bun.List(ids)).Order("created_at", "id").Scan(ctx)
			for _, r := range rules {
				g := byID[r.SecurityGroupID]
				g.Rules = append(g.Rules, r)
			}
			return err
		},
	})
}

func rulesTable(d *db.DB) *table[network.SecurityGroupRule] {
	return newTable(table[network.SecurityGroupRule]{
		d: d, name: "security_group_rules", alias: "security_group_rule", absent: network.SecurityGroupRuleNotFound,
		columns: map[string]string{
			"security_group_id": "security_group_id", "remote_group_id": "remote_group_id", "remote_ip_prefix": "remote_ip_prefix",
			"direction": "direction", "ethertype": "ether_type", "protocol": "protocol",
		},
		special: map[string]func(*bun.SelectQuery, db.Filter) *bun.SelectQuery{
			"port_range_min": portRange("has_min", "port_range_min"),
			"port_range_max": portRange("has_max", "port_range_max"),
		},
	})
}

// portRange filters by an end of a port range that is given.
func portRange(has, column string) func(*bun.SelectQuery, db.Filter) *bun.SelectQuery {
	return func(q *bun.SelectQuery, f db.Filter) *bun.SelectQuery {
		return q.Where("? AND ? IN (?)", bun.Ident("security_group_rule."+has), bun.Ident("security_group_rule."+column), bun.List(f.Values))
	}
}

func agentsTable(d *db.DB) *table[network.Agent] {
	return newTable(table[network.Agent]{
		d: d, name: "agents", alias: "agent", absent: network.AgentNotFound,
		columns: map[string]string{
			"host": "host", "binary": "binary_name", "agent_type": "agent_type", "topic": "topic", "availability_zone": "zone", "admin_state_up": "admin_state_up",
		},
	})
}

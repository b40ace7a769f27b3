// Package store keeps the network component's state in SQL.
//
// Rows are the domain types themselves: column names follow from field names
// by bun's convention. What "none" is in the domain, an empty text, is the
// same in SQL, so that there is no NULL anywhere.
package store

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"nubo/internal/db"
	"nubo/internal/quota"
	"nubo/network"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store implements network.Store.
type Store struct {
	d      *db.DB
	quotas quota.Store

	networks *table[network.Network]
	subnets  *table[network.Subnet]
	ports    *table[network.Port]
	routers  *table[network.Router]
	floating *table[network.FloatingIP]
	groups   *table[network.SecurityGroup]
	rules    *table[network.SecurityGroupRule]
	agents   *table[network.Agent]
}

// noticePace is how often agents are told of changes under load: one notice
// tells of all that came meanwhile.
const noticePace = 50 * time.Millisecond

// Open opens and migrates the database.
func Open(ctx context.Context, url string) (*Store, error) {
	d, err := db.Open(ctx, url, migrations, db.WithOutbox(), db.OutboxPace(noticePace))
	if err != nil {
		return nil, fmt.Errorf("open the network database: %w", err)
	}
	return New(d), nil
}

// New makes a store of a database that has this package's schema.
func New(d *db.DB) *Store {
	s := &Store{d: d, quotas: quota.NewStore(d)}
	s.networks = networksTable(d)
	s.subnets = subnetsTable(d)
	s.ports = portsTable(d)
	s.routers = routersTable(d)
	s.floating = floatingIPsTable(d)
	s.groups = groupsTable(d)
	s.rules = rulesTable(d)
	s.agents = agentsTable(d)
	return s
}

// Close closes the database.
func (s *Store) Close() error { return s.d.Close() }

// The tables.

// Networks implements network.Store, as the following do.
func (s *Store) Networks() network.Table[network.Network] { return s.networks }

// Subnets is the table of subnets.
func (s *Store) Subnets() network.Table[network.Subnet] { return s.subnets }

// Ports is the table of ports.
func (s *Store) Ports() network.Table[network.Port] { return s.ports }

// Routers is the table of routers.
func (s *Store) Routers() network.Table[network.Router] { return s.routers }

// FloatingIPs is the table of floating IPs.
func (s *Store) FloatingIPs() network.Table[network.FloatingIP] { return s.floating }

// SecurityGroups is the table of security groups.
func (s *Store) SecurityGroups() network.Table[network.SecurityGroup] { return s.groups }

// Rules is the table of security group rules.
func (s *Store) Rules() network.Table[network.SecurityGroupRule] { return s.rules }

// Agents is the table of agents.
func (s *Store) Agents() network.Table[network.Agent] { return s.agents }

// InTx implements network.Store.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.d.InTx(ctx, func(ctx context.Context, _ bun.Tx) error { return fn(ctx) })
}

// Send implements network.Store.
func (s *Store) Send(ctx context.Context, msgs ...db.Message) error {
	return s.d.Outbox().Add(ctx, msgs...)
}

// Relay implements network.Store.
func (s *Store) Relay(ctx context.Context, send func(context.Context, []db.Message) (int, error)) error {
	return s.d.Outbox().Run(ctx, send)
}

// AfterCommit implements network.Store.
func (s *Store) AfterCommit(ctx context.Context, f func()) { s.d.AfterCommit(ctx, f) }

// Quotas implements network.Store.
func (s *Store) Quotas() quota.Store { return s.quotas }

// counted are the tables that quotas count.
var counted = map[string]string{
	"network": "networks", "subnet": "subnets", "port": "ports", "router": "routers", "floatingip": "floating_ips",
	"security_group": "security_groups", "security_group_rule": "security_group_rules",
}

// Count implements network.Store.
func (s *Store) Count(ctx context.Context, project, resource string) (int64, error) {
	return s.d.Query(ctx).NewSelect().Table(counted[resource]).Where("project_id = ?", project).Count(ctx)
}

// QuotaProjects implements network.Store.
func (s *Store) QuotaProjects(ctx context.Context) ([]string, error) {
	var out []string
	err := s.d.Query(ctx).NewSelect().Table("quota_limits").Distinct().Column("project_id").Scan(ctx, &out)
	return out, err
}

// taken turns the error of a key that exists into network.ErrTaken.
func taken(err error) error {
	if db.IsUnique(err) {
		return fmt.Errorf("%w: %w", network.ErrTaken, err)
	}
	return err
}

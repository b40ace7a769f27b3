package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
)

type nodeRow struct {
	bun.BaseModel `bun:"table:nodes,alias:nodes"`

	ID             string    `bun:"id,pk"`
	Num            int64     `bun:"num"`
	Host           string    `bun:"host"`
	Hostname       string    `bun:"hostname"`
	HypervisorType string    `bun:"hypervisor_type"`
	Version        int       `bun:"version"`
	HostIP         string    `bun:"host_ip"`
	CPUInfo        string    `bun:"cpu_info"`
	VCPUs          int       `bun:"vcpus"`
	MemoryMB       int       `bun:"memory_mb"`
	LocalGB        int       `bun:"local_gb"`
	FreeDiskGB     int       `bun:"free_disk_gb"`
	CreatedAt      time.Time `bun:"created_at"`
	UpdatedAt      time.Time `bun:"updated_at"`
}

func (r *nodeRow) node() *compute.ComputeNode {
	return &compute.ComputeNode{
		ID: r.ID, Num: r.Num, Host: r.Host, Hostname: r.Hostname, HypervisorType: r.HypervisorType, Version: r.Version,
		HostIP: r.HostIP, CPUInfo: r.CPUInfo, VCPUs: r.VCPUs, MemoryMB: r.MemoryMB, LocalGB: r.LocalGB, FreeDiskGB: r.FreeDiskGB,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

// SaveNodes implements compute.ServiceStore.
func (s *Store) SaveNodes(ctx context.Context, at time.Time, nodes []compute.ComputeNode) error {
	if len(nodes) == 0 {
		return nil
	}
	at = db.Micro(at)
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		var rows []*nodeRow
		if err := tx.NewSelect().Model(&rows).Column("id", "num").Scan(ctx); err != nil {
			return fmt.Errorf("list nodes: %w", err)
		}
		nums := make(map[string]int64, len(rows))
		for _, r := range rows {
			nums[r.ID] = r.Num
		}
		rows = rows[:0]
		for _, n := range nodes {
			num := nums[n.ID]
			if num == 0 {
				var err error
				if num, err = sequence(ctx, tx, "nodes", 1); err != nil {
					return err
				}
				nums[n.ID] = num
			}
			rows = append(rows, &nodeRow{
				ID: n.ID, Num: num, Host: n.Host, Hostname: n.Hostname, HypervisorType: n.HypervisorType, Version: n.Version,
				HostIP: n.HostIP, CPUInfo: n.CPUInfo, VCPUs: n.VCPUs, MemoryMB: n.MemoryMB, LocalGB: n.LocalGB, FreeDiskGB: n.FreeDiskGB,
				CreatedAt: at, UpdatedAt: at,
			})
		}
		q := tx.NewInsert().Model(&rows).On("CONFLICT (id) DO UPDATE")
		for _, c := range []string{
			"host", "hostname", "hypervisor_type", "version", "host_ip", "cpu_info", "vcpus", "memory_mb", "local_gb", "free_disk_gb", "updated_at",
		} {
			q = q.Set("? = EXCLUDED.?", bun.Ident(c), bun.Ident(c))
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("write nodes: %w", err)
		}
		return nil
	})
}

// Nodes implements compute.ServiceStore.
func (s *Store) Nodes(ctx context.Context, f compute.NodeQuery) ([]*compute.ComputeNode, error) {
	d := s.query(ctx)
	var rows []*nodeRow
	q := d.NewSelect().Model(&rows)
	if f.Host != "" {
		q = q.Where("host = ?", f.Host)
	}
	if f.Hostname != "" {
		q = q.Where(`LOWER(hostname) LIKE LOWER(?) ESCAPE '\'`, "%"+likeText(f.Hostname)+"%")
	}
	q, err := f.Page.Apply(ctx, q, d, db.Keyset{Table: "nodes"})
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	usage, _, err := s.usage(ctx)
	if err != nil {
		return nil, err
	}
	nodes := make([]*compute.ComputeNode, len(rows))
	for i, r := range rows {
		nodes[i] = r.node()
		nodes[i].Used = usage[place{r.Host, r.Hostname}]
	}
	return nodes, nil
}

// Node implements compute.ServiceStore.
func (s *Store) Node(ctx context.Context, id string) (*compute.ComputeNode, error) {
	var row nodeRow
	if err := byEither(s.query(ctx).NewSelect().Model(&row), id).Scan(ctx); err != nil {
		return nil, notFound(err, fault.NotFoundf("Compute host %s could not be found.", id).WithType("ComputeHostNotFound"))
	}
	usage, _, err := s.usage(ctx)
	if err != nil {
		return nil, err
	}
	n := row.node()
	n.Used = usage[place{n.Host, n.Hostname}]
	return n, nil
}

// place is a node of a host.
type place struct{ host, node string }

// usage counts what servers take of each node, and each project's servers of
// each host. An index holds all it reads.
func (s *Store) usage(ctx context.Context) (map[place]compute.Usage, map[string]map[string]int, error) {
	var rows []struct {
		Host      string `bun:"host"`
		Node      string `bun:"node"`
		ProjectID string `bun:"project_id"`
		Servers   int    `bun:"servers"`
		VCPUs     int    `bun:"vcpus"`
		Memory    int    `bun:"memory"`
		Disk      int    `bun:"disk"`
		Busy      int    `bun:"busy"`
	}
	err := s.query(ctx).NewSelect().Table("servers").Column("host", "node", "project_id").
		ColumnExpr("COUNT(*) AS servers, SUM(vcpus) AS vcpus, SUM(memory_mb) AS memory, SUM(disk_gb) AS disk").
		ColumnExpr("SUM(CASE WHEN task_state <> '' THEN 1 ELSE 0 END) AS busy").
		Where("NOT deleted").Where("host <> ''").Group("host", "project_id", "node").Scan(ctx, &rows)
	if err != nil {
		return nil, nil, fmt.Errorf("count what servers use: %w", err)
	}
	used, projects := map[place]compute.Usage{}, map[string]map[string]int{}
	for _, r := range rows {
		u := used[place{r.Host, r.Node}]
		u.Servers += r.Servers
		u.VCPUs += r.VCPUs
		u.MemoryMB += r.Memory
		u.DiskGB += r.Disk
		u.Tasks += r.Busy
		used[place{r.Host, r.Node}] = u
		if projects[r.Host] == nil {
			projects[r.Host] = map[string]int{}
		}
		projects[r.Host][r.ProjectID] += r.Servers
	}
	return used, projects, nil
}

// HostStates implements compute.ServiceStore.
func (s *Store) HostStates(ctx context.Context) ([]*compute.HostState, error) {
	d := s.query(ctx)
	var nodes []*nodeRow
	if err := d.NewSelect().Model(&nodes).Order("num").Scan(ctx); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	services, err := s.Services(ctx, "", compute.BinaryCompute)
	if err != nil {
		return nil, err
	}
	byHost := make(map[string]*compute.ComputeService, len(services))
	for _, one := range services {
		byHost[one.Host] = one
	}
	aggregates, err := s.Aggregates(ctx)
	if err != nil {
		return nil, err
	}
	in := map[string][]compute.Aggregate{}
	for _, a := range aggregates {
		for _, host := range a.Hosts {
			in[host] = append(in[host], *a)
		}
	}
	used, projects, err := s.usage(ctx)
	if err != nil {
		return nil, err
	}
	states := make([]*compute.HostState, 0, len(nodes))
	for _, r := range nodes {
		service := byHost[r.Host]
		if service == nil {
			continue // its service was deleted; the next heartbeat brings it back
		}
		h := &compute.HostState{Node: *r.node(), Service: *service, Aggregates: in[r.Host], Projects: projects[r.Host]}
		h.Node.Used = used[place{r.Host, r.Hostname}]
		states = append(states, h)
	}
	return states, nil
}

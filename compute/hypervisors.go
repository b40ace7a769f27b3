package compute

import (
	"context"
	"time"
)

// ComputeNode is a hypervisor. Its ID is the UUID of its resource provider
// in placement.
type ComputeNode struct {
	ID             string    `json:"id"`
	Num            int64     `json:"num"` // the id shown before microversion 2.53
	Host           string    `json:"host"`
	Hostname       string    `json:"hostname"`
	HypervisorType string    `json:"hypervisor_type"`
	Version        int       `json:"version"`
	HostIP         string    `json:"host_ip"`
	CPUInfo        string    `json:"cpu_info"`
	VCPUs          int       `json:"vcpus"`
	MemoryMB       int       `json:"memory_mb"`
	LocalGB        int       `json:"local_gb"`
	FreeDiskGB     int       `json:"free_disk_gb"` // as the host sees it
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`

	// Used are counted from the servers on the node when it is read.
	Used Usage `json:"-"`
}

// Usage is what servers take of a host.
type Usage struct {
	Servers  int
	VCPUs    int
	MemoryMB int
	DiskGB   int
	// Tasks counts the servers something is happening to, Nova's io_ops.
	Tasks int
}

// HostState is all the scheduler wants to know of a host, in one read.
type HostState struct {
	Node       ComputeNode
	Service    ComputeService
	Aggregates []Aggregate
	// Projects counts the servers of each project on the host.
	Projects map[string]int
}

// Hypervisor is a node with the service that reports it.
type Hypervisor struct {
	*ComputeNode
	Service *ComputeService // nil if it was deleted
	Up      bool
}

// Hypervisors lists.
func (s *Service) Hypervisors(ctx context.Context, q NodeQuery) ([]Hypervisor, error) {
	nodes, err := s.store.Nodes(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.withServices(ctx, nodes)
}

// Hypervisor gives one.
func (s *Service) Hypervisor(ctx context.Context, id string) (Hypervisor, error) {
	n, err := s.store.Node(ctx, id)
	if err != nil {
		return Hypervisor{}, err
	}
	all, err := s.withServices(ctx, []*ComputeNode{n})
	if err != nil {
		return Hypervisor{}, err
	}
	return all[0], nil
}

func (s *Service) withServices(ctx context.Context, nodes []*ComputeNode) ([]Hypervisor, error) {
	services, err := s.store.Services(ctx, "", BinaryCompute)
	if err != nil {
		return nil, err
	}
	byHost := make(map[string]*ComputeService, len(services))
	for _, one := range services {
		byHost[one.Host] = one
	}
	out := make([]Hypervisor, len(nodes))
	for i, n := range nodes {
		one := byHost[n.Host]
		out[i] = Hypervisor{ComputeNode: n, Service: one, Up: one != nil && s.IsUp(one)}
	}
	return out, nil
}

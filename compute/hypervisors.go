package compute

import "time"

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

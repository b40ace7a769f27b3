package compute

import "time"

// Flavor is a size of servers.
type Flavor struct {
	ID          string
	Name        string
	Description string
	VCPUs       int
	MemoryMB    int
	RootGB      int
	EphemeralGB int
	SwapMB      int
	RxtxFactor  float64
	Public      bool
	Disabled    bool
	ExtraSpecs  map[string]string
	CreatedAt   time.Time
	UpdatedAt   *time.Time
}

// FlavorSnapshot is the flavor as it was when the server was made: flavors
// may be deleted, servers keep their size.
type FlavorSnapshot struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	VCPUs       int               `json:"vcpus"`
	MemoryMB    int               `json:"memory_mb"`
	RootGB      int               `json:"root_gb"`
	EphemeralGB int               `json:"ephemeral_gb"`
	SwapMB      int               `json:"swap_mb"`
	ExtraSpecs  map[string]string `json:"extra_specs,omitempty"`
}

// Snapshot is what a server keeps of its flavor.
func (f *Flavor) Snapshot() FlavorSnapshot {
	return FlavorSnapshot{
		ID: f.ID, Name: f.Name, VCPUs: f.VCPUs, MemoryMB: f.MemoryMB, RootGB: f.RootGB,
		EphemeralGB: f.EphemeralGB, SwapMB: f.SwapMB, ExtraSpecs: f.ExtraSpecs,
	}
}

package compute

import "time"

// ZoneKey is the metadata key that makes an aggregate an availability zone.
const ZoneKey = "availability_zone"

// Aggregate is a set of hosts with common metadata.
type Aggregate struct {
	ID        int64
	UUID      string
	Name      string
	Metadata  map[string]string
	Hosts     []string
	CreatedAt time.Time
	UpdatedAt *time.Time
	DeletedAt *time.Time
}

// Zone is the aggregate's availability zone, "" for none.
func (a *Aggregate) Zone() string { return a.Metadata[ZoneKey] }

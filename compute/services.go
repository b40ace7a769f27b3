package compute

import "time"

// The binaries of compute services.
const (
	BinaryCompute   = "nova-compute"
	BinaryConductor = "nova-conductor"
	BinaryScheduler = "nova-scheduler"
)

// ComputeService is a process that reports itself: Nova's service record.
type ComputeService struct {
	ID             string // UUID
	Num            int64  // the id shown before microversion 2.53
	Host           string
	Binary         string
	Topic          string
	AZ             string // shown only; aggregates decide
	ReportCount    int64
	LastSeen       *time.Time
	Disabled       bool
	DisabledReason string
	ForcedDown     bool
	Version        int
	CreatedAt      time.Time
	UpdatedAt      *time.Time
}

// Up reports whether the service was heard of within the limit.
func (s *ComputeService) Up(now time.Time, limit time.Duration) bool {
	return !s.ForcedDown && s.LastSeen != nil && now.Sub(*s.LastSeen) <= limit
}

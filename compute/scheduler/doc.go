// Package scheduler chooses hosts for servers: Nova's nova-scheduler.
//
// Placement names the hosts that have the resources free; filters refuse
// those that will not do for another reason; weighers put the rest in order;
// the best one's resources are claimed in placement. What was refused, why,
// and every weight is kept as the server's Decision.
//
//	scheduler.go   the RPC server, and one request from candidates to claims
//	state.go       what is known of hosts, read at most every few moments
//	filters.go     one function a filter
//	weighers.go    one function a weigher
package scheduler

import "time"

// Config is section [filter_scheduler].
type Config struct {
	HostSubsetSize             int           `default:"1" help:"Choose at random among so many of the best hosts."`
	RAMWeightMultiplier        float64       `default:"1.0" help:"How much free memory counts; negative packs servers together."`
	DiskWeightMultiplier       float64       `default:"1.0" help:"How much free disk counts."`
	CPUWeightMultiplier        float64       `default:"1.0" help:"How much free virtual CPUs count."`
	IOOpsWeightMultiplier      float64       `default:"-1.0" help:"How much servers that are being worked on count."`
	BuildFailureMultiplier     float64       `default:"1000000.0" help:"How much builds that failed lately count against a host."`
	SoftAffinityMultiplier     float64       `default:"1.0" help:"How much members of the same server group count for a host."`
	SoftAntiAffinityMultiplier float64       `default:"1.0" help:"How much they count against it."`
	MaxPlacementResults        int           `default:"1000" help:"How many candidates to ask placement for."`
	ServiceDownTime            time.Duration `default:"60s" help:"A host not heard of for so long is down."`
	DefaultAvailabilityZone    string        `default:"nova" help:"Zone of hosts that are in no aggregate with one."`
}

// DefaultConfig is the configuration nobody changed.
func DefaultConfig() Config {
	return Config{
		HostSubsetSize: 1, RAMWeightMultiplier: 1, DiskWeightMultiplier: 1, CPUWeightMultiplier: 1, IOOpsWeightMultiplier: -1,
		BuildFailureMultiplier: 1000000, SoftAffinityMultiplier: 1, SoftAntiAffinityMultiplier: 1, MaxPlacementResults: 1000,
		ServiceDownTime: time.Minute, DefaultAvailabilityZone: "nova",
	}
}

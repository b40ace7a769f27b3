package scheduler

// weigher measures hosts. What it measures is brought to the range 0 to 1
// among the hosts of a request, and multiplied.
type weigher struct {
	name       string
	multiplier func(*Config) float64
	measure    func(*host) float64
	// applies is nil for a weigher that every request wants.
	applies func(*spec) bool
}

var weighers = []weigher{
	{name: "RAMWeigher", multiplier: func(c *Config) float64 { return c.RAMWeightMultiplier }, measure: func(h *host) float64 { return float64(h.freeRAM) }},
	{name: "DiskWeigher", multiplier: func(c *Config) float64 { return c.DiskWeightMultiplier }, measure: func(h *host) float64 { return float64(h.freeDisk) }},
	{name: "CPUWeigher", multiplier: func(c *Config) float64 { return c.CPUWeightMultiplier }, measure: func(h *host) float64 { return float64(h.freeCPU) }},
	{name: "IoOpsWeigher", multiplier: func(c *Config) float64 { return c.IOOpsWeightMultiplier }, measure: func(h *host) float64 { return float64(h.tasks) }},
	{name: "BuildFailureWeigher", multiplier: func(c *Config) float64 { return -c.BuildFailureMultiplier }, measure: func(h *host) float64 { return float64(h.failures) }},
	{
		name: "ServerGroupSoftAffinityWeigher", multiplier: func(c *Config) float64 { return c.SoftAffinityMultiplier },
		measure: func(h *host) float64 { return float64(h.members) }, applies: policy("soft-affinity"),
	},
	{
		name: "ServerGroupSoftAntiAffinityWeigher", multiplier: func(c *Config) float64 { return c.SoftAntiAffinityMultiplier },
		measure: func(h *host) float64 { return -float64(h.members) }, applies: policy("soft-anti-affinity"),
	},
}

func policy(name string) func(*spec) bool {
	return func(s *spec) bool { return s.group != nil && s.group.Policy == name }
}

// weighed is a host with its weight, and what each weigher gave to it.
type weighed struct {
	*host
	weight float64
	by     map[string]float64
}

// weigh gives every host its weight.
func weigh(cfg *Config, s *spec, hosts []*host) []weighed {
	out := make([]weighed, len(hosts))
	for i, h := range hosts {
		out[i] = weighed{host: h, by: make(map[string]float64, len(weighers))}
	}
	for _, w := range weighers {
		factor := w.multiplier(cfg)
		if factor == 0 || w.applies != nil && !w.applies(s) {
			continue
		}
		low, high := w.measure(hosts[0]), w.measure(hosts[0])
		for _, h := range hosts[1:] {
			low, high = min(low, w.measure(h)), max(high, w.measure(h))
		}
		if low == high { // as oslo: equal hosts get nothing
			continue
		}
		for i := range out {
			part := factor * (w.measure(out[i].host) - low) / (high - low)
			out[i].weight += part
			out[i].by[w.name] = part
		}
	}
	return out
}

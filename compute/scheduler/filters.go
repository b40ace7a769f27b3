package scheduler

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nubo/compute"
)

// host is a candidate while a request is at work.
type host struct {
	*compute.HostState
	// Free amounts, the server's own before it is placed; they shrink as the
	// request's servers are placed.
	freeRAM, freeDisk, freeCPU int
	servers, tasks             int
	failures                   int // builds that failed lately
	members                    int // servers of the request's group
	zone                       string
}

func (h *host) name() string { return h.Node.Host }

// spec is what a request asks for.
type spec struct {
	server   *compute.Server
	excluded []string
	// group is the server's group, groupHosts how many members are on which
	// host, hintHosts where the servers of hints are.
	group      *compute.ServerGroup
	groupHosts map[string]int
	hintHosts  map[string]string
	now        time.Time
	downTime   time.Duration
}

// filter says why a host will not do; "" is consent.
type filter struct {
	name string
	// means is what a refusal means, in words that tell nothing of the hosts
	// and how they are kept: what the server's project is told.
	means  string
	refuse func(*spec, *host) string
}

// filters in Nova's order: what refuses most comes first.
var filters = []filter{
	{"RetryFilter", "the build has failed there", retryFilter},
	{"ForceHostFilter", "another host is asked for", forceHostFilter},
	{"AvailabilityZoneFilter", "in another availability zone", availabilityZoneFilter},
	{"ComputeFilter", "the compute service is disabled or down", computeFilter},
	{"ComputeCapabilitiesFilter", "without the capabilities the flavor asks for", computeCapabilitiesFilter},
	{"ImagePropertiesFilter", "another hypervisor than the image wants", imagePropertiesFilter},
	{"AggregateInstanceExtraSpecsFilter", "in no aggregate the flavor asks for", aggregateExtraSpecsFilter},
	{"SameHostFilter", "without the servers of hint same_host", sameHostFilter},
	{"DifferentHostFilter", "with a server of hint different_host", differentHostFilter},
	{"ServerGroupAntiAffinityFilter", "with servers of the server group already", antiAffinityFilter},
	{"ServerGroupAffinityFilter", "without servers of the server group", affinityFilter},
}

// meanings are the filters' by their names.
var meanings = func() map[string]string {
	out := map[string]string{}
	for _, f := range filters {
		out[f.name] = f.means
	}
	return out
}()

func retryFilter(s *spec, h *host) string {
	if slices.Contains(s.excluded, h.name()) {
		return "the build has failed there"
	}
	return ""
}

func forceHostFilter(s *spec, h *host) string {
	switch {
	case s.server.RequestedHost != "" && s.server.RequestedHost != h.name():
		return "host " + s.server.RequestedHost + " is asked for"
	case s.server.RequestedNode != "" && s.server.RequestedNode != h.Node.Hostname:
		return "node " + s.server.RequestedNode + " is asked for"
	}
	return ""
}

func availabilityZoneFilter(s *spec, h *host) string {
	if s.server.RequestedAZ != "" && s.server.RequestedAZ != h.zone {
		return fmt.Sprintf("is in availability zone %s, not %s", h.zone, s.server.RequestedAZ)
	}
	return ""
}

func computeFilter(s *spec, h *host) string {
	switch {
	case h.Service.Disabled && h.Service.DisabledReason != "":
		return "service is disabled, reason: " + h.Service.DisabledReason
	case h.Service.Disabled:
		return "service is disabled"
	case h.Service.ForcedDown:
		return "service is down, an admin says"
	case h.Service.LastSeen == nil:
		return "service is down, never heard of"
	case !h.Service.Up(s.now, s.downTime):
		return fmt.Sprintf("service is down, last heard of %d s ago", int(s.now.Sub(*h.Service.LastSeen).Seconds()))
	}
	return ""
}

// computeCapabilitiesFilter compares extra specs of the scope "capabilities"
// with what the hypervisor says of itself.
func computeCapabilitiesFilter(s *spec, h *host) string {
	for key, want := range s.server.Flavor.ExtraSpecs {
		name, ok := strings.CutPrefix(key, "capabilities:")
		if !ok {
			continue
		}
		var has string
		switch name {
		case "hypervisor_type":
			has = h.Node.HypervisorType
		case "hypervisor_version":
			has = strconv.Itoa(h.Node.Version)
		case "hypervisor_hostname":
			has = h.Node.Hostname
		case "vcpus_total":
			has = strconv.Itoa(h.Node.VCPUs)
		default:
			return "has no capability " + name
		}
		if !matches(has, want) {
			return fmt.Sprintf("capability %s is %s, not %s", name, has, want)
		}
	}
	return ""
}

func imagePropertiesFilter(s *spec, h *host) string {
	want := s.server.ImageProperties["img_hv_type"]
	if want == "" {
		want = s.server.ImageProperties["hypervisor_type"]
	}
	// Nova knows TCG guests by the name "qemu", as images do, and either runs
	// what the other does.
	kind := strings.ToLower(h.Node.HypervisorType)
	if want == "" || strings.EqualFold(want, kind) || kind == "qemu" && strings.EqualFold(want, "kvm") {
		return ""
	}
	return fmt.Sprintf("hypervisor is %s, the image wants %s", kind, want)
}

// aggregateExtraSpecsFilter wants each extra spec of the scope
// "aggregate_instance_extra_specs" among the metadata of one of the host's
// aggregates.
func aggregateExtraSpecsFilter(s *spec, h *host) string {
	for key, want := range s.server.Flavor.ExtraSpecs {
		scope, name, scoped := strings.Cut(key, ":")
		switch {
		case !scoped:
			name = key
		case scope != "aggregate_instance_extra_specs":
			continue
		}
		ok := slices.ContainsFunc(h.Aggregates, func(a compute.Aggregate) bool {
			has, ok := a.Metadata[name]
			return ok && slices.ContainsFunc(strings.Split(has, ","), func(one string) bool {
				return matches(strings.TrimSpace(one), want)
			})
		})
		if !ok {
			return fmt.Sprintf("is in no aggregate with %s=%s", name, want)
		}
	}
	return ""
}

// hosted reports whether one of a hint's servers is on the host.
func hosted(s *spec, h *host, hint string) (asked, here bool) {
	ids := s.server.Hints[hint]
	return len(ids) > 0, slices.ContainsFunc(ids, func(id string) bool { return s.hintHosts[id] == h.name() })
}

func sameHostFilter(s *spec, h *host) string {
	if asked, here := hosted(s, h, "same_host"); asked && !here {
		return "has none of the servers of hint same_host"
	}
	return ""
}

func differentHostFilter(s *spec, h *host) string {
	if _, here := hosted(s, h, "different_host"); here {
		return "has a server of hint different_host"
	}
	return ""
}

func antiAffinityFilter(s *spec, h *host) string {
	if s.group == nil || s.group.Policy != "anti-affinity" {
		return ""
	}
	limit := 1
	if n := s.group.Rules["max_server_per_host"]; n > 0 {
		limit = n
	}
	if h.members >= limit {
		return fmt.Sprintf("has %d of server group %s already", h.members, s.group.ID)
	}
	return ""
}

func affinityFilter(s *spec, h *host) string {
	if s.group == nil || s.group.Policy != "affinity" || len(s.groupHosts) == 0 || h.members > 0 {
		return ""
	}
	return "has none of server group " + s.group.ID
}

// matches compares by Nova's little language of extra specs: "s== x",
// ">= 4", "<or> a <or> b", "<in> part", "<is> true", or the word itself.
func matches(has, want string) bool {
	if rest, ok := strings.CutPrefix(want, "<or>"); ok {
		return slices.ContainsFunc(strings.Split(rest, "<or>"), func(one string) bool { return strings.TrimSpace(one) == has })
	}
	op, operand, ok := strings.Cut(want, " ")
	if !ok {
		return has == want
	}
	operand = strings.TrimSpace(operand)
	switch op {
	case "s==":
		return has == operand
	case "s!=":
		return has != operand
	case "<in>":
		return strings.Contains(has, operand)
	case "<is>":
		return strings.EqualFold(has, operand)
	case "=", ">=": // Nova's = is its >=
		return compare(has, operand, func(a, b float64) bool { return a >= b })
	case "==":
		return compare(has, operand, func(a, b float64) bool { return a == b })
	case "!=":
		return compare(has, operand, func(a, b float64) bool { return a != b })
	case "<=":
		return compare(has, operand, func(a, b float64) bool { return a <= b })
	}
	return has == want
}

func compare(has, want string, ok func(a, b float64) bool) bool {
	a, errA := strconv.ParseFloat(has, 64)
	b, errB := strconv.ParseFloat(want, 64)
	return errA == nil && errB == nil && ok(a, b)
}

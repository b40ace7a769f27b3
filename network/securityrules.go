package network

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Directions and ether types of rules.
const (
	Ingress = "ingress"
	Egress  = "egress"
	IPv4    = "IPv4"
	IPv6    = "IPv6"
)

// SecurityGroupRule admits traffic. What is empty admits any. For ICMP the
// port range holds type and code.
type SecurityGroupRule struct {
	Base
	SecurityGroupID string
	RemoteGroupID   string
	RemoteIPPrefix  string
	Direction       string
	EtherType       string
	Protocol        string
	PortRangeMin    int
	PortRangeMax    int
	HasMin, HasMax  bool // whether the port range's ends are given
}

// protocols are the names of IP protocols that rules may use.
var protocols = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58, "igmp": 2, "ip": 0,
	"ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
	"ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}

const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// withPorts are the protocols that have ports.
var withPorts = []int{protoTCP, protoUDP, 33, 132, 136}

// number gives the rule's protocol as a number, -1 for any.
func (r *SecurityGroupRule) number() int {
	if r.Protocol == "" {
		return -1
	}
	if n, ok := protocols[r.Protocol]; ok {
		return n
	}
	n, _ := strconv.Atoi(r.Protocol)
	return n
}

// same reports whether two rules admit the same.
func (r *SecurityGroupRule) same(o *SecurityGroupRule) bool {
	return r.Direction == o.Direction && r.EtherType == o.EtherType && r.number() == o.number() &&
		r.HasMin == o.HasMin && r.HasMax == o.HasMax && r.PortRangeMin == o.PortRangeMin && r.PortRangeMax == o.PortRangeMax &&
		r.RemoteGroupID == o.RemoteGroupID && anyPrefix(r) == anyPrefix(o)
}

// anyPrefix is the remote prefix, where all addresses count as none.
func anyPrefix(r *SecurityGroupRule) string {
	if p, err := netip.ParsePrefix(r.RemoteIPPrefix); err == nil && p.Bits() == 0 {
		return ""
	}
	return r.RemoteIPPrefix
}

// checkRule checks a rule and puts it into its canonical form.
func checkRule(r *SecurityGroupRule) error {
	if r.RemoteGroupID != "" && r.RemoteIPPrefix != "" {
		return invalid("SecurityGroupRemoteGroupAndRemoteIpPrefix", "Only remote_ip_prefix or remote_group_id may be provided.")
	}
	r.Protocol = strings.ToLower(r.Protocol)
	if r.Protocol == "any" || r.Protocol == "0" || r.Protocol == "ip" {
		r.Protocol = ""
	}
	if err := checkProtocol(r); err != nil {
		return err
	}
	if err := checkPorts(r); err != nil {
		return err
	}
	if r.RemoteIPPrefix == "" {
		return nil
	}
	p, err := netip.ParsePrefix(r.RemoteIPPrefix)
	if err != nil {
		a, err := netip.ParseAddr(r.RemoteIPPrefix)
		if err != nil {
			return invalidInput("'%s' is not a valid IP subnet", r.RemoteIPPrefix)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	r.RemoteIPPrefix = p.Masked().String()
	if p.Addr().Is4() != (r.EtherType == IPv4) {
		return invalid("SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", r.EtherType, r.RemoteIPPrefix)
	}
	return nil
}

func checkProtocol(r *SecurityGroupRule) error {
	if r.Protocol == "" {
		return nil
	}
	if _, named := protocols[r.Protocol]; !named {
		n, err := strconv.Atoi(r.Protocol)
		if err != nil || n < 0 || n > 255 {
			var names []string
			for name := range protocols {
				names = append(names, name)
			}
			slices.Sort(names)
			return invalid("SecurityGroupRuleInvalidProtocol", "Security group rule protocol %s not supported. Only protocol values [None, %s] and integer representations [0 to 255] are supported.",
				r.Protocol, "'"+strings.Join(names, "', '")+"'")
		}
	}
	if r.EtherType == IPv6 && r.Protocol == "icmp" {
		r.Protocol = "ipv6-icmp"
	}
	if r.EtherType == IPv4 && (r.number() == protoICMPv6 || strings.HasPrefix(r.Protocol, "ipv6-")) {
		return invalid("SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype %s for protocol %s.", r.EtherType, r.Protocol)
	}
	return nil
}

func checkPorts(r *SecurityGroupRule) error {
	if !r.HasMin && !r.HasMax {
		return nil
	}
	n := r.number()
	switch {
	case n < 0:
		return invalid("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	case n == protoICMP || n == protoICMPv6:
		for _, f := range []struct {
			name, field string
			has         bool
			value       int
		}{{"port_range_min", "type", r.HasMin, r.PortRangeMin}, {"port_range_max", "code", r.HasMax, r.PortRangeMax}} {
			if f.has && (f.value < 0 || f.value > 255) {
				return invalid("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP %s (%s) %d. It must be 0 to 255.", f.field, f.name, f.value)
			}
		}
		if !r.HasMin {
			return invalid("SecurityGroupMissingIcmpType", "ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", r.PortRangeMax)
		}
		return nil
	case !slices.Contains(withPorts, n):
		return invalid("SecurityGroupInvalidProtocolForPortRange", "Invalid protocol %s for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP.", r.Protocol)
	}
	if !r.HasMin || !r.HasMax || r.PortRangeMin > r.PortRangeMax {
		return invalid("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
	}
	if r.PortRangeMin < 0 || r.PortRangeMax > 65535 {
		return invalid("SecurityGroupInvalidPortValue", "Invalid value for port %d", max(r.PortRangeMax, -r.PortRangeMin))
	}
	return nil
}

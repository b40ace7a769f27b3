package network

import (
	"errors"
	"testing"

	"nubo/internal/fault"
	"nubo/internal/testx"
)

func TestCheckRule(t *testing.T) {
	t.Parallel()
	ports := func(r SecurityGroupRule, low, high int) SecurityGroupRule {
		r.PortRangeMin, r.PortRangeMax, r.HasMin, r.HasMax = low, high, true, true
		return r
	}
	four := func(protocol string) SecurityGroupRule {
		return SecurityGroupRule{EtherType: IPv4, Protocol: protocol}
	}
	for name, test := range map[string]struct {
		rule  SecurityGroupRule
		class string
	}{
		"anything":         {four(""), ""},
		"any":              {four("ANY"), ""},
		"tcp 22":           {ports(four("TCP"), 22, 22), ""},
		"sctp":             {ports(four("132"), 1, 65535), ""},
		"ping":             {ports(four("icmp"), 8, 0), ""},
		"backwards":        {ports(four("tcp"), 23, 22), "SecurityGroupInvalidPortRange"},
		"no protocol":      {ports(four(""), 1, 2), "SecurityGroupProtocolRequiredWithPorts"},
		"ports of gre":     {ports(four("gre"), 1, 2), "SecurityGroupInvalidProtocolForPortRange"},
		"icmp type":        {ports(four("icmp"), 256, 0), "SecurityGroupInvalidIcmpValue"},
		"icmp code alone":  {SecurityGroupRule{EtherType: IPv4, Protocol: "icmp", PortRangeMax: 1, HasMax: true}, "SecurityGroupMissingIcmpType"},
		"no such protocol": {four("tpc"), "SecurityGroupRuleInvalidProtocol"},
		"number":           {four("256"), "SecurityGroupRuleInvalidProtocol"},
		"icmpv6 in IPv4":   {four("icmpv6"), "SecurityGroupEthertypeConflictWithProtocol"},
		"v6 prefix in v4":  {SecurityGroupRule{EtherType: IPv4, RemoteIPPrefix: "fd00::/64"}, "SecurityGroupRuleParameterConflict"},
		"no prefix":        {SecurityGroupRule{EtherType: IPv4, RemoteIPPrefix: "10.0.0.0/40"}, "InvalidInput"},
		"two remotes":      {SecurityGroupRule{EtherType: IPv4, RemoteIPPrefix: "10.0.0.0/8", RemoteGroupID: "g"}, "SecurityGroupRemoteGroupAndRemoteIpPrefix"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := test.rule
			err := checkRule(&rule)
			var f *fault.Error
			if test.class == "" {
				testx.NoErr(t, err)
			} else if !errors.As(err, &f) || f.Type != test.class {
				t.Fatalf("got %v, want %s", err, test.class)
			}
		})
	}
}

func TestRulesAsDriversKnowThem(t *testing.T) {
	t.Parallel()
	for protocol, want := range map[string]string{"": "", "6": "tcp", "udp": "udp", "icmp": "icmp", "ipv6-icmp": "ipv6-icmp", "icmpv6": "ipv6-icmp", "gre": "47", "89": "89"} {
		r := ruleState(&SecurityGroupRule{EtherType: IPv4, Protocol: protocol})
		testx.Equal(t, r.Protocol, want)
	}
	any8 := ruleState(&SecurityGroupRule{Protocol: "icmp", PortRangeMin: 8, HasMin: true})
	testx.Equal(t, []int{any8.PortMin, any8.PortMax}, []int{8, -1})
	testx.Equal(t, ruleState(&SecurityGroupRule{}).Remote.IsValid(), false)
}

func TestCanonicalRule(t *testing.T) {
	t.Parallel()
	r := SecurityGroupRule{EtherType: IPv4, Protocol: "Any", RemoteIPPrefix: "10.1.2.3/8"}
	testx.NoErr(t, checkRule(&r))
	testx.Equal(t, r.Protocol+" "+r.RemoteIPPrefix, " 10.0.0.0/8")
	r = SecurityGroupRule{EtherType: IPv4, RemoteIPPrefix: "10.1.2.3"}
	testx.NoErr(t, checkRule(&r))
	testx.Equal(t, r.RemoteIPPrefix, "10.1.2.3/32")
}

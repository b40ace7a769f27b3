package network

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nubo/internal/testx"
)

func TestUsable(t *testing.T) {
	t.Parallel()
	for cidr, want := range map[string]string{
		"10.0.0.0/24": "10.0.0.1-10.0.0.254", "10.0.0.8/30": "10.0.0.9-10.0.0.10", "10.0.0.8/31": "10.0.0.8-10.0.0.9",
		"10.0.0.8/32": "10.0.0.8-10.0.0.8", "fd00::/64": "fd00::1-fd00::ffff:ffff:ffff:ffff", "fd00::/127": "fd00::-fd00::1",
	} {
		first, last := usable(netip.MustParsePrefix(cidr))
		testx.Equal(t, fmt.Sprintf("%s-%s", first, last), want)
	}
}

func TestDefaultPoolsLeaveTheGatewayOut(t *testing.T) {
	t.Parallel()
	p := netip.MustParsePrefix("10.0.0.0/29")
	for gateway, want := range map[string]string{
		"10.0.0.1": "[10.0.0.2-10.0.0.6]", "10.0.0.6": "[10.0.0.1-10.0.0.5]", "10.0.0.3": "[10.0.0.1-10.0.0.2 10.0.0.4-10.0.0.6]",
	} {
		testx.Equal(t, ranges(defaultPools(p, netip.MustParseAddr(gateway))), want)
	}
	testx.Equal(t, ranges(defaultPools(p, netip.Addr{})), "[10.0.0.1-10.0.0.6]")
}

func ranges(pools []pool) string {
	var out []string
	for _, p := range pools {
		out = append(out, fmt.Sprintf("%s-%s", p.first, p.last))
	}
	return fmt.Sprint(out)
}

// TestCandidatesAreOfThePools holds for any pools, however large.
func TestCandidatesAreOfThePools(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var pools []pool
		six := rapid.Bool().Draw(t, "six")
		for range rapid.IntRange(1, 3).Draw(t, "pools") {
			n := 4
			if six {
				n = 16
			}
			a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "a"))
			b, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "b"))
			if b.Less(a) {
				a, b = b, a
			}
			pools = append(pools, pool{a, b})
		}
		drawn := candidates(pools, 1<<62)
		if len(drawn) == 0 {
			t.Fatal("no candidates")
		}
		for _, a := range drawn {
			ok := false
			for _, p := range pools {
				ok = ok || p.contains(a)
			}
			if !ok {
				t.Fatalf("%s is in none of %v", a, pools)
			}
		}
	})
}

func TestEveryAddressOfASmallPoolIsACandidate(t *testing.T) {
	t.Parallel()
	p := pool{netip.MustParseAddr("10.0.0.250"), netip.MustParseAddr("10.0.1.2")}
	testx.Equal(t, len(candidates([]pool{p}, 1<<62)), 9)
	taken := map[string]bool{"10.0.0.250": true, "10.0.0.251": true}
	a, ok := firstFree([]pool{p}, taken)
	testx.Equal(t, fmt.Sprint(a, ok), "10.0.0.252 true")
}

// TestWindow draws of the beginning only, across pools.
func TestWindow(t *testing.T) {
	t.Parallel()
	pools := []pool{
		{netip.MustParseAddr("10.0.0.10"), netip.MustParseAddr("10.0.0.11")},
		{netip.MustParseAddr("10.0.0.20"), netip.MustParseAddr("10.0.0.90")},
	}
	want := []netip.Addr{pools[0].first, pools[0].last, pools[1].first}
	for range 50 {
		for _, a := range candidates(pools, 3) {
			if !slices.Contains(want, a) {
				t.Fatalf("drew %s", a)
			}
		}
	}
}

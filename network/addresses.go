package network

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
)

// offset gives the address n after a.
func offset(a netip.Addr, n uint64) netip.Addr {
	if a.Is4() {
		b := a.As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	low := binary.BigEndian.Uint64(b[8:])
	if low+n < low {
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])+1)
	}
	binary.BigEndian.PutUint64(b[8:], low+n)
	return netip.AddrFrom16(b)
}

// distance is how many addresses b is after a, at most 2^48: sizes of
// several pools are added.
func distance(a, b netip.Addr) uint64 {
	if a.Is4() {
		x, y := a.As4(), b.As4()
		return uint64(binary.BigEndian.Uint32(y[:]) - binary.BigEndian.Uint32(x[:]))
	}
	x, y := a.As16(), b.As16()
	low := binary.BigEndian.Uint64(y[8:]) - binary.BigEndian.Uint64(x[8:])
	high := binary.BigEndian.Uint64(y[:8]) - binary.BigEndian.Uint64(x[:8])
	if binary.BigEndian.Uint64(y[8:]) < binary.BigEndian.Uint64(x[8:]) {
		high--
	}
	if high > 0 || low > 1<<48 {
		return 1 << 48
	}
	return low
}

// lastOf is the last address of a block: its broadcast address.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := range b {
		for bit := range 8 {
			if i*8+bit >= p.Bits() {
				b[i] |= 1 << (7 - bit)
			}
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// usable gives the first and last address of a block that hosts may have: in
// IPv4 neither its network nor its broadcast address.
func usable(p netip.Prefix) (first, last netip.Addr) {
	first, last = p.Masked().Addr(), lastOf(p)
	if p.Addr().BitLen()-p.Bits() <= 1 {
		return first, last
	}
	if p.Addr().Is4() {
		return first.Next(), last.Prev()
	}
	return first.Next(), last
}

// isUsable reports whether a host may have the address.
func isUsable(p netip.Prefix, a netip.Addr) bool {
	first, last := usable(p)
	return p.Contains(a) && a.Compare(first) >= 0 && a.Compare(last) <= 0
}

// pool is an allocation pool, parsed.
type pool struct{ first, last netip.Addr }

func (p pool) size() uint64 { return distance(p.first, p.last) + 1 }

func (p pool) contains(a netip.Addr) bool {
	return a.Compare(p.first) >= 0 && a.Compare(p.last) <= 0
}

// defaultPools are all of a block's usable addresses but the gateway's.
func defaultPools(p netip.Prefix, gateway netip.Addr) []pool {
	first, last := usable(p)
	if !gateway.IsValid() || !(pool{first, last}).contains(gateway) {
		return []pool{{first, last}}
	}
	var out []pool
	if gateway != first {
		out = append(out, pool{first, gateway.Prev()})
	}
	if gateway != last {
		out = append(out, pool{gateway.Next(), last})
	}
	return out
}

// candidates draws up to probes different addresses of the first window ones of
// the pools.
func candidates(pools []pool, window uint64) []netip.Addr {
	pools = cutPools(pools, window)
	var total uint64
	for _, p := range pools {
		total += p.size()
	}
	var out []netip.Addr
	if total <= probes {
		for _, p := range pools {
			for i := range p.size() {
				out = append(out, offset(p.first, i))
			}
		}
		rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out
	}
	for range probes {
		k := rand.Uint64N(total)
		for _, p := range pools {
			if k < p.size() {
				if a := offset(p.first, k); !slices.Contains(out, a) {
					out = append(out, a)
				}
				break
			}
			k -= p.size()
		}
	}
	return out
}

// cutPools are the first so many addresses of the pools.
func cutPools(pools []pool, window uint64) []pool {
	var out []pool
	for _, p := range pools {
		if window == 0 {
			break
		}
		if size := p.size(); size > window {
			p.last = offset(p.first, window-1)
			window = 0
		} else {
			window -= size
		}
		out = append(out, p)
	}
	return out
}

// firstFree gives the first address of the pools that is not taken.
func firstFree(pools []pool, taken map[string]bool) (netip.Addr, bool) {
	for _, p := range pools {
		for i := range p.size() {
			if a := offset(p.first, i); !taken[a.String()] {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

// eui64 is the address that a host with the MAC makes itself in the block.
func eui64(p netip.Prefix, mac string) (netip.Addr, error) {
	hw, err := net.ParseMAC(mac)
	if err != nil || len(hw) != 6 {
		return netip.Addr{}, invalidInput("'%s' is not a MAC address", mac)
	}
	b := p.Masked().Addr().As16()
	copy(b[8:], []byte{hw[0] ^ 2, hw[1], hw[2], 0xff, 0xfe, hw[3], hw[4], hw[5]})
	return netip.AddrFrom16(b), nil
}

// newMAC draws a MAC address under Neutron's base_mac.
func newMAC() string {
	n := rand.Uint32()
	return net.HardwareAddr{0xfa, 0x16, 0x3e, byte(n >> 16), byte(n >> 8), byte(n)}.String()
}

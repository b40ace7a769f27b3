package message

import (
	"testing"

	"nubo/internal/testx"
)

// TestClasses has every size find a block that has room for it, and not much
// more than that.
func TestClasses(t *testing.T) {
	t.Parallel()
	before := -1
	for n := MinBlock + 1; n <= MaxBlock; n++ {
		class, size := classOf(n)
		if class < 0 || class >= len(blocks) || class < before || size < n || size > n+n/steps {
			t.Fatalf("%d octets are of class %d with %d, after class %d", n, class, size, before)
		}
		before = class
	}
	testx.Equal(t, before, len(blocks)-1)
}

// TestBlock lets go of blocks.
func TestBlock(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, MinBlock, MaxBlock + 1} {
		b := NewBlock(n)
		testx.Equal(t, b == nil, true)
		b.Hold() // nothing happens
		b.Free()
	}
	b := NewBlock(20_000)
	testx.Equal(t, len(b.Bytes()), 0)
	testx.Equal(t, cap(b.Bytes()) >= 20_000, true)
	b.Hold()
	b.Free()
	testx.Equal(t, b.holders.Load(), int32(1))
	b.Free()
	defer func() { testx.Equal(t, recover() != nil, true) }()
	b.Free()
	t.Error("a block was let go of twice")
}

package message

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	// MinBlock is the size from which memory is worth being used again.
	MinBlock = 8 << 10
	// MaxBlock is the largest block there is.
	MaxBlock = 256 << 10

	minBits = 13 // of MinBlock
	maxBits = 18 // of MaxBlock
	// steps is how many sizes of blocks there are per power of two.
	steps = 8
)

// Block is the memory of a large message's properties and body. When the last
// who holds it lets go it is used again, for another message: to clear and to
// collect as much memory as large messages take costs more than all else about
// them. Whoever cannot say when he is done holds it and never lets go; the
// garbage collector takes it then, as it takes everything else.
type Block struct {
	data    []byte
	class   int
	holders atomic.Int32
}

var blocks [(maxBits - minBits) * steps]sync.Pool

// classOf returns the class of blocks for n octets, and how many those have.
func classOf(n int) (class, size int) {
	power := bits.Len(uint(n-1)) - 1 // 1<<power < n <= 2<<power
	step := 1 << power / steps
	up := (n - 1<<power + step - 1) / step
	return (power-minBits)*steps + up - 1, 1<<power + up*step
}

// NewBlock returns a block for n octets, which the caller holds; nil if that is
// too few or too many.
func NewBlock(n int) *Block {
	if n <= MinBlock || n > MaxBlock {
		return nil
	}
	class, size := classOf(n)
	b, _ := blocks[class].Get().(*Block)
	if b == nil {
		b = &Block{data: make([]byte, 0, size), class: class}
	}
	b.holders.Store(1)
	return b
}

// Bytes is the block's memory, to be appended to.
func (b *Block) Bytes() []byte { return b.data }

// Hold keeps the memory from being used again until Free is called as often.
func (b *Block) Hold() {
	if b != nil {
		b.holders.Add(1)
	}
}

// Free lets go of it.
func (b *Block) Free() {
	if b == nil {
		return
	}
	switch n := b.holders.Add(-1); {
	case n == 0:
		if poison {
			for i, all := 0, b.data[:cap(b.data)]; i < len(all); i++ {
				all[i] = 0xDB
			}
		}
		blocks[b.class].Put(b)
	case n < 0:
		panic("message: a block was let go of more often than it was held")
	}
}

// Package message is what a publisher handed to the broker, as every queue
// that holds it shares it.
package message

// Message is one published message. It is immutable once published: queues,
// channels and connections of any goroutine refer to the same one.
type Message struct {
	Exchange   string
	RoutingKey string
	// Props is the property flags and list as the publisher encoded them;
	// they go out again unread.
	Props []byte
	Body  []byte
	// Block is the memory both are in, if it is to be used again; nil is the
	// garbage collector's. Every queue that has the message holds it.
	Block *Block
	// Log is where the store has the message; it is the store's own.
	Log uint64
	// Origin is what the publisher's connection wants to find again; it is not
	// of the message.
	Origin any
	// TTL is the publisher's expiration in milliseconds, if HasTTL.
	TTL    uint32
	HasTTL bool
	// Persistent is delivery mode 2.
	Persistent bool
	Priority   uint8
}

// Size is what the message counts for in limits and statistics: its body.
func (m *Message) Size() int64 { return int64(len(m.Body)) }

// Footprint estimates the memory the message takes.
func (m *Message) Footprint() int64 {
	return int64(len(m.Body)+len(m.Props)) + overhead
}

// overhead is the Message itself, its block's rounding and a queue's entry.
const overhead = 192

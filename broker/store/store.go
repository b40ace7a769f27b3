// Package store says what durable storage must provide, and is the store of a
// broker that keeps everything in memory.
package store

import (
	"strings"

	"nubo/broker/message"
)

// Waiter is told when messages it published are durable.
type Waiter interface {
	// Stored is called, from any goroutine, once for each Put that returned
	// false; tags are those given to Put. err means the messages are not and
	// will not be durable.
	Stored(tags []uint64, err error)
}

// Place is a message's place in a queue.
type Place struct {
	Queue, Seq uint64
	// Expires is when the message dies there, in Unix nanoseconds; 0 is never.
	// A stream, where none does, has the time it came.
	Expires int64
}

// Record is a message read back.
type Record struct {
	Seq        uint64
	Expires    int64
	Deliveries uint32
	Msg        *message.Message
}

// Summary is what a store has of a queue when the broker starts.
type Summary struct {
	Count int
	Bytes int64
	// Last is the highest place that was ever taken.
	Last uint64
	// Delivered is the highest place that may have been handed out before.
	Delivered uint64
}

// Messages keeps the messages of queues.
//
// A queue calls Put, Returned and Remove in the order of its own changes,
// while it holds its lock: an implementation appends to a buffer and returns;
// it must not wait for the disk, nor call the Waiter before returning.
type Messages interface {
	// NewQueue gives a queue its number.
	NewQueue() uint64
	// Put records that m is at a place; those of a queue rise. Unless keep,
	// it is only to be read back and need not survive the broker. Put returns
	// true if that is as durable as it will get; otherwise w, unless nil, is
	// called when it is.
	Put(p Place, m *message.Message, keep bool, w Waiter, tag uint64) bool
	// Returned records how often the message at a place was delivered in vain.
	Returned(queue, seq uint64, deliveries uint32)
	// Remove records that the queue no longer needs the message at a place:
	// acknowledged, dropped, expired or purged.
	Remove(queue, seq uint64)
	// RemoveRange is Remove for all messages from first to last.
	RemoveRange(queue, first, last uint64)
	// Drop records that the queue is gone with all its messages.
	Drop(queue uint64)
	// Read reads back messages of a queue, in order, beginning after a place:
	// at most so many, and not much more than so many bytes.
	Read(queue, after uint64, count, bytes int) ([]Record, error)
	// Recovered tells what there is of a queue from the time before. All queues
	// of that time must be asked for before one is given a number.
	Recovered(queue uint64) Summary
	// Each calls f for all messages of a queue from the time before, in order;
	// it may be asked until Started is called.
	Each(queue uint64, f func(seq uint64, expires int64, size uint32))
	// Started tells that all was asked for with Recovered that will be; the
	// rest is dropped.
	Started()
	// Delivered records, when the broker stops, that no message behind the
	// place was ever handed out.
	Delivered(queue, seq uint64)
	// Full tells that nothing becomes durable because the disk is full. That
	// ends by itself when there is space.
	Full() bool
	// Room waits while more is to be written than is good.
	Room()
}

// Definitions keeps what is durable besides messages, under keys that Key
// makes. The order of calls is kept.
type Definitions interface {
	Define(key string, value []byte)
	Undefine(key string)
	// Definitions are those from the time before.
	Definitions() map[string][]byte
	// Sync waits until all that was recorded so far is durable.
	Sync() error
}

// Store is durable storage.
type Store interface {
	Messages
	Definitions
	// Close makes everything durable and releases the store.
	Close() error
}

// Key joins the parts of a key; the first is the kind of thing.
func Key(parts ...string) string { return strings.Join(parts, "\x00") }

// Split is the inverse of Key.
func Split(key string) []string { return strings.Split(key, "\x00") }

// Memory is the Store that keeps nothing: what the broker holds in memory is
// all there is.
type Memory struct{}

var _ Store = Memory{}

// NewQueue returns 0: queues need no number.
func (Memory) NewQueue() uint64 { return 0 }

// Put returns true: there is nothing to wait for.
func (Memory) Put(Place, *message.Message, bool, Waiter, uint64) bool { return true }

// Returned does nothing.
func (Memory) Returned(uint64, uint64, uint32) {}

// Remove does nothing.
func (Memory) Remove(uint64, uint64) {}

// RemoveRange does nothing.
func (Memory) RemoveRange(uint64, uint64, uint64) {}

// Drop does nothing.
func (Memory) Drop(uint64) {}

// Read finds nothing.
func (Memory) Read(uint64, uint64, int, int) ([]Record, error) { return nil, nil }

// Recovered finds nothing.
func (Memory) Recovered(uint64) Summary { return Summary{} }

// Each finds nothing.
func (Memory) Each(uint64, func(uint64, int64, uint32)) {}

// Started does nothing.
func (Memory) Started() {}

// Delivered does nothing.
func (Memory) Delivered(uint64, uint64) {}

// Full is never so.
func (Memory) Full() bool { return false }

// Room does not wait.
func (Memory) Room() {}

// Define does nothing.
func (Memory) Define(string, []byte) {}

// Undefine does nothing.
func (Memory) Undefine(string) {}

// Definitions finds nothing.
func (Memory) Definitions() map[string][]byte { return nil }

// Sync does not wait.
func (Memory) Sync() error { return nil }

// Close does nothing.
func (Memory) Close() error { return nil }

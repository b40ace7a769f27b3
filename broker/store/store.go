// Package store says what a durable message store must provide, and is the
// store of a broker that keeps everything in memory.
package store

import "nubo/broker/message"

// Waiter is told when a message it published is durable.
type Waiter interface {
	// Stored is called once for each Put that returned false, from any
	// goroutine, with the tag given to Put. err means the message is not
	// and will not be durable.
	Stored(tag uint64, err error)
}

// Store keeps the persistent messages of durable queues.
//
// A queue calls Put and Remove in the order of its own changes, while it
// holds its lock: an implementation appends to a buffer and returns; it must
// not wait for the disk, nor call the Waiter before returning.
type Store interface {
	// Put records that the queue holds m at the position seq, which grows
	// with every message of the queue. It returns true if that is as durable
	// as it will get; otherwise w, unless nil, is called when it is.
	Put(queue string, seq uint64, m *message.Message, w Waiter, tag uint64) bool
	// Remove records that the queue no longer needs the message at seq:
	// acknowledged, dropped, expired or purged.
	Remove(queue string, seq uint64)
	// Drop records that the queue is gone with all its messages.
	Drop(queue string)
	// Close makes everything durable and releases the store.
	Close() error
}

// Memory is the Store that keeps nothing: what a queue holds in memory is all
// there is.
type Memory struct{}

// Put returns true: there is nothing to wait for.
func (Memory) Put(string, uint64, *message.Message, Waiter, uint64) bool { return true }

// Remove does nothing.
func (Memory) Remove(string, uint64) {}

// Drop does nothing.
func (Memory) Drop(string) {}

// Close does nothing.
func (Memory) Close() error { return nil }

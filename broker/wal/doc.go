// Package wal is the broker's storage: one write-ahead log for the messages of
// all queues and for the definitions, with group commit.
//
// Callers append to a buffer and go on. One goroutine takes all that has
// gathered, writes it with one write and one fdatasync and then tells those
// who wait; what is appended meanwhile is the next batch. There is no timer:
// the slower the disk, the larger the batches. A batch of nothing but removals
// is written at once and synced with the next: nobody waits for them, but a
// message might have to wait for their sync.
//
// # Files
//
// The log is a row of segments, files named by their number as 16 hexadecimal
// digits and ".wal". Space for a segment is set aside when it is begun, so
// that fdatasync has no metadata to write, and a segment that is not needed
// any more is kept as "free-" and a number, to be used again under a new name.
//
// All integers are little endian. A segment begins with 32 octets:
//
//	 0  8  "NUBOWAL1"
//	 8  8  number of the segment
//	16  8  octets set aside for the file
//	24  8  where the records of the segment before end
//
// Records follow without gaps:
//
//	 0  4  length of the payload
//	 4  4  CRC-32C of all that follows
//	 8  8  position: number of the segment << 32 | offset of the record
//	16  1  type
//	17  …  payload
//
// As a record names its own position, what is left of a segment's former use
// is never taken for a part of it. The types and their payloads:
//
//	1 message    1 flags (1: persistent)  1 priority  4 number of places,
//	             places, 1+… exchange, 1+… routing key, 4+… properties,
//	             body up to the end
//	2 place      a place, 8 position of its message, 4 length of its body
//	3 remove     8 queue  8 first seq  4 how many
//	4 drop       8 queue
//	5 returned   8 queue  8 seq  4 deliveries
//	6 delivered  8 queue  8 seq
//	7 define     4+… key, value up to the end
//	8 undefine   key
//	9 batch      8 position up to which all was durable
//	10 clean     nothing: the broker was stopped in good order
//
// where a place is
//
//	 0  8  queue
//	 8  8  seq
//	16  8  when the message dies, Unix nanoseconds, or 0; in a stream, when
//	       it came
//	24  4  deliveries in vain
//	28  1  1 if it is to survive the broker
//
// A message that goes to many queues at once is one message record, with the
// first place, and a place record for each of the others.
//
// # Recovery
//
// Every batch begins with a batch record, and a segment is synced before the
// next one is made. A record of the last segment that is not whole ends the
// log if nothing says that it was durable: that is the torn tail of a batch
// nobody was told of, and it is cut off. If a later batch record or the file's
// end (a segment that was closed in good order is cut to its length) shows
// that it had been durable, and in all earlier segments, the log is corrupt
// and is refused with segment and offset. Damage to the very last durable
// batch of a broker that was killed cannot be told from a torn tail.
//
// After an unclean end all messages count as delivered before, as nobody wrote
// down which were: consumers get them with the redelivered flag.
//
// # Reclaiming space
//
// Segments are freed in order, the oldest first. When half of what the log
// takes is garbage, the messages and definitions of the oldest segment that
// are still needed are appended again, with all their places, and it is freed
// when they are durable there. Thus a remove record never outlives the message
// it removes, and no record has to be kept for what it cancels.
//
// # Failure
//
// A write for which the disk has no space is tried again until it has: what
// waits goes on waiting, publishers are held back, and what consumers
// acknowledge meanwhile frees segments. Any other write that fails, and any
// sync, makes the log fail for good: what waits and what comes later is
// refused, nothing is reported durable that is not. The way out is to restart
// the broker.
//
// # Kinds of queues
//
// Classic queues, quorum queues and streams are the same to the log: places. A
// quorum queue is a Raft group of one: its entries are committed when the log
// has them, which is when this log says they are durable, so that the Raft
// library would add a header to each record and nothing else. With several
// nodes a group's entries become records of their own (entry, hard state,
// truncation, each with group and index), appended by the group's leader and
// followers alike and synced in the same batches; the record types above are
// then what a node does as it applies them. A stream's places keep the time a
// message came where others keep when it dies.
package wal

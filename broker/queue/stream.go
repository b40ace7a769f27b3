package queue

import (
	"time"

	"nubo/broker/message"
	"nubo/broker/store"
)

// publisher is who waits for a message of a stream to be durable.
type publisher struct {
	seq uint64
	w   store.Waiter
	tag uint64
}

// publishStream appends to the stream. mu is held.
func (q *Queue) publishStream(m *message.Message, w store.Waiter, tag uint64) Outcome {
	q.counters.Publish++
	q.inStore = true
	m.Block.Hold() // for good: readers come and go
	seq, durable := q.stream.Append(m, time.Now(), (*committer)(q))
	if !durable {
		q.uncommitted = append(q.uncommitted, publisher{seq, w, tag})
		return Pending
	}
	q.feedAll()
	return Accepted
}

// committer is the queue as the store.Waiter of its stream's messages: they
// are delivered, and their publishers told, when they are durable.
type committer Queue

// Stored implements store.Waiter; the tags are seqs.
func (c *committer) Stored(seqs []uint64, err error) {
	q := (*Queue)(c)
	last := seqs[len(seqs)-1]
	q.mu.Lock()
	n := 0
	for n < len(q.uncommitted) && q.uncommitted[n].seq <= last {
		n++
	}
	told := q.uncommitted[:n:n]
	q.uncommitted = q.uncommitted[n:]
	if err == nil && !q.closed {
		q.stream.Commit(last)
		q.feedAll()
	}
	q.mu.Unlock()
	var tags []uint64
	for i := 0; i < n; {
		w := told[i].w
		tags = tags[:0]
		for ; i < n && told[i].w == w; i++ {
			tags = append(tags, told[i].tag)
		}
		if w != nil {
			w.Stored(tags, err)
		}
	}
}

// seek finds where a consumer begins. mu is held.
func (q *Queue) seek(c *Consumer) {
	if err := q.stream.Seek(&c.reader, c.From); err != nil {
		q.fail(err)
	}
}

// feedAll gives all consumers that take messages what there is. mu is held.
func (q *Queue) feedAll() {
	for _, c := range q.consumers {
		q.feed(c)
	}
}

// feed gives a consumer what there is for it while it takes that. mu is held.
func (q *Queue) feed(c *Consumer) {
	for !c.blocked {
		item, err := q.stream.Peek(&c.reader)
		if err != nil {
			q.fail(err)
			return
		}
		if item.Msg == nil {
			return
		}
		if !c.Sink.Offer(q, Entry{Msg: item.Msg, Seq: item.Seq, streamed: true}) {
			q.block(c)
			return
		}
		c.reader.Advance()
		q.failed = false
		q.counters.Deliver++
		q.out.add(item.Msg)
	}
}

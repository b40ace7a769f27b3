package queue

import (
	"nubo/amqp"
	"nubo/broker/stream"
)

// Sink is where a consumer's messages go.
type Sink interface {
	// Offer hands over an entry. It returns false to refuse it: the consumer
	// then gets nothing more until Resume. It is called with the queue's
	// lock held and must not call the queue.
	Offer(q *Queue, e Entry) bool
	// Cancelled tells that the queue is gone. No lock is held.
	Cancelled(q *Queue)
}

// Consumer is a subscription to a queue.
type Consumer struct {
	Tag       string
	NoAck     bool
	Exclusive bool
	Priority  int
	// Prefetch is how many messages it may have unacknowledged; 0 is no limit.
	Prefetch int
	Args     amqp.Table
	// Connection, Channel and User tell whose it is.
	Connection, User string
	Channel          uint16
	// From is where to begin in a stream.
	From stream.Offset
	Sink Sink

	// Guarded by the queue's lock.
	blocked bool
	reader  stream.Reader
}

// Consume adds a consumer and begins delivery. It is Rejected if exclusive use
// stands against it.
func (q *Queue) Consume(c *Consumer) Outcome {
	q.mu.Lock()
	defer q.unlock()
	if q.closed {
		return Closed
	}
	if q.exclusive != nil || c.Exclusive && (len(q.consumers) > 0 || q.Initial.SingleActive) {
		return Rejected
	}
	if q.stream != nil {
		q.seek(c)
	}
	if c.Exclusive {
		q.exclusive = c
	}
	i := len(q.consumers)
	for i > 0 && q.consumers[i-1].Priority < c.Priority {
		i--
	}
	q.consumers = append(q.consumers, nil)
	copy(q.consumers[i+1:], q.consumers[i:])
	q.consumers[i] = c
	if q.Initial.SingleActive && q.single == nil {
		q.single = c
	}
	q.activate()
	q.hadOne = true
	if q.stream != nil {
		q.feed(c)
		return Accepted
	}
	q.deliver()
	q.armExpiry()
	return Accepted
}

// activate counts a consumer in that may be served. mu is held.
func (q *Queue) activate() {
	if q.active++; q.active == 1 {
		q.use.start()
	}
}

// Cancel removes a consumer. It returns true if that was the last one of an
// auto-delete queue: the queue is closed then, and the caller must remove it.
func (q *Queue) Cancel(c *Consumer) (gone bool) {
	q.mu.Lock()
	defer q.unlock()
	at := -1
	for i, o := range q.consumers {
		if o == c {
			at = i
		}
	}
	if at < 0 {
		return false
	}
	q.consumers = append(q.consumers[:at:at], q.consumers[at+1:]...)
	if !c.blocked {
		q.active--
	}
	if len(q.consumers) == 0 {
		q.use = use{}
	}
	if q.exclusive == c {
		q.exclusive = nil
	}
	if len(q.consumers) > 0 {
		if q.single == c {
			q.single = q.consumers[0]
			q.deliver()
			q.armExpiry()
		}
		return false
	}
	q.single = nil
	if q.AutoDelete && q.hadOne {
		q.shut()
		return true
	}
	if q.set.Expires > 0 {
		q.startIdle()
	}
	return false
}

// Resume tells that a consumer which refused may take messages again.
func (q *Queue) Resume(c *Consumer) {
	q.mu.Lock()
	defer q.unlock()
	if !c.blocked || q.closed {
		return
	}
	c.blocked = false
	for _, o := range q.consumers {
		if o == c {
			q.activate()
			if q.stream != nil {
				q.feed(c)
				return
			}
			q.deliver()
			q.armExpiry()
			return
		}
	}
}

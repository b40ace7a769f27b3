package queue

// Reason is why a message was dead-lettered.
type Reason string

// The reasons.
const (
	Expired     Reason = "expired"
	Refused     Reason = "rejected"
	Overflowed  Reason = "maxlen"
	TooOften    Reason = "delivery_limit"
	notDead     Reason = "" // acknowledged or purged
	maxDeadHold        = 256
)

// Dead is a message on its way to the dead letter exchange.
type Dead struct {
	Entry
	Reason Reason
	// Exchange and Key are the settings' when it died.
	Exchange string
	Key      *string
}

// bury ends the queue's interest in an entry that died: at once, or when it
// has been dead-lettered. mu is held, and let go with unlock.
func (q *Queue) bury(e Entry, why Reason) {
	if q.set.DLX == nil || q.closed {
		q.settle(&e)
		return
	}
	e.Msg.Block.Hold() // for good: what is published anew has the same body
	q.dead = append(q.dead, Dead{e, why, *q.set.DLX, q.set.DLKey})
}

// unlock lets go of mu and hands over what died meanwhile. One goroutine does
// so at a time, which keeps the order and makes a queue that dead-letters to
// itself a loop rather than a recursion. The store forgets a message only when
// it has been published anew: a crash may double it, not lose it.
func (q *Queue) unlock() {
	if len(q.dead) == 0 || q.burying {
		q.mu.Unlock()
		return
	}
	q.burying = true
	for len(q.dead) > 0 {
		list := q.dead[:min(len(q.dead), maxDeadHold)]
		if q.dead = q.dead[len(list):]; len(q.dead) == 0 {
			q.dead = nil
		}
		q.mu.Unlock()
		for i := range list {
			q.DeadLetter(q, &list[i])
		}
		q.mu.Lock()
		for i := range list {
			q.settle(&list[i].Entry)
		}
	}
	q.burying = false
	q.mu.Unlock()
}

package queue

import "time"

// armExpiry sets the timer for the oldest entry, if that expires. Only the
// head of a queue is ever looked at, as in RabbitMQ's classic queues. mu is held.
func (q *Queue) armExpiry() {
	e := q.front()
	if e == nil || e.expires == 0 || q.closed {
		return // a timer that is set finds nothing to do
	}
	if q.expiryAt != 0 && q.expiryAt <= e.expires {
		return // it fires early enough, and sets itself again
	}
	wait := time.Duration(e.expires - time.Now().UnixNano())
	q.expiryAt = e.expires
	if q.expiry == nil {
		q.expiry = time.AfterFunc(wait, q.expire)
	} else {
		q.expiry.Reset(wait)
	}
}

// expire is what the timer runs.
func (q *Queue) expire() {
	q.mu.Lock()
	defer q.unlock()
	q.expiryAt = 0
	q.dropExpired(time.Now().UnixNano())
	q.armExpiry()
}

// dropExpired drops entries from the head that are past their time. mu is held.
func (q *Queue) dropExpired(now int64) {
	for !q.closed {
		e := q.front()
		if e == nil || e.expires == 0 || e.expires > now {
			return
		}
		q.drop(Expired)
	}
}

// startIdle sets the timer of x-expires anew, or stops it. mu is held.
func (q *Queue) startIdle() {
	q.lastUsed = time.Now()
	switch {
	case q.set.Expires == 0:
		if q.idle != nil {
			q.idle.Stop()
		}
	case q.idle == nil:
		q.idle = time.AfterFunc(q.set.Expires, q.checkIdle)
	default:
		q.idle.Reset(q.set.Expires)
	}
}

// checkIdle is what the x-expires timer runs. While there are consumers it
// lets itself lapse: Cancel of the last one sets it again.
func (q *Queue) checkIdle() {
	q.mu.Lock()
	if q.closed || len(q.consumers) > 0 || q.set.Expires == 0 {
		q.mu.Unlock()
		return
	}
	if left := q.set.Expires - time.Since(q.lastUsed); left > 0 {
		q.idle.Reset(left)
		q.mu.Unlock()
		return
	}
	q.shut()
	q.mu.Unlock()
	q.Expired(q)
}

package queue

const (
	// spillAfter is how many messages a queue keeps in memory even when there
	// is little of that.
	spillAfter = 1024
	// refillCount and refillBytes bound what is read back at a time.
	refillCount = 512
	refillBytes = 1 << 20
)

// spills tells whether a new message has to stay in the store alone. Once one
// does all after it do, so that the order holds. mu is held.
func (q *Queue) spills() bool {
	if q.ready.spilled > 0 {
		return true
	}
	return q.ready.n >= spillAfter && q.ready.higher == nil && q.Memory.Spill()
}

// front returns the next entry, read back if need be; nil if there is none.
// mu is held.
func (q *Queue) front() *Entry {
	e := q.ready.front()
	if e == nil && q.ready.spilled > 0 {
		q.refill()
		e = q.ready.front()
	}
	return e
}

// refill reads messages back from the store. If that fails the queue stands
// still: it must not skip what it was trusted with. mu is held.
func (q *Queue) refill() {
	list, err := q.Store.Read(q.StoreID, q.taken, refillCount, refillBytes)
	if err != nil || len(list) == 0 {
		q.fail(err)
		return
	}
	q.failed = false
	for i := range list {
		r := &list[i]
		q.Memory.Add(r.Msg.Footprint())
		q.ready.comeBack(r.Msg)
		q.taken = r.Seq
		q.ready.push(Entry{
			Msg: r.Msg, Seq: r.Seq, expires: r.Expires, deliveries: r.Deliveries, counted: q.Initial.Type == Quorum,
			Redelivered: r.Deliveries > 0 || r.Seq <= q.redelivered, stored: true,
		})
	}
}

// fail tells, once, that messages cannot be read back. mu is held.
func (q *Queue) fail(err error) {
	if !q.failed {
		q.failed = true
		q.Failed(q, err)
	}
}

// Recover takes over what the store has from the time before. The queue must
// be new, and do nothing with it before Begin.
func (q *Queue) Recover() {
	s := q.Store.Recovered(q.StoreID)
	if s.Last == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inStore = true
	if q.stream != nil {
		q.stream.Recover()
		return
	}
	q.seq, q.redelivered = s.Last, s.Delivered
	q.ready.spilled, q.ready.spilledBytes = s.Count, s.Bytes
	q.ready.all = load{s.Count, s.Bytes, s.Count, s.Bytes}
	if q.ready.higher != nil { // what is to be sorted has to be in memory
		for q.ready.spilled > 0 && !q.failed {
			q.refill()
		}
	}
}

// Begin drops what was recovered and is too much or too old, when all queues
// it may dead-letter to have recovered.
func (q *Queue) Begin() {
	q.mu.Lock()
	defer q.unlock()
	q.trim()
}

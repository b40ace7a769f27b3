package wal

// queueIndex tells where the messages of a queue are.
type queueIndex struct {
	base uint64   // seq of list[0]
	list []uint64 // positions, by seq; 0 is none
	head int      // list[:head] is all 0
	// returns has how often messages came back, of those that did.
	returns map[uint64]uint32

	last, delivered uint64
	claimed         bool
	// sizes, parallel to list, is kept while the log is recovered.
	sizes []uint32
}

func (q *queueIndex) get(seq uint64) uint64 {
	if seq < q.base || seq-q.base >= uint64(len(q.list)) {
		return 0
	}
	return q.list[seq-q.base]
}

// set enters a message and returns where it was before, or 0.
func (q *queueIndex) set(seq, pos uint64) (old uint64) {
	q.last = max(q.last, seq)
	switch {
	case q.head == len(q.list):
		q.base, q.list, q.sizes, q.head = seq, q.list[:0], q.sizes[:0], 0
	case seq < q.base: // moved, while the log is recovered
		gap := int(q.base - seq)
		q.list = append(make([]uint64, gap, gap+len(q.list)+gap), q.list...)
		q.sizes = append(make([]uint32, gap, gap+len(q.sizes)+gap), q.sizes...)
		q.base, q.head = seq, 0
	case q.head > 64 && q.head > len(q.list)/2:
		n := copy(q.list, q.list[q.head:])
		q.list = q.list[:n]
		if len(q.sizes) > q.head {
			q.sizes = q.sizes[:copy(q.sizes, q.sizes[q.head:])]
		} else {
			q.sizes = nil
		}
		q.base += uint64(q.head)
		q.head = 0
		if cap(q.list) > 4096 && n < cap(q.list)/4 {
			q.list = append(make([]uint64, 0, 2*n), q.list...)
		}
	}
	for i := seq - q.base; uint64(len(q.list)) <= i; {
		q.list = append(q.list, 0)
	}
	i := seq - q.base
	old, q.list[i] = q.list[i], pos
	if int(i) < q.head {
		q.head = int(i)
	}
	return old
}

// size notes the size of a message just entered, while the log is recovered.
func (q *queueIndex) size(seq uint64, n uint32) {
	for len(q.sizes) < len(q.list) {
		q.sizes = append(q.sizes, 0)
	}
	q.sizes[seq-q.base] = n
}

// clear takes a message out and returns where it was, or 0.
func (q *queueIndex) clear(seq uint64) uint64 {
	pos := q.get(seq)
	if pos == 0 {
		return 0
	}
	q.list[seq-q.base] = 0
	for q.head < len(q.list) && q.list[q.head] == 0 {
		q.head++
	}
	delete(q.returns, seq)
	return pos
}

// each calls f for all messages, in order, until it returns false.
func (q *queueIndex) each(after uint64, f func(seq, pos uint64) bool) {
	i := q.head
	if after >= q.base {
		i = max(i, int(min(after-q.base+1, uint64(len(q.list)))))
	}
	for ; i < len(q.list); i++ {
		if q.list[i] != 0 && !f(q.base+uint64(i), q.list[i]) {
			return
		}
	}
}

func (q *queueIndex) returned(seq uint64, n uint32) {
	if q.get(seq) == 0 {
		return
	}
	if q.returns == nil {
		q.returns = make(map[uint64]uint32)
	}
	q.returns[seq] = n
}

// segment is a file of the log, or one to be.
type segment struct {
	number uint64
	before int64 // where the records of the segment before end
	file   File  // nil until the writer has made it
	space  int64 // to set aside
	size   int64 // up to the end of the records, once there will be no more
	// places is how many messages were entered here, live how many of them
	// are still needed.
	places, live int
	// shared has the places of messages here beyond those in their records.
	shared map[uint64][]place
	// definitions is how many of those that hold are recorded here.
	definitions int
}

// garbage estimates how much of the segment is not needed.
func (s *segment) garbage() int64 {
	if s.places == 0 {
		return s.size
	}
	return s.size - s.size*int64(s.live)/int64(s.places)
}

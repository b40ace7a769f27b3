package wal

// pageSize is how many places a page of an index has.
const pageSize = 128

// page tells where the messages of pageSize places in a row are.
type page struct {
	// found is kept of the messages while the log is recovered.
	found *[pageSize]found
	pos   [pageSize]uint64 // 0 is none
	n     int              // that are not 0
}

// found is what recovery learns of a message besides where it is.
type found struct {
	expires int64
	size    uint32
}

// queueIndex tells where the messages of a queue are. Pages without messages
// are not kept: one message that is never acknowledged does not hold those
// that come and go behind it.
type queueIndex struct {
	base  uint64  // number of pages[0]
	pages []*page // by number; the first is not nil
	n     int     // messages
	// returns has how often messages came back, of those that did.
	returns map[uint64]uint32

	last, delivered uint64
	claimed         bool
}

// page finds a page, or nil.
func (q *queueIndex) page(number uint64) *page {
	if number < q.base || number-q.base >= uint64(len(q.pages)) {
		return nil
	}
	return q.pages[number-q.base]
}

func (q *queueIndex) get(seq uint64) uint64 {
	if p := q.page(seq / pageSize); p != nil {
		return p.pos[seq%pageSize]
	}
	return 0
}

// set enters a message and returns where it was before, or 0.
func (q *queueIndex) set(seq, pos uint64) (old uint64) {
	q.last = max(q.last, seq)
	p := q.make(seq / pageSize)
	i := seq % pageSize
	if old = p.pos[i]; old == 0 {
		p.n++
		q.n++
	}
	p.pos[i] = pos
	return old
}

// make finds a page or makes it.
func (q *queueIndex) make(number uint64) *page {
	if len(q.pages) == 0 {
		q.base = number
	}
	if number < q.base { // moved, while the log is recovered
		gap := int(q.base - number)
		q.pages = append(make([]*page, gap, gap+len(q.pages)+gap), q.pages...)
		q.base = number
	}
	for number-q.base >= uint64(len(q.pages)) {
		q.pages = append(q.pages, nil)
	}
	i := number - q.base
	if q.pages[i] == nil {
		q.pages[i] = &page{}
	}
	return q.pages[i]
}

// note keeps what recovery found of a message just entered.
func (q *queueIndex) note(seq uint64, f found) {
	p := q.page(seq / pageSize)
	if p.found == nil {
		p.found = new([pageSize]found)
	}
	p.found[seq%pageSize] = f
}

// eachFound calls f for all messages with what recovery found of them.
func (q *queueIndex) eachFound(f func(seq uint64, f found)) {
	for i, p := range q.pages {
		for j := 0; p != nil && p.found != nil && j < pageSize; j++ {
			if p.pos[j] != 0 {
				f((q.base+uint64(i))*pageSize+uint64(j), p.found[j])
			}
		}
	}
}

// started forgets what only recovery needs.
func (q *queueIndex) started() {
	for _, p := range q.pages {
		if p != nil {
			p.found = nil
		}
	}
}

// clear takes a message out and returns where it was, or 0.
func (q *queueIndex) clear(seq uint64) uint64 {
	p := q.page(seq / pageSize)
	if p == nil {
		return 0
	}
	pos := p.pos[seq%pageSize]
	if pos == 0 {
		return 0
	}
	p.pos[seq%pageSize] = 0
	q.n--
	if p.n--; p.n == 0 {
		q.pages[seq/pageSize-q.base] = nil
		for len(q.pages) > 0 && q.pages[0] == nil {
			q.pages = q.pages[1:]
			q.base++
		}
	}
	delete(q.returns, seq)
	return pos
}

// each calls f for all messages behind a place, in order, until it returns false.
func (q *queueIndex) each(after uint64, f func(seq, pos uint64) bool) {
	from := max(after+1, q.base*pageSize)
	for number := from / pageSize; number-q.base < uint64(len(q.pages)); number++ {
		p := q.pages[number-q.base]
		for i := from % pageSize; p != nil && i < pageSize; i++ {
			if p.pos[i] != 0 && !f(number*pageSize+i, p.pos[i]) {
				return
			}
		}
		from = 0
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

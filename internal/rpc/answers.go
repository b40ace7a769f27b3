package rpc

import (
	"sync"
	"time"

	"nubo/internal/clock"
)

// Bounds of the replies that are remembered.
const (
	answersCount = 4096
	answersBytes = 4 << 20
	// answerBytes is the largest of them: one must not push out all others.
	answerBytes = answersBytes / 4
)

// answers remembers the replies that a bus has sent, while their callers may
// wait for them. A broker that ends takes replies with it that it had
// confirmed; the callers send their calls again, and are answered from here.
type answers struct {
	clock clock.Clock

	mu    sync.Mutex        // guards the fields below
	kept  map[string][]byte // bodies by the call's _unique_id
	order []answer          // oldest first
	bytes int
}

type answer struct {
	id    string
	bytes int
	until time.Time // then nobody waits for it
}

func newAnswers(c clock.Clock) *answers {
	return &answers{clock: c, kept: map[string][]byte{}}
}

// keep remembers a reply for as long as its caller waits, if there is room.
func (a *answers) keep(id string, body []byte, until time.Time) {
	if id == "" || len(body) > answerBytes {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.kept[id]; ok {
		return
	}
	a.kept[id] = body
	a.order = append(a.order, answer{id, len(body), until})
	a.bytes += len(body)
	now := a.clock.Now()
	for len(a.order) > answersCount || a.bytes > answersBytes || now.After(a.order[0].until) {
		delete(a.kept, a.order[0].id)
		a.bytes -= a.order[0].bytes
		a.order[0] = answer{}
		if a.order = a.order[1:]; len(a.order) == 0 {
			break
		}
	}
}

// of gives the reply to a call; nil if it is not remembered.
func (a *answers) of(id string) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept[id]
}

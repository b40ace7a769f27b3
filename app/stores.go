package app

import (
	"io"
	"sync"
)

// shared is a component's store that all its modules of this process use. A
// store of each would contend for the database with the others, and would not
// wake the relay of the outbox when it commits: a cast would wait for the
// relay's next look.
type shared[S io.Closer] struct {
	mu    sync.Mutex // guards what follows, and is held while the store is opened or closed
	users int
	store S
}

// use gives the store, which open opens for the first user, and what each
// user calls at its end: the last one's closes the store.
func (s *shared[S]) use(open func() (S, error)) (S, func() error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		st, err := open()
		if err != nil {
			return st, nil, err
		}
		s.store = st
	}
	s.users++
	return s.store, sync.OnceValue(s.leave), nil
}

func (s *shared[S]) leave() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	return s.store.Close()
}

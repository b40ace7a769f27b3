package scheduler

import (
	"context"
	"sync"
	"time"

	"nubo/compute"
)

// stateTTL is how long the hosts' state is used before it is read again: less
// than it takes to change a service or an aggregate and then ask for a server
// over HTTP, and enough for many requests to share a read, which takes
// milliseconds with many hosts. What the requests take of a host meanwhile is
// known from placement.
const stateTTL = 25 * time.Millisecond

// failureMemory is how long a failed build counts against its host.
const failureMemory = 10 * time.Minute

// groupMemory is how long a choice for a group's member is remembered, in
// case the database does not have it yet.
const groupMemory = time.Minute

// knowledge is what the scheduler knows of hosts.
type knowledge struct {
	store Store
	now   func() time.Time

	mu     sync.Mutex                    // guards the two below, and is held while they are read anew
	read   time.Time                     // when
	states map[string]*compute.HostState // by provider; never changed once here

	pastMu   sync.Mutex             // guards the two below
	failures map[string][]time.Time // by host
	placed   map[string]choice      // by server, members of groups only
}

type choice struct {
	host string
	at   time.Time
}

func newKnowledge(store Store, now func() time.Time) *knowledge {
	return &knowledge{store: store, now: now, failures: map[string][]time.Time{}, placed: map[string]choice{}}
}

// hosts gives the states by provider.
func (k *knowledge) hosts(ctx context.Context) (map[string]*compute.HostState, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.states != nil && k.now().Sub(k.read) < stateTTL {
		return k.states, nil
	}
	list, err := k.store.HostStates(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]*compute.HostState, len(list))
	for _, s := range list {
		states[s.Node.ID] = s
	}
	k.states, k.read = states, k.now()
	return states, nil
}

// failed notes a failed build.
func (k *knowledge) failed(host string) {
	k.pastMu.Lock()
	defer k.pastMu.Unlock()
	k.failures[host] = append(k.recent(host), k.now())
}

// recent gives the failures that still count. k.pastMu is held.
func (k *knowledge) recent(host string) []time.Time {
	var kept []time.Time
	for _, at := range k.failures[host] {
		if k.now().Sub(at) < failureMemory {
			kept = append(kept, at)
		}
	}
	if kept == nil {
		delete(k.failures, host)
		return nil
	}
	k.failures[host] = kept
	return kept
}

func (k *knowledge) failureCount(host string) int {
	k.pastMu.Lock()
	defer k.pastMu.Unlock()
	return len(k.recent(host))
}

// place remembers where a group's member goes.
func (k *knowledge) place(server, host string) {
	k.pastMu.Lock()
	defer k.pastMu.Unlock()
	for id, p := range k.placed {
		if k.now().Sub(p.at) > groupMemory {
			delete(k.placed, id)
		}
	}
	k.placed[server] = choice{host, k.now()}
}

// placedAt gives where a member went a moment ago, "" if not known.
func (k *knowledge) placedAt(server string) string {
	k.pastMu.Lock()
	defer k.pastMu.Unlock()
	return k.placed[server].host
}

package placement

import (
	"context"
	"slices"
	"sync"
)

// Node is a provider as the search for candidates sees it. It is never
// changed: what is read anew is another Node.
type Node struct {
	UUID, ParentUUID, RootUUID string

	// Version changes with everything below.
	Version     int64
	Inventories []Inventory
	Traits      []string
	Aggregates  []string
}

// NodeVersion names a state of a provider.
type NodeVersion struct {
	UUID    string
	Version int64
}

// CandidateStore reads what the search for candidates needs.
type CandidateStore interface {
	// Versions gives those of all providers, tree by tree in the order of the
	// roots, in a tree in the order of the uuids.
	Versions(ctx context.Context) ([]NodeVersion, error)
	// Nodes gives some providers. One may be newer than its Version says,
	// never older.
	Nodes(ctx context.Context, uuids []string) ([]*Node, error)
}

// nodes remembers all providers between searches. Each search asks for the
// versions, which is one pass over an index, and reads only what changed: a
// claim changes one provider, whoever made it and in whichever process.
type nodes struct {
	mu   sync.Mutex // guards byID
	byID map[string]*Node
}

// nodesAtOnce is how many providers one statement names.
const nodesAtOnce = 500

// all gives the providers as they are now, in the order of Versions.
func (c *nodes) all(ctx context.Context, store CandidateStore) ([]*Node, error) {
	versions, err := store.Versions(ctx)
	if err != nil {
		return nil, err
	}
	for stale := range slices.Chunk(c.stale(versions), nodesAtOnce) {
		fresh, err := store.Nodes(ctx, stale)
		if err != nil {
			return nil, err
		}
		c.remember(fresh)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byID) > len(versions) { // some are deleted
		kept := make(map[string]*Node, len(versions))
		for _, v := range versions {
			if n := c.byID[v.UUID]; n != nil {
				kept[v.UUID] = n
			}
		}
		c.byID = kept
	}
	out := make([]*Node, 0, len(versions))
	for _, v := range versions {
		if n := c.byID[v.UUID]; n != nil { // nil if it was deleted just now
			out = append(out, n)
		}
	}
	return out, nil
}

// stale names the providers that have to be read.
func (c *nodes) stale(versions []NodeVersion) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, v := range versions {
		if n := c.byID[v.UUID]; n == nil || n.Version < v.Version {
			out = append(out, v.UUID)
		}
	}
	return out
}

func (c *nodes) remember(fresh []*Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = map[string]*Node{}
	}
	for _, n := range fresh {
		if old := c.byID[n.UUID]; old == nil || old.Version < n.Version {
			c.byID[n.UUID] = n
		}
	}
}

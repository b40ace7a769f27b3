package identity

import (
	"crypto/sha256"
	"sync"
	"time"
)

// tokenCache remembers what tokens mean, as long as nothing changed. It
// counts changes made here; those of other processes show in the store's
// epoch, looked at now and then.
type tokenCache struct {
	mu      sync.RWMutex // guards all below
	here    int64        // changes made in this process
	stored  int64        // the store's epoch when last looked at
	looked  time.Time    // when that was; zero: look before anything counts
	revoked map[string]bool
	known   map[tokenKey]*Token
	catalog *catalog
}

// catalog is the enabled part of the catalog, and what roles there are.
type catalog struct {
	roles        map[string]Role
	implications []Implication

	services  []Service
	endpoints map[string][]Endpoint
	linked    bool // some project sees only a part of it
}

type tokenKey [sha256.Size]byte

// maxKnown bounds the cache; a full one starts anew.
const maxKnown = 50000

func newTokenCache() *tokenCache { return &tokenCache{known: map[tokenKey]*Token{}} }

func (c *tokenCache) key(id string) tokenKey { return sha256.Sum256([]byte(id)) }

// forgetAll is called after every change made here.
func (c *tokenCache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here++
	c.looked = time.Time{}
	c.catalog = nil
	clear(c.known)
}

// due reports whether the store's epoch is to be looked at, and the count of
// changes made here before that look.
func (c *tokenCache) due(now time.Time, interval time.Duration) (here int64, due bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.here, c.looked.IsZero() || now.Sub(c.looked) >= interval
}

// same notes that the epoch was looked at, and reports whether it is the one
// of before.
func (c *tokenCache) same(epoch int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looked.IsZero() || epoch != c.stored {
		return false
	}
	c.looked = now
	return true
}

// reset takes over what a look found. A change made here since the look
// began may be missing in it: then the next validation looks again.
func (c *tokenCache) reset(epoch int64, revoked []string, here int64, now time.Time) {
	set := make(map[string]bool, len(revoked))
	for _, id := range revoked {
		set[id] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored, c.revoked = epoch, set
	if c.here == here {
		c.looked = now
	}
	c.catalog = nil
	clear(c.known)
}

// epochNow names the state that an answer found from now on belongs to.
func (c *tokenCache) epochNow() [2]int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return [2]int64{c.here, c.stored}
}

func (c *tokenCache) get(k tokenKey, epoch [2]int64) *Token {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if epoch != [2]int64{c.here, c.stored} {
		return nil
	}
	return c.known[k]
}

// put remembers an answer unless something changed while it was found.
func (c *tokenCache) put(k tokenKey, epoch [2]int64, t *Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != [2]int64{c.here, c.stored} {
		return
	}
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[k] = t
}

func (c *tokenCache) isRevoked(auditID string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.revoked[auditID]
}

func (c *tokenCache) getCatalog(epoch [2]int64) *catalog {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if epoch != [2]int64{c.here, c.stored} {
		return nil
	}
	return c.catalog
}

func (c *tokenCache) putCatalog(epoch [2]int64, found *catalog) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch == [2]int64{c.here, c.stored} {
		c.catalog = found
	}
}

package image

import (
	"cmp"
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Cache keeps copies of images that are downloaded, so that the next download
// does not ask a remote store. A download that misses queues the image, and
// the service's worker fetches it.
type Cache struct {
	data  Data
	max   int64
	clock clock.Clock

	mu      sync.Mutex // guards what follows
	entries map[string]*CacheEntry
	queue   []string
}

// CacheEntry is an image in the cache.
type CacheEntry struct {
	ImageID  string
	Size     int64
	Hits     int64
	Accessed time.Time
	Modified time.Time
}

// NewCache makes a cache of at most so many bytes. What is in data from
// before is forgotten: nobody knows any more which of it is whole.
func NewCache(ctx context.Context, data Data, maxBytes int64, c clock.Clock) (*Cache, error) {
	old, err := data.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, ref := range old {
		if err := data.Delete(ctx, ref); err != nil {
			return nil, err
		}
	}
	return &Cache{data: data, max: maxBytes, clock: c, entries: map[string]*CacheEntry{}}, nil
}

// Open gives an image's copy, nil if there is none.
func (c *Cache) Open(id string) io.ReadSeekCloser {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[id]
	if e == nil {
		return nil
	}
	body, err := c.data.Open(context.Background(), id)
	if err != nil {
		delete(c.entries, id) // somebody has cleaned up by hand
		return nil
	}
	e.Hits, e.Accessed = e.Hits+1, c.clock.Now()
	return body
}

// Want queues an image unless it is there already.
func (c *Cache) Want(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[id] == nil && !slices.Contains(c.queue, id) {
		c.queue = append(c.queue, id)
	}
}

// next takes an image off the queue.
func (c *Cache) next() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return "", false
	}
	id := c.queue[0]
	c.queue = c.queue[1:]
	return id, true
}

// State lists what is in the cache and what is to be fetched.
func (c *Cache) State() (cached []CacheEntry, queued []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		cached = append(cached, *e)
	}
	slices.SortFunc(cached, func(a, b CacheEntry) int { return cmp.Compare(a.ImageID, b.ImageID) })
	return cached, slices.Clone(c.queue)
}

// Forget removes an image from cache and queue, and reports whether it was in
// one of them.
func (c *Cache) Forget(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := slices.Index(c.queue, id)
	if n >= 0 {
		c.queue = slices.Delete(c.queue, n, n+1)
	}
	return c.drop(id) > 0 || n >= 0
}

// drop removes a copy, mu held, and gives its size. Who reads it reads on.
func (c *Cache) drop(id string) int64 {
	e := c.entries[id]
	if e == nil {
		return 0
	}
	delete(c.entries, id)
	_ = c.data.Delete(context.Background(), id) // what stays goes at the next start
	return max(e.Size, 1)
}

// Clear empties the cache, the queue or both, and says how many each had.
func (c *Cache) Clear(cache, queue bool) (cached, queued int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cache {
		cached = len(c.entries)
		for id := range c.entries {
			c.drop(id)
		}
	}
	if queue {
		queued, c.queue = len(c.queue), nil
	}
	return cached, queued
}

// Prune removes what was not read for longest, until the rest fits.
func (c *Cache) Prune() (files int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.prune(c.max)
}

// prune makes the cache as small as limit, mu held.
func (c *Cache) prune(limit int64) (files int, bytes int64) {
	var all []*CacheEntry
	total := int64(0)
	for _, e := range c.entries {
		all, total = append(all, e), total+e.Size
	}
	slices.SortFunc(all, func(a, b *CacheEntry) int { return a.Accessed.Compare(b.Accessed) })
	for _, e := range all {
		if total <= limit {
			break
		}
		total, files, bytes = total-e.Size, files+1, bytes+e.Size
		c.drop(e.ImageID)
	}
	return files, bytes
}

// Clean forgets the copies that are not there any more.
func (c *Cache) Clean() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.entries {
		if body, err := c.data.Open(context.Background(), id); err != nil {
			delete(c.entries, id)
		} else {
			_ = body.Close() // nothing was read
		}
	}
}

// put takes an image's bytes in, which must be size, and makes room for them.
// What is larger than the whole cache is left out.
func (c *Cache) put(ctx context.Context, id string, size int64, body io.Reader) error {
	if size > c.max {
		return nil
	}
	up, err := c.data.Create(ctx, id)
	if err != nil {
		return err
	}
	defer up.Abort() //nolint:errcheck // what is left goes at the next start
	n, err := io.Copy(up, bounded{ctx, io.LimitReader(body, size+1)})
	if err != nil {
		return err
	}
	if n != size {
		return fault.Invalidf("image %s has not the size it should have", id)
	}
	if err := up.Commit(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prune(c.max - size)
	now := c.clock.Now()
	c.entries[id] = &CacheEntry{ImageID: id, Size: size, Accessed: now, Modified: now}
	return nil
}

// CacheImage queues an image for the cache.
func (s *Images) CacheImage(ctx context.Context, id string) error {
	i, err := s.store.Image(ctx, id)
	if err != nil {
		return err
	}
	if i.Status != StatusActive {
		return fault.Invalidf("Only images with status active can be targeted for queueing")
	}
	s.want(id)
	return nil
}

// want queues an image and tells Run.
func (s *Images) want(id string) {
	if s.Cache != nil {
		s.Cache.Want(id)
		select {
		case s.fetch <- struct{}{}:
		default: // it has been told
		}
	}
}

// runCache fetches what is queued for the cache until the context ends.
func (s *Images) runCache(ctx context.Context) error {
	for s.Cache != nil {
		select {
		case <-ctx.Done():
			return nil
		case <-s.fetch:
		}
		for id, ok := s.Cache.next(); ok && ctx.Err() == nil; id, ok = s.Cache.next() {
			if err := s.fill(ctx, id); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "an image does not get into the cache", "image", id, "error", err.Error())
			}
		}
	}
	return nil
}

// fill brings one image into the cache; one that is gone by then is left out.
func (s *Images) fill(ctx context.Context, id string) error {
	i, err := s.anyImage(ctx, id)
	if err != nil || !i.HasData() {
		return ignoreNotFound(err)
	}
	body, err := s.open(ctx, i)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // it was only read
	if err := s.Cache.put(ctx, id, i.Size, body); err != nil {
		return err
	}
	if _, err := s.anyImage(ctx, id); fault.Is(err, fault.NotFound) {
		s.Cache.Forget(id) // deleted meanwhile
	}
	return nil
}

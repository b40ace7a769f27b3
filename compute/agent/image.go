package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"nubo/compute/driver"
	"nubo/sdk/image"
	"nubo/sdk/rest"
)

// imageTTL is how long an image's description is used: its content never
// changes.
const imageTTL = time.Minute

// imageCache remembers the images that servers are made of.
type imageCache struct {
	client Image

	mu   sync.Mutex // guards seen
	seen map[string]seenImage
}

type seenImage struct {
	*image.Image
	at time.Time
}

func newImageCache(c Image) *imageCache { return &imageCache{client: c, seen: map[string]seenImage{}} }

func (c *imageCache) show(ctx context.Context, id string) (*image.Image, error) {
	c.mu.Lock()
	one, ok := c.seen[id]
	c.mu.Unlock()
	if ok && time.Since(one.at) < imageTTL {
		return one.Image, nil
	}
	img, err := c.client.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, seen := range c.seen {
		if time.Since(seen.at) >= imageTTL {
			delete(c.seen, other)
		}
	}
	c.seen[id] = seenImage{img, time.Now()}
	return img, nil
}

// image is an image as the driver wants it. One that was deleted meanwhile is
// only a name: the host has its copy.
func (h *host) image(ctx context.Context, id string) (*driver.Image, error) {
	var img *image.Image
	err := h.patiently(ctx, "an image", func() (err error) {
		img, err = h.images.show(ctx, id)
		return err
	})
	gone := rest.IsNotFound(err)
	if err != nil && !gone {
		return nil, err
	}
	out := &driver.Image{ID: id, Fetch: func(ctx context.Context, path string) error { return h.fetch(ctx, id, path) }}
	if !gone {
		out.Format, out.Size, out.Checksum = img.DiskFormat, img.Size, img.HashValue
		if out.Checksum == "" {
			out.Checksum = img.Checksum
		}
	}
	return out, nil
}

// fetch writes an image's bytes into a file.
func (h *host) fetch(ctx context.Context, id, path string) (err error) {
	body, _, err := h.deps.Image.Download(ctx, id)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // what matters was read or is an error
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, body); err != nil {
		f.Close() //nolint:errcheck // the copy's error says more
		return fmt.Errorf("download image %s: %w", id, err)
	}
	return f.Close()
}

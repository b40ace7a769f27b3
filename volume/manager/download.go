package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"nubo/internal/fault"
	"nubo/volume"
)

// How often, and for how long at most, an image is asked for again while the
// image service does not answer.
const (
	firstWait     = 100 * time.Millisecond
	longestWait   = 5 * time.Second
	imagePatience = time.Minute
)

// fromImage makes a volume of an image. A volume that is half made when the
// image service goes away is made anew when it is back.
func (m *Manager) fromImage(ctx context.Context, v *volume.Volume) error {
	deadline := m.Volumes.Now().Add(imagePatience)
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := m.download(ctx, v)
		if err == nil || !fault.Is(err, fault.Unavailable) || m.Volumes.Now().After(deadline) {
			return err
		}
		m.Log.WarnContext(ctx, "an image is asked for again", "volume", v.ID, "image", v.ImageID, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (m *Manager) download(ctx context.Context, v *volume.Volume) error {
	body, err := m.Images.Download(ctx, v.ImageID)
	if err != nil {
		return fmt.Errorf("download image %s: %w", v.ImageID, err)
	}
	defer body.Close() //nolint:errcheck // read to its end, or the create failed
	in := &cutReader{Reader: body}
	err = m.Driver.CreateFromImage(ctx, v.ID, v.SizeGB, in, v.ImageMetadata["disk_format"], func(int64) {})
	if err != nil && in.err != nil && ctx.Err() == nil {
		return fault.Unavailablef("The image service does not answer.").WithCause(err)
	}
	return err
}

// cutReader remembers that reading has failed.
type cutReader struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (r *cutReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

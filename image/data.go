package image

import (
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"nubo/image/inspect"
	"nubo/internal/auth"
	"nubo/internal/fault"
)

// copyBuffer is how much of an upload is in memory at a time.
const copyBuffer = 256 << 10

// Upload stores an image's bytes. The image is active, with its checksums,
// when they are durable; anything else leaves it queued, and no byte behind.
func (s *Images) Upload(ctx context.Context, id string, body io.Reader) error {
	i, err := s.claim(ctx, id)
	if err != nil {
		return err
	}
	done, err := s.receive(ctx, i, body)
	if err == nil {
		err = s.store.InTx(ctx, func(ctx context.Context) error { return s.store.UpdateImage(ctx, i, StatusSaving) })
	}
	if err == nil {
		return nil
	}
	// The caller may be gone: what follows must happen all the same.
	ctx = auth.Admin(context.WithoutCancel(ctx))
	if done {
		err = errors.Join(err, s.data.Delete(id))
	}
	if again := s.requeue(ctx, id); again != nil {
		s.log.ErrorContext(ctx, "image stays in saving until the next start", "image", id, "error", again.Error())
	}
	return err
}

// claim makes the image this upload's.
func (s *Images) claim(ctx context.Context, id string) (*Image, error) {
	var i *Image
	return i, s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if i, err = s.store.Image(ctx, id); err != nil {
			return err
		}
		if i.DiskFormat == "" || i.ContainerFormat == "" {
			return fault.Invalidf("Properties disk_format, container_format must be set prior to saving data.")
		}
		was := i.Status
		i.Status, i.UpdatedAt = StatusSaving, s.clock.Now()
		err = s.store.UpdateImage(ctx, i, StatusQueued)
		if fault.Is(err, fault.Conflict) {
			return fault.Conflictf("Image status transition from %s to saving is not allowed", was)
		}
		return err
	})
}

// receive writes the bytes and, when they are durable, fills in what they
// are. committed reports that they are stored.
func (s *Images) receive(_ context.Context, i *Image, body io.Reader) (committed bool, err error) {
	up, err := s.data.Create(i.ID)
	if err != nil {
		return false, err
	}
	defer up.Abort() //nolint:errcheck // what is left goes at the next start
	sum := newSums()
	look := &inspect.Inspector{}
	limit := s.cfg.MaxSizeGB << 30
	n, err := io.CopyBuffer(io.MultiWriter(up, sum, look), io.LimitReader(onlyReader{body}, limit+1), make([]byte, copyBuffer))
	sum.close()
	switch {
	case err != nil && isWrite(err):
		return false, err
	case err != nil:
		return false, fault.Invalidf("The upload of image %s was cut short.", i.ID).WithCause(err)
	case n > limit:
		return false, fault.New(fault.TooLarge, "Image exceeds the storage quota: the size is over %d GiB.", s.cfg.MaxSizeGB)
	}
	found := look.Result()
	if err := found.Check(i.DiskFormat); err != nil {
		return false, fault.New(fault.UnsupportedType, "%s", err)
	}
	if err := up.Commit(); err != nil {
		return false, err
	}
	i.Status, i.Size, i.VirtualSize = StatusActive, n, found.VirtualSize
	i.Checksum, i.HashValue = sum.hex()
	i.UpdatedAt = s.clock.Now()
	return true, nil
}

// onlyReader hides WriterTo, which would pass the buffer by.
type onlyReader struct{ io.Reader }

// writeError marks an error of the store's side.
type writeError struct{ error }

// Unwrap gives the cause.
func (w writeError) Unwrap() error { return w.error }

// WriteError marks an error of a Data's Upload as the store's own, so that it
// is not taken for the client's.
func WriteError(err error) error {
	if err == nil {
		return nil
	}
	return writeError{err}
}

func isWrite(err error) bool {
	var w writeError
	return errors.As(err, &w)
}

// requeue puts an image back to where an upload may begin.
func (s *Images) requeue(ctx context.Context, id string) error {
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, id)
		if err != nil {
			return err
		}
		i.Status, i.Size, i.VirtualSize, i.Checksum, i.HashValue = StatusQueued, 0, 0, "", ""
		return s.store.UpdateImage(ctx, i, StatusSaving)
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return nil // deleted meanwhile
	}
	return err
}

// sums computes both checksums, each on a processor of its own.
type sums struct {
	algorithms [2]hash.Hash
	feeds      [2]chan []byte
	done       [2]chan struct{}
}

func newSums() *sums {
	s := &sums{algorithms: [2]hash.Hash{md5.New(), sha512.New()}}
	for n := range s.algorithms {
		s.feeds[n], s.done[n] = make(chan []byte), make(chan struct{})
		go func() {
			defer close(s.done[n])
			for b := range s.feeds[n] {
				s.algorithms[n].Write(b) // never fails
				s.done[n] <- struct{}{}
			}
		}()
	}
	return s
}

// Write has both algorithms take p, and waits for them: p is reused.
func (s *sums) Write(p []byte) (int, error) {
	for n := range s.feeds {
		s.feeds[n] <- p
	}
	for n := range s.done {
		<-s.done[n]
	}
	return len(p), nil
}

func (s *sums) close() {
	for n := range s.feeds {
		close(s.feeds[n])
		<-s.done[n]
	}
}

// hex gives md5 and sha512, after close.
func (s *sums) hex() (string, string) {
	return hex.EncodeToString(s.algorithms[0].Sum(nil)), hex.EncodeToString(s.algorithms[1].Sum(nil))
}

// Download opens an image's bytes.
func (s *Images) Download(ctx context.Context, id string) (*Image, io.ReadSeekCloser, error) {
	i, err := s.store.Image(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if i.Status == StatusDeactivated && !auth.From(ctx).IsAdmin {
		return nil, nil, fault.Forbiddenf("The requested image has been deactivated. Image data download is forbidden.")
	}
	if i.Status != StatusActive && i.Status != StatusDeactivated {
		return i, nil, nil
	}
	body, err := s.data.Open(id)
	return i, body, err
}

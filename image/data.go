package image

import (
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"nubo/image/inspect"
	"nubo/internal/auth"
	"nubo/internal/fault"
)

// copyBuffer is the size of each of the two buffers of an upload.
const copyBuffer = 512 << 10

// Upload stores an image's bytes. The image is active, with its checksums,
// when they are durable; anything else leaves it queued, and no byte behind.
func (s *Images) Upload(ctx context.Context, id string, body io.Reader) error {
	i, err := s.claim(ctx, id)
	if err != nil {
		return err
	}
	stored, err := s.receive(i, body)
	// The caller may be gone: what follows must happen all the same.
	ctx = auth.Admin(context.WithoutCancel(ctx))
	if err == nil {
		err = s.finish(ctx, i)
	}
	if err == nil {
		return nil
	}
	if stored {
		err = errors.Join(err, s.data.Delete(id))
	}
	if again := s.requeue(ctx, id); again != nil {
		s.log.ErrorContext(ctx, "image stays in saving until the next start", "image", id, "error", again.Error())
	}
	return err
}

// finish makes the image active with what its bytes are. Whatever else was
// changed of it during the upload stays.
func (s *Images) finish(ctx context.Context, up *Image) error {
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, up.ID)
		if err != nil {
			return err
		}
		i.Status, i.UpdatedAt = StatusActive, s.clock.Now()
		i.Size, i.VirtualSize, i.Checksum, i.HashValue = up.Size, up.VirtualSize, up.Checksum, up.HashValue
		return s.store.UpdateImage(ctx, i, StatusSaving)
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return fault.New(fault.Gone, "Image %s could not be found after upload. The image may have been deleted during the upload, "+
			"cleaning up the chunks uploaded.", up.ID)
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

// receive writes the bytes and, when they are durable, notes in i what they
// are. stored reports that they are there to be read.
func (s *Images) receive(i *Image, body io.Reader) (stored bool, err error) {
	up, err := s.data.Create(i.ID)
	if err != nil {
		return false, err
	}
	defer up.Abort() //nolint:errcheck // what is left goes at the next start
	sum, hash, look := md5.New(), sha512.New(), &inspect.Inspector{}
	limit := int64(s.cfg.ImageSizeCap)
	n, readErr, writeErr := spread(io.LimitReader(body, limit+1), up, sum, hash, look)
	switch {
	case writeErr != nil:
		return false, fmt.Errorf("write image %s: %w", i.ID, writeErr)
	case readErr != nil:
		return false, fault.Invalidf("The upload of image %s was cut short.", i.ID).WithCause(readErr)
	case n > limit:
		return false, fault.New(fault.TooLarge, "The incoming image is too large: it is over %s.", s.cfg.ImageSizeCap)
	}
	found := look.Result()
	if err := found.Check(i.DiskFormat); err != nil {
		return false, fault.New(fault.UnsupportedType, "%s", err)
	}
	if err := up.Commit(); err != nil {
		return false, fmt.Errorf("keep image %s: %w", i.ID, err)
	}
	i.Size, i.VirtualSize = n, found.VirtualSize
	i.Checksum, i.HashValue = hex.EncodeToString(sum.Sum(nil)), hex.EncodeToString(hash.Sum(nil))
	return true, nil
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

// spread copies src to every writer. While they take one buffer, each on its
// own, the next is read: the slowest of them sets the pace, not their sum.
func spread(src io.Reader, writers ...io.Writer) (n int64, readErr, writeErr error) {
	var buffers [2][]byte
	var busy errgroup.Group // with the buffer before
	for k := 0; ; k = 1 - k {
		if buffers[k] == nil {
			buffers[k] = make([]byte, copyBuffer)
		}
		var m int
		m, readErr = fill(src, buffers[k])
		if writeErr = busy.Wait(); writeErr != nil {
			return n, nil, writeErr
		}
		n += int64(m)
		busy = errgroup.Group{}
		for _, w := range writers {
			busy.Go(func() error {
				_, err := w.Write(buffers[k][:m])
				return err
			})
		}
		if readErr == io.EOF {
			return n, nil, busy.Wait()
		}
		if readErr != nil {
			return n, readErr, busy.Wait()
		}
	}
}

// fill reads until the buffer is full. Unlike io.ReadFull it tells the end of
// the body from its having been cut.
func fill(src io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = src.Read(b[n:])
		n += m
	}
	return n, err
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

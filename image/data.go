package image

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"nubo/image/inspect"
	"nubo/internal/auth"
	"nubo/internal/fault"
)

// The buffers of an upload: how large each is, and how many there are.
const (
	copyBuffer  = 256 << 10
	copyBuffers = 16
)

// Upload stores an image's bytes, in the named store or the default one; size
// is how many are announced, -1 if that is not known. The image is active,
// with its checksums, when they are durable; anything else leaves it queued,
// and no byte behind.
func (s *Images) Upload(ctx context.Context, id, store string, body io.Reader, size int64) error {
	b, err := s.writable(store)
	if err != nil {
		return err
	}
	i, err := s.claim(ctx, id)
	if err != nil {
		return err
	}
	stored, err := s.receive(ctx, i, b, body, size)
	// The caller may be gone: what follows must happen all the same.
	ctx = auth.Admin(context.WithoutCancel(ctx))
	if err == nil {
		err = s.finish(ctx, i, StatusSaving)
	}
	if err == nil {
		return nil
	}
	if stored {
		err = errors.Join(err, s.unplace(ctx, i.Locations[0]))
	}
	s.giveBack(ctx, id)
	return err
}

// finish makes the image active with what its bytes are. Whatever else was
// changed of it during the upload stays.
func (s *Images) finish(ctx context.Context, up *Image, from string) error {
	limits, err := s.limits(ctx, up.Owner)
	if err != nil {
		return err
	}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, up.ID)
		if err != nil {
			return err
		}
		if err := s.within(ctx, limits, i.Owner, SizeTotal, up.Size*int64(len(up.Locations))); err != nil {
			return err
		}
		i.Status, i.UpdatedAt, i.Staged, i.Locations = StatusActive, s.clock.Now(), 0, up.Locations
		i.Size, i.VirtualSize, i.Checksum, i.HashValue, i.DiskFormat = up.Size, up.VirtualSize, up.Checksum, up.HashValue, up.DiskFormat
		i.Properties = imported(i.Properties, up.Properties)
		if err := s.keep(ctx, EventUpload, i, from); err != nil {
			return err
		}
		return s.notify(ctx, EventActivate, i)
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return fault.New(fault.Gone, "Image %s could not be found after upload. The image may have been deleted during the upload, "+
			"cleaning up the chunks uploaded.", up.ID)
	}
	return err
}

// claim makes the image this upload's.
func (s *Images) claim(ctx context.Context, id string) (*Image, error) {
	return s.take(ctx, id, StatusSaving, "Image status transition from %s to saving is not allowed")
}

// take moves a queued image on to where bytes come in.
func (s *Images) take(ctx context.Context, id, to, refusal string) (*Image, error) {
	i, err := s.store.Image(ctx, id)
	if err != nil {
		return nil, err
	}
	limits, err := s.limits(ctx, i.Owner)
	if err != nil {
		return nil, err
	}
	return i, s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if i, err = s.store.Image(ctx, id); err != nil {
			return err
		}
		if i.DiskFormat == "" || i.ContainerFormat == "" {
			return fault.Invalidf("Properties disk_format, container_format must be set prior to saving data.")
		}
		if err := s.within(ctx, limits, i.Owner, CountUploading, 1); err != nil {
			return err
		}
		was := i.Status
		i.Status, i.UpdatedAt = to, s.clock.Now()
		event := EventUpdate
		if to == StatusSaving {
			event = EventPrepare
		}
		err = s.keep(ctx, event, i, StatusQueued)
		if fault.Is(err, fault.Conflict) {
			return fault.Conflictf(refusal, was)
		}
		return err
	})
}

// receive writes the bytes and, when they are durable, notes in i what and
// where they are. stored reports that they are there to be read.
func (s *Images) receive(ctx context.Context, i *Image, b Backend, body io.Reader, size int64) (stored bool, err error) {
	limit, err := s.room(ctx, i.Owner, SizeTotal, size)
	if err != nil {
		return false, err
	}
	ref := NewRef(i.ID)
	up, err := b.Data.Create(ctx, ref)
	if err != nil {
		return false, err
	}
	defer up.Abort() //nolint:errcheck // what is left goes at the next start
	d, err := s.digest(ctx, body, limit, up)
	if err != nil {
		return false, err
	}
	if err := d.describe(i); err != nil {
		return false, err
	}
	if err := up.Commit(); err != nil {
		return false, notKept(err)
	}
	i.Locations = []Location{{b.ID, ref}}
	return true, nil
}

// notKept is the failure of a store to take bytes.
func notKept(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.New(fault.TooLarge, "Image storage media is full: There is not enough disk space on the image storage media.").WithCause(err)
	}
	return fmt.Errorf("keep the image's bytes: %w", err)
}

// cutShort is the failure of a client to send all bytes.
func cutShort(err error) error {
	var said *fault.Error
	if errors.As(err, &said) {
		return said
	}
	return fault.Invalidf("The upload of the image was cut short.").WithCause(err)
}

// digest is what is known of bytes that have passed.
type digest struct {
	size      int64
	md5, hash string
	found     inspect.Result
}

// digest copies body to a writer, if there is one, and tells what it was.
// More than limit bytes are refused.
func (s *Images) digest(ctx context.Context, body io.Reader, limit int64, to io.Writer) (*digest, error) {
	sum, hash, look := md5.New(), sha512.New(), &inspect.Inspector{}
	writers := []io.Writer{sum, hash, look}
	if to != nil {
		writers = append(writers, to)
	}
	n, readErr, writeErr := spread(io.LimitReader(bounded{ctx, body}, limit+1), writers...)
	switch {
	case writeErr != nil:
		return nil, notKept(writeErr)
	case readErr != nil:
		return nil, cutShort(readErr)
	case n > limit && limit < int64(s.cfg.ImageSizeCap):
		return nil, fault.New(fault.OverQuota, "The incoming image is too large: it passes the project's quota.")
	case n > limit:
		return nil, fault.New(fault.TooLarge, "The incoming image is too large: it is over %s.", s.cfg.ImageSizeCap)
	}
	return &digest{n, hex.EncodeToString(sum.Sum(nil)), hex.EncodeToString(hash.Sum(nil)), look.Result()}, nil
}

// describe notes in i what its bytes are, and refuses those that are not
// what its disk format says.
func (d *digest) describe(i *Image) error {
	if err := d.found.Check(i.DiskFormat); err != nil {
		return fault.New(fault.UnsupportedType, "%s", err)
	}
	i.Size, i.VirtualSize, i.Checksum, i.HashValue = d.size, d.found.VirtualSize, d.md5, d.hash
	return nil
}

// requeue puts an image back to where an upload may begin.
func (s *Images) requeue(ctx context.Context, id string) error {
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, id)
		if err != nil {
			return err
		}
		i.Status, i.Size, i.VirtualSize, i.Checksum, i.HashValue, i.Staged = StatusQueued, 0, 0, "", "", 0
		i.Properties = imported(i.Properties, nil)
		return s.keep(ctx, EventUpdate, i, StatusSaving, StatusUploading, StatusImporting)
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return nil // deleted meanwhile
	}
	return err
}

// giveBack is requeue when something has failed already.
func (s *Images) giveBack(ctx context.Context, id string) {
	if err := s.requeue(ctx, id); err != nil {
		s.log.ErrorContext(ctx, "image stays as it is until the next start", "image", id, "error", err.Error())
	}
}

// spread copies src to every writer, which each take the buffers at their own
// pace, as far as there are free ones: the slowest of them sets the pace, not
// their sum.
func spread(src io.Reader, writers ...io.Writer) (n int64, readErr, writeErr error) {
	free := make(chan *piece, copyBuffers)
	for range copyBuffers {
		free <- &piece{}
	}
	var failed atomic.Bool
	var all errgroup.Group
	lanes := make([]chan *piece, len(writers))
	for k, w := range writers {
		lane := make(chan *piece, copyBuffers)
		lanes[k] = lane
		all.Go(func() (err error) {
			for p := range lane {
				if err == nil {
					if _, err = w.Write(p.b[:p.n]); err != nil {
						failed.Store(true)
					}
				}
				if p.waits.Add(-1) == 0 {
					free <- p
				}
			}
			return err
		})
	}
	for readErr == nil && !failed.Load() {
		p := <-free
		if p.b == nil {
			p.b = make([]byte, copyBuffer)
		}
		p.n, readErr = fill(src, p.b)
		n += int64(p.n)
		p.waits.Store(int32(len(lanes)))
		for _, lane := range lanes {
			lane <- p
		}
	}
	for _, lane := range lanes {
		close(lane)
	}
	if readErr == io.EOF {
		readErr = nil
	}
	return n, readErr, all.Wait()
}

// piece is a buffer on its way; waits counts the writers that are not done
// with it.
type piece struct {
	b     []byte
	n     int
	waits atomic.Int32
}

// bounded is a reader that ends with its context: files know of none.
type bounded struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r bounded) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
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

// Download opens an image's bytes: a copy in one of the preferred stores, in
// their order, if there is one.
func (s *Images) Download(ctx context.Context, id string, prefer ...string) (*Image, io.ReadSeekCloser, error) {
	for _, store := range prefer {
		if _, err := s.backend(store); err != nil {
			return nil, nil, fault.Invalidf("Store '%s' is not configured.", store)
		}
	}
	i, err := s.store.Image(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if i.Status == StatusDeactivated && !auth.From(ctx).IsAdmin {
		return nil, nil, fault.Forbiddenf("The requested image has been deactivated. Image data download is forbidden.")
	}
	if !i.HasData() {
		return i, nil, nil
	}
	rank := func(l Location) int {
		if n := slices.Index(prefer, l.Store); n >= 0 {
			return n
		}
		return len(prefer)
	}
	slices.SortStableFunc(i.Locations, func(a, b Location) int { return cmp.Compare(rank(a), rank(b)) })
	body, err := s.open(ctx, i)
	if err == nil {
		s.want(id)
	}
	return i, body, err
}

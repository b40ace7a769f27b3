package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Data keeps images' bytes. A ref names the bytes of one upload; the store
// chooses how it is found by it.
type Data interface {
	// Create gives a place to write to, which is nothing until it is
	// committed.
	Create(ctx context.Context, ref string) (Upload, error)
	// Open gives the bytes; the fault NotFound says that they are not there.
	Open(ctx context.Context, ref string) (io.ReadSeekCloser, error)
	// Delete removes the bytes; it is no error if they are gone. The fault
	// Conflict says that somebody works with them.
	Delete(ctx context.Context, ref string) error
	// List gives the refs, in NewRef's form, of all that is stored; what was
	// never committed is removed on the way.
	List(ctx context.Context) ([]string, error)
	// URL is the place of the bytes as the locations API shows it.
	URL(ref string) string
	// Adopt gives the ref of bytes that were put there by others; the fault
	// Invalid says that the URL is not this store's.
	Adopt(url string) (ref string, err error)
}

// Upload is an image in the writing.
type Upload interface {
	io.Writer
	// Commit makes it durable, and the ref's bytes from now on.
	Commit() error
	// Abort removes it; after Commit it does nothing.
	Abort() error
}

// Staging is a Data whose bytes are files of this host.
type Staging interface {
	Data
	Path(ref string) string
}

// Backend is a store of bytes.
type Backend struct {
	ID          string
	Type        string
	Description string
	// ReadOnly stores keep what others put there.
	ReadOnly bool
	// Properties are what an administrator is told of it.
	Properties map[string]any
	Data       Data
}

// Location is where one copy of an image's bytes is.
type Location struct{ Store, Ref string }

// NewRef names the bytes of a new upload of an image, so that a late end of
// an earlier one never touches them.
func NewRef(imageID string) string { return imageID + "-" + clock.NewHexID()[:8] }

var refForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[0-9a-f]{8})?$`)

// IsRef reports whether a name is a ref that this service made; those of
// early versions were the image's id alone.
func IsRef(name string) bool { return refForm.MatchString(name) }

// StoreIDs names the stores that new bytes can go to.
func (s *Images) StoreIDs() []string {
	var ids []string
	for _, b := range s.Backends {
		if !b.ReadOnly {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

func (s *Images) backend(id string) (Backend, error) {
	if id == "" {
		return s.Backends[0], nil
	}
	n := slices.IndexFunc(s.Backends, func(b Backend) bool { return b.ID == id })
	if n < 0 {
		return Backend{}, fault.Invalidf("Store for identifier %s not found", id)
	}
	return s.Backends[n], nil
}

// writable is backend for new bytes.
func (s *Images) writable(id string) (Backend, error) {
	b, err := s.backend(id)
	if err == nil && b.ReadOnly {
		return b, fault.Invalidf("Store %s is read only", b.ID)
	}
	return b, err
}

// unplace removes one copy. That of a store which is not configured any more
// stays where it is.
func (s *Images) unplace(ctx context.Context, l Location) error {
	b, err := s.backend(l.Store)
	if err != nil {
		s.log.WarnContext(ctx, "bytes stay in a store that is not configured", "store", l.Store, "ref", l.Ref)
		return nil
	}
	return b.Data.Delete(ctx, l.Ref)
}

// open gives an image's bytes, from the cache or the first store that has
// them.
func (s *Images) open(ctx context.Context, i *Image) (io.ReadSeekCloser, error) {
	if s.Cache != nil {
		if body := s.Cache.Open(i.ID); body != nil {
			return body, nil
		}
	}
	var all error
	for _, l := range i.Locations {
		b, err := s.backend(l.Store)
		if err == nil {
			var body io.ReadSeekCloser
			if body, err = b.Data.Open(ctx, l.Ref); err == nil {
				return body, nil
			}
		}
		all = errors.Join(all, fmt.Errorf("store %s: %w", l.Store, err))
	}
	return nil, fmt.Errorf("open image %s: %w", i.ID, all)
}

// LocationURL is a location as the API shows it.
func (s *Images) LocationURL(l Location) string {
	b, err := s.backend(l.Store)
	if err != nil {
		return ""
	}
	return b.Data.URL(l.Ref)
}

// AddLocation begins to make a queued image of bytes that are in a store
// already. They are read once, for their checksums; if the caller knows the
// hash, it must be right.
func (s *Images) AddLocation(ctx context.Context, id, url, hashValue string) (*Task, error) {
	l, err := s.adopt(url)
	if err != nil {
		return nil, err
	}
	var t *Task
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, id)
		switch {
		case err != nil:
			return err
		case i.Status != StatusQueued:
			return fault.Conflictf("It's not allowed to add locations if image status is %s.", i.Status)
		case i.DiskFormat == "" || i.ContainerFormat == "":
			return fault.Invalidf("Properties disk_format, container_format must be set prior to saving data.")
		}
		i.Status = StatusImporting
		t = s.newTask(ctx, TaskLocationImport, id, map[string]any{
			"image_id": id, "loc_url": url, "backend": []string{l.Store}, "method": locationMethod, "uri": url, "hash": hashValue,
		})
		return s.begin(ctx, i, StatusQueued, t, []string{l.Store})
	})
	if err != nil {
		return nil, err
	}
	s.wakeUp()
	return t, nil
}

// importLocation ends what AddLocation began.
func (s *Images) importLocation(ctx context.Context, i *Image, j job) error {
	l, err := s.adopt(j.uri)
	if err != nil {
		return err
	}
	if err := s.measure(ctx, i, l); err != nil {
		return err
	}
	if j.hash != "" && j.hash != i.HashValue {
		return fault.Invalidf("The hash of the bytes at the location is not the one that was given.")
	}
	i.Locations, i.Properties = []Location{l}, nil
	return s.finish(ctx, i, StatusImporting)
}

// adopt finds the store that a URL is of.
func (s *Images) adopt(url string) (Location, error) {
	for _, b := range s.Backends {
		if ref, err := b.Data.Adopt(url); err == nil {
			return Location{b.ID, ref}, nil
		} else if !fault.Is(err, fault.Invalid) {
			return Location{}, err
		}
	}
	return Location{}, fault.Invalidf("Invalid location: no store of this cloud serves it.")
}

// measure reads bytes that are stored, and notes in i what they are.
func (s *Images) measure(ctx context.Context, i *Image, l Location) error {
	b, err := s.backend(l.Store)
	if err != nil {
		return err
	}
	body, err := b.Data.Open(ctx, l.Ref)
	if err != nil {
		return fault.Invalidf("Invalid location: its bytes cannot be read.").WithCause(err)
	}
	defer body.Close() //nolint:errcheck // it was only read
	d, err := s.digest(ctx, body, int64(s.cfg.ImageSizeCap), nil)
	if err != nil {
		return err
	}
	return d.describe(i)
}

// RemoveCopy removes an image's bytes from one of several stores.
func (s *Images) RemoveCopy(ctx context.Context, id, store string) error {
	b, err := s.backend(store)
	if err != nil {
		return fault.NotFoundf("Store for identifier %s not found", store)
	}
	var gone Location
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, id)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(i.Locations, func(l Location) bool { return l.Store == b.ID })
		switch {
		case i.Status != StatusActive:
			return fault.Conflictf("It's not allowed to remove image data from store if image status is not 'active'")
		case n < 0:
			return fault.NotFoundf("Image %s is not in store %s", id, store)
		case i.Protected:
			return fault.Forbiddenf("Image %s is protected and cannot be deleted.", id)
		case len(i.Locations) == 1:
			return fault.Forbiddenf("Cannot delete image %s from its last store %s", id, store)
		case i.Properties[importTask] != "":
			return fault.Conflictf("Image %s is being copied.", id)
		}
		gone = i.Locations[n]
		i.Locations, i.UpdatedAt = slices.Delete(slices.Clone(i.Locations), n, n+1), s.clock.Now()
		return s.keep(ctx, EventUpdate, i)
	})
	if err != nil {
		return err
	}
	err = s.unplace(context.WithoutCancel(ctx), gone)
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	// Somebody works with it: it stays the image's.
	_, back := s.Update(auth.Admin(context.WithoutCancel(ctx)), id, func(i *Image) error {
		i.Locations = append(slices.Clone(i.Locations), gone)
		return nil
	})
	return errors.Join(fault.Conflictf("The bytes of image %s in store %s are in use.", id, store).WithCause(err), back)
}

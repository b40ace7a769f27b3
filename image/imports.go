package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"nubo/image/inspect"
	"nubo/internal/auth"
	"nubo/internal/fault"
)

// The import methods.
const (
	GlanceDirect = "glance-direct"
	WebDownload  = "web-download"
	CopyImage    = "copy-image"

	// locationMethod is that of a location that was added; no client names it.
	locationMethod = "location"
)

// The properties by which an image says what is being done to it. Only the
// service sets them.
const (
	importTask   = "os_glance_import_task"
	importingTo  = "os_glance_importing_to_stores"
	failedImport = "os_glance_failed_import"
)

// imported are an image's properties when an import has ended.
func imported(was, outcome map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, was)
	for _, k := range []string{importTask, importingTo, failedImport} {
		delete(out, k)
	}
	if failed := outcome[failedImport]; failed != "" {
		out[failedImport] = failed
	}
	return out
}

// Web reads what is elsewhere, as far as it may.
type Web interface {
	// Check says why a URL may not be read, as the fault Invalid.
	Check(url string) error
	// Get opens what is there and says how long it is, -1 if that is not
	// known.
	Get(ctx context.Context, url string) (io.ReadCloser, int64, error)
}

// Import is what a client wants to be imported.
type Import struct {
	Method string
	URI    string
	// Stores is where to; empty for the default, or with AllStores for all.
	Stores    []string
	AllStores bool
	// Lenient imports succeed if one of the stores takes the image.
	Lenient bool
}

// ImportMethods names those that are enabled.
func (s *Images) ImportMethods() []string { return s.cfg.EnabledImportMethods }

// Stage keeps bytes that are to be imported.
func (s *Images) Stage(ctx context.Context, id string, body io.Reader, size int64) error {
	i, err := s.take(ctx, id, StatusUploading, "Image status transition from %s to uploading is not allowed")
	if err != nil {
		return err
	}
	n, err := s.stage(ctx, i, body, size)
	ctx = auth.Admin(context.WithoutCancel(ctx))
	if err == nil {
		err = s.staged(ctx, i, n, StatusUploading)
	}
	if err == nil {
		return nil
	}
	err = errors.Join(err, s.Staging.Delete(ctx, id))
	s.giveBack(ctx, id)
	return err
}

// stage writes the bytes and says how many they are.
func (s *Images) stage(ctx context.Context, i *Image, body io.Reader, size int64) (int64, error) {
	limit, err := s.room(ctx, i.Owner, StageTotal, size)
	if err != nil {
		return 0, err
	}
	up, err := s.Staging.Create(ctx, i.ID)
	if err != nil {
		return 0, err
	}
	defer up.Abort() //nolint:errcheck // what is left goes at the next start
	n, readErr, writeErr := spread(io.LimitReader(bounded{ctx, body}, limit+1), up)
	switch {
	case writeErr != nil:
		return 0, notKept(writeErr)
	case readErr != nil:
		return 0, cutShort(readErr)
	case n > limit:
		return 0, fault.New(fault.TooLarge, "The image is too large to be staged: it is over %d bytes.", limit)
	case n == 0:
		return 0, fault.Invalidf("There are no bytes to be staged.")
	}
	if err := up.Commit(); err != nil {
		return 0, notKept(err)
	}
	return n, nil
}

// staged notes that an image's bytes wait.
func (s *Images) staged(ctx context.Context, i *Image, n int64, status string) error {
	limits, err := s.limits(ctx, i.Owner)
	if err != nil {
		return err
	}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.within(ctx, limits, i.Owner, StageTotal, n); err != nil {
			return err
		}
		now, err := s.store.Image(ctx, i.ID)
		if err != nil {
			return err
		}
		now.Staged, now.UpdatedAt = n, s.clock.Now()
		return s.keep(ctx, EventUpdate, now, status)
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return fault.New(fault.Gone, "Image %s was deleted while its data was being staged.", i.ID)
	}
	return err
}

// Import begins an import. It gives no task if there is nothing to do.
func (s *Images) Import(ctx context.Context, id string, in Import, input map[string]any) (*Task, error) {
	if !slices.Contains(s.cfg.EnabledImportMethods, in.Method) {
		return nil, fault.Invalidf("Unknown import method name '%s'.", in.Method)
	}
	stores, err := s.targets(in)
	if err != nil {
		return nil, err
	}
	i, err := s.store.Image(ctx, id)
	if err != nil {
		return nil, err
	}
	limits, err := s.limits(ctx, i.Owner)
	if err != nil {
		return nil, err
	}
	var t *Task
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		t = nil
		stores := stores
		i, err := s.store.Image(ctx, id)
		if err != nil {
			return err
		}
		was := i.Status
		if err := in.mayBegin(i); err != nil {
			return err
		}
		if in.Method == CopyImage {
			if stores, err = missing(i, stores, in.AllStores); err != nil || len(stores) == 0 {
				return err
			}
		} else {
			i.Status = StatusImporting
		}
		if in.Method == WebDownload {
			if err := s.Web.Check(in.URI); err != nil {
				return err
			}
		}
		if err := s.within(ctx, limits, i.Owner, SizeTotal, 1); err != nil {
			return err
		}
		t = s.newTask(ctx, TaskAPIImageImport, id, map[string]any{
			"image_id": id, "import_req": input, "backend": stores, "method": in.Method, "uri": in.URI, "lenient": in.Lenient,
		})
		return s.begin(ctx, i, was, t, stores)
	})
	if err != nil {
		return nil, err
	}
	s.wakeUp()
	return t, nil
}

// begin writes a task, and in its image, whose status was was, what is being
// done to it.
func (s *Images) begin(ctx context.Context, i *Image, was string, t *Task, stores []string) error {
	i.Properties = imported(i.Properties, nil)
	i.Properties[importTask], i.Properties[importingTo], i.UpdatedAt = t.ID, strings.Join(stores, ","), s.clock.Now()
	if err := s.store.CreateTask(ctx, t); err != nil {
		return err
	}
	return s.keep(ctx, EventUpdate, i, was)
}

// ImportNew makes an image, and begins to import it from a URL.
func (s *Images) ImportNew(ctx context.Context, i *Image, url string, input map[string]any) (*Task, error) {
	if !slices.Contains(s.cfg.EnabledImportMethods, WebDownload) {
		return nil, fault.Invalidf("Import method %s is not enabled.", WebDownload)
	}
	if err := s.Web.Check(url); err != nil {
		return nil, err
	}
	if i.DiskFormat == "" || i.ContainerFormat == "" {
		return nil, fault.Invalidf("Properties disk_format, container_format must be set prior to saving data.")
	}
	s.initialize(i)
	limits, err := s.limits(ctx, i.Owner)
	if err != nil {
		return nil, err
	}
	var t *Task
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		i.Status = StatusQueued
		if err := s.create(ctx, i, limits); err != nil {
			return err
		}
		stores := []string{s.Backends[0].ID}
		t = s.newTask(ctx, TaskImport, i.ID, map[string]any{
			"backend": stores, "method": WebDownload, "uri": url, "lenient": false,
		})
		maps.Copy(t.Input, input)
		i.Status = StatusImporting
		return s.begin(ctx, i, StatusQueued, t, stores)
	})
	if err != nil {
		return nil, err
	}
	s.wakeUp()
	return t, nil
}

// targets are the stores that an import names.
func (s *Images) targets(in Import) ([]string, error) {
	if in.AllStores {
		if len(in.Stores) > 0 {
			return nil, fault.Invalidf("Parameters 'all_stores' and 'stores' are mutually exclusive.")
		}
		return s.StoreIDs(), nil
	}
	if len(in.Stores) == 0 {
		return []string{s.Backends[0].ID}, nil
	}
	for k, id := range in.Stores {
		if _, err := s.writable(id); err != nil || id == "" {
			return nil, fault.Conflictf("Store for identifier %s not found", id).WithCause(err)
		}
		if slices.Contains(in.Stores[:k], id) {
			return nil, fault.Invalidf("Store %s is named twice.", id)
		}
	}
	return in.Stores, nil
}

// mayBegin says why an image cannot be imported by the method as it is.
func (in Import) mayBegin(i *Image) error {
	switch {
	case i.Properties[importTask] != "":
		return fault.Conflictf("New operation on image '%s' is not permitted as prior operation is still in progress", i.ID)
	case i.Status == StatusActive && in.Method != CopyImage:
		return fault.Conflictf("Image with status active cannot be target for import")
	case i.Status != StatusActive && in.Method == CopyImage:
		return fault.Conflictf("Only images with status active can be targeted for copying")
	case i.Status != StatusQueued && in.Method == WebDownload:
		return fault.Conflictf("Image needs to be in 'queued' state to use 'web-download' method")
	case in.Method == GlanceDirect && (i.Status != StatusUploading || i.Staged == 0):
		return fault.Conflictf("Image needs to be staged before 'glance-direct' method can be used")
	case i.ContainerFormat == "":
		return fault.Conflictf("'container_format' needs to be set before import")
	case i.DiskFormat == "":
		return fault.Conflictf("'disk_format' needs to be set before import")
	}
	return nil
}

// missing are the stores that have not the image.
func missing(i *Image, stores []string, all bool) ([]string, error) {
	var out []string
	for _, id := range stores {
		there := slices.ContainsFunc(i.Locations, func(l Location) bool { return l.Store == id })
		if there && !all {
			return nil, fault.Invalidf("Image is already present at store '%s'", id)
		}
		if !there {
			out = append(out, id)
		}
	}
	return out, nil
}

// job is a task's input.
type job struct {
	method, uri, hash string
	stores            []string
	lenient           bool
}

func jobOf(t *Task) job {
	j := job{}
	j.method, _ = t.Input["method"].(string)
	j.uri, _ = t.Input["uri"].(string)
	j.hash, _ = t.Input["hash"].(string)
	j.lenient, _ = t.Input["lenient"].(bool)
	list, _ := t.Input["backend"].([]any) // JSON made it so
	for _, v := range list {
		id, _ := v.(string)
		j.stores = append(j.stores, id)
	}
	return j
}

// runImport carries a task out. What it leaves of a failure is the image as
// it was before.
func (s *Images) runImport(ctx context.Context, t *Task) error {
	j := jobOf(t)
	i, err := s.store.Image(ctx, t.ImageID)
	if err != nil {
		return err
	}
	if i.Properties[importTask] != t.ID { // a kill came between the image's end and its task's
		if j.method == CopyImage || i.HasData() {
			return nil
		}
		return fault.Invalidf("The import failed before the image service was started again.")
	}
	if j.method == CopyImage {
		return s.copyImage(ctx, i, j)
	}
	if j.method == locationMethod {
		err = s.importLocation(ctx, i, j)
	} else {
		err = s.importImage(ctx, i, j)
	}
	if err == nil {
		return s.Staging.Delete(ctx, i.ID)
	}
	if ctx.Err() != nil && s.exists(ctx, i.ID) {
		return err // the service stops: it begins again
	}
	after := context.WithoutCancel(ctx)
	err = errors.Join(err, s.Staging.Delete(after, i.ID))
	if t.Type == TaskImport {
		return errors.Join(err, ignoreNotFound(s.Delete(after, i.ID)))
	}
	s.giveBack(after, i.ID)
	return err
}

// exists reports whether an image is not deleted; if that cannot be known it
// is.
func (s *Images) exists(ctx context.Context, id string) bool {
	_, err := s.store.Image(context.WithoutCancel(ctx), id)
	return !fault.Is(err, fault.NotFound)
}

func ignoreNotFound(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// importImage brings the bytes to the staging area, looks at them, converts
// them if they are to be, and stores them.
func (s *Images) importImage(ctx context.Context, i *Image, j job) error {
	if j.method == WebDownload {
		body, size, err := s.Web.Get(ctx, j.uri)
		if err != nil {
			return err
		}
		n, err := s.stage(ctx, i, body, size)
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
		if err := s.staged(ctx, i, n, StatusImporting); err != nil {
			return err
		}
	}
	if err := s.inspect(ctx, i.ID, i.DiskFormat); err != nil {
		return err
	}
	ref := i.ID
	if to := s.cfg.OutputFormat; to != "" && to != i.DiskFormat && convertible[i.DiskFormat] != "" {
		ref = NewRef(i.ID)
		defer s.Staging.Delete(context.WithoutCancel(ctx), ref) //nolint:errcheck // what is left goes at the next start
		if err := s.convert(ctx, i, ref, to); err != nil {
			return err
		}
	}
	i.Locations = nil
	failed, err := s.place(ctx, i, ref, j)
	if err == nil {
		if len(failed) > 0 {
			i.Properties = map[string]string{failedImport: strings.Join(failed, ",")}
		}
		err = s.finish(ctx, i, StatusImporting)
	}
	if err != nil {
		for _, l := range i.Locations {
			err = errors.Join(err, s.unplace(context.WithoutCancel(ctx), l))
		}
	}
	return err
}

// inspect looks at staged bytes before anything else does.
func (s *Images) inspect(ctx context.Context, ref, format string) error {
	f, err := s.Staging.Open(ctx, ref)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	found, err := inspect.File(f)
	if err != nil {
		return err
	}
	if err := found.Check(format); err != nil {
		return fault.Invalidf("Image rejected: %s", err)
	}
	return nil
}

// convertible are the disk formats that can be converted, by QEMU's name.
var convertible = map[string]string{"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi"}

func (s *Images) convert(ctx context.Context, i *Image, ref, to string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ConversionTimeout)
	defer cancel()
	err := s.Convert(ctx, s.Staging.Path(i.ID), convertible[i.DiskFormat], s.Staging.Path(ref), convertible[to], int64(s.cfg.ImageSizeCap))
	if err != nil {
		return fault.Invalidf("The image cannot be converted from %s to %s.", i.DiskFormat, to).WithCause(err)
	}
	i.DiskFormat = to
	return s.inspect(ctx, ref, to)
}

// place stores staged bytes, and notes in i where. It gives the stores that
// failed, of which there may be some if the job is lenient.
func (s *Images) place(ctx context.Context, i *Image, ref string, j job) (failed []string, err error) {
	var all error
	for _, id := range j.stores {
		err := s.placeIn(ctx, i, id, func() (io.ReadCloser, error) { return s.Staging.Open(ctx, ref) })
		if err == nil {
			continue
		}
		all = errors.Join(all, fmt.Errorf("store %s: %w", id, err))
		if !j.lenient || ctx.Err() != nil {
			return nil, all
		}
		s.log.WarnContext(ctx, "a store did not take an image", "store", id, "image", i.ID, "error", err.Error())
		failed = append(failed, id)
	}
	if len(i.Locations) == 0 {
		return nil, all
	}
	return failed, nil
}

// placeIn stores one copy. A second copy has to be what the first was.
func (s *Images) placeIn(ctx context.Context, i *Image, store string, open func() (io.ReadCloser, error)) error {
	b, err := s.writable(store)
	if err != nil {
		return err
	}
	body, err := open()
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // it was only read
	ref := NewRef(i.ID)
	up, err := b.Data.Create(ctx, ref)
	if err != nil {
		return err
	}
	defer up.Abort() //nolint:errcheck // what is left goes at the next start
	limit, err := s.room(ctx, i.Owner, SizeTotal, -1)
	if err != nil {
		return err
	}
	d, err := s.digest(ctx, body, limit, up)
	if err != nil {
		return err
	}
	if len(i.Locations) > 0 && d.hash != i.HashValue {
		return fmt.Errorf("the bytes of image %s are not what they were", i.ID)
	}
	if err := d.describe(i); err != nil {
		return err
	}
	if err := up.Commit(); err != nil {
		return notKept(err)
	}
	i.Locations = append(i.Locations, Location{b.ID, ref})
	return nil
}

// copyImage brings an active image to further stores.
func (s *Images) copyImage(ctx context.Context, i *Image, j job) error {
	there := len(i.Locations)
	if stores, err := missing(i, j.stores, true); err == nil { // some are there after a kill
		j.stores = stores
	}
	var failed []string
	var all error
	for _, id := range j.stores {
		err := s.placeIn(ctx, i, id, func() (io.ReadCloser, error) { return s.open(ctx, i) })
		if err != nil {
			failed, all = append(failed, id), errors.Join(all, err)
		}
		if ctx.Err() != nil || err != nil && !j.lenient {
			break
		}
	}
	added := slices.Clone(i.Locations[there:])
	stops := ctx.Err() != nil && s.exists(ctx, i.ID) // it begins again
	if stops || all != nil && !j.lenient {
		for _, l := range added {
			all = errors.Join(all, s.unplace(context.WithoutCancel(ctx), l))
		}
		added = nil
	}
	if stops {
		return errors.Join(ctx.Err(), all)
	}
	limits, err := s.limits(context.WithoutCancel(ctx), i.Owner)
	if err == nil {
		err = s.copied(context.WithoutCancel(ctx), i, limits, added, failed)
	}
	if err != nil {
		for _, l := range added {
			err = errors.Join(err, s.unplace(context.WithoutCancel(ctx), l))
		}
	}
	if len(added) > 0 && j.lenient {
		all = nil
	}
	return errors.Join(err, all)
}

// copied notes what copying an image has come to.
func (s *Images) copied(ctx context.Context, i *Image, limits map[string]int64, added []Location, failed []string) error {
	over := error(nil)
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		now, err := s.store.Image(ctx, i.ID)
		if err != nil {
			return err
		}
		now.Properties, now.UpdatedAt = imported(now.Properties, map[string]string{failedImport: strings.Join(failed, ",")}), s.clock.Now()
		if over = s.within(ctx, limits, now.Owner, SizeTotal, now.Size*int64(len(added))); over == nil {
			now.Locations = append(slices.Clone(now.Locations), added...)
		}
		return s.keep(ctx, EventUpdate, now, StatusActive, StatusDeactivated)
	})
	if err != nil {
		return err
	}
	return over
}

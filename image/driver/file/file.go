// Package file keeps images as files of one folder, named by their refs.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nubo/image"
	"nubo/internal/fault"
)

// tmpPrefix marks uploads that are not committed.
const tmpPrefix = ".upload-"

// Data implements image.Data and image.Staging.
type Data struct{ dir string }

// New uses the folder, and makes it if it is not there.
func New(dir string) (*Data, error) {
	return &Data{dir}, os.MkdirAll(dir, 0o700)
}

// Path is the file of a ref.
func (d *Data) Path(ref string) string { return filepath.Join(d.dir, ref) }

// upload implements image.Upload.
type upload struct {
	d         *Data
	f         *os.File
	ref       string
	committed bool

	written, begun int64
}

// flushEvery is how many bytes are written before the disk is set to work on
// them, so that it has little left to do at the commit.
const flushEvery = 8 << 20

// Create implements image.Data.
func (d *Data) Create(_ context.Context, ref string) (image.Upload, error) {
	if !image.IsRef(ref) {
		return nil, fmt.Errorf("%q is no name of an image", ref)
	}
	f, err := os.CreateTemp(d.dir, tmpPrefix+ref+"-")
	if err != nil {
		return nil, err
	}
	return &upload{d: d, f: f, ref: ref}, nil
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) {
	n, err := u.f.Write(p)
	if u.written += int64(n); u.written-u.begun >= flushEvery {
		flush(u.f, u.begun, u.written-u.begun)
		u.begun = u.written
	}
	return n, err
}

// Commit implements image.Upload: bytes, name and folder are on disk when it
// returns.
func (u *upload) Commit() error {
	if err := u.f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(u.f.Name(), u.d.Path(u.ref)); err != nil {
		return err
	}
	u.committed = true
	if err := u.f.Close(); err != nil {
		return err
	}
	return syncDir(u.d.dir)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Abort implements image.Upload.
func (u *upload) Abort() error {
	if u.committed {
		return nil
	}
	return errors.Join(u.f.Close(), os.Remove(u.f.Name()))
}

// Open implements image.Data.
func (d *Data) Open(_ context.Context, ref string) (io.ReadSeekCloser, error) {
	f, err := os.Open(d.Path(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.NotFoundf("The image's data are not in the store.").WithCause(err)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Delete implements image.Data.
func (d *Data) Delete(_ context.Context, ref string) error {
	err := os.Remove(d.Path(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// URL implements image.Data.
func (d *Data) URL(ref string) string { return "file://" + d.Path(ref) }

// Adopt implements image.Data: nobody may name a file of this host.
func (d *Data) Adopt(string) (string, error) {
	return "", fault.Invalidf("Files of the image service's host cannot be named as locations.")
}

// List implements image.Data. What else is in the folder is not nubo's.
func (d *Data) List(context.Context) ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			if err := os.Remove(d.Path(e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		if image.IsRef(e.Name()) {
			refs = append(refs, e.Name())
		}
	}
	return refs, nil
}

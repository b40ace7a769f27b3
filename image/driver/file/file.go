// Package file keeps images as files of one folder, named by their ids.
package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"nubo/image"
)

// tmpPrefix marks uploads that are not committed.
const tmpPrefix = ".upload-"

// imageName is what the name of an image's file looks like; what else is in
// the folder is not nubo's.
var imageName = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// Data implements image.Data.
type Data struct{ dir string }

// New uses the folder, and makes it if it is not there.
func New(dir string) (*Data, error) {
	return &Data{dir}, os.MkdirAll(dir, 0o700)
}

func (d *Data) path(id string) string { return filepath.Join(d.dir, id) }

// upload implements image.Upload.
type upload struct {
	d         *Data
	f         *os.File
	id        string
	committed bool
}

// Create implements image.Data.
func (d *Data) Create(id string) (image.Upload, error) {
	f, err := os.CreateTemp(d.dir, tmpPrefix+id+"-")
	if err != nil {
		return nil, err
	}
	return &upload{d: d, f: f, id: id}, nil
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) { return u.f.Write(p) }

// Commit implements image.Upload: bytes, name and folder are on disk when it
// returns.
func (u *upload) Commit() error {
	if err := u.f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(u.f.Name(), u.d.path(u.id)); err != nil {
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
func (d *Data) Open(id string) (io.ReadSeekCloser, error) { return os.Open(d.path(id)) }

// Delete implements image.Data.
func (d *Data) Delete(id string) error {
	err := os.Remove(d.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// List implements image.Data.
func (d *Data) List() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			if err := os.Remove(d.path(e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		if imageName.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

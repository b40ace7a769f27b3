package dashboard

import (
	_ "embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed plain.html
var plainPage []byte

// files serves the front end. Whatever is no file is a page of its own: the
// front end's router knows it.
func (s *Service) files(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if s.ui == nil || !isFile(s.ui, "index.html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(plainPage)
		return
	}
	switch {
	case isFile(s.ui, name) && name != "index.html":
		cache := "no-cache"
		if strings.HasPrefix(name, "assets/") { // their names are those of their content
			cache = "public, max-age=31536000, immutable"
		}
		w.Header().Set("Cache-Control", cache)
		http.ServeFileFS(w, r, s.ui, name)
	case strings.HasPrefix(name, "assets/"):
		http.NotFound(w, r)
	default:
		page, err := fs.ReadFile(s.ui, "index.html")
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(page)
	}
}

func isFile(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.Mode().IsRegular()
}

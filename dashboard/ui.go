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
		if s.forbidden(r, name) {
			w.WriteHeader(http.StatusForbidden) // as the page will say
		}
		_, _ = w.Write(page)
	}
}

// sections are the front end's pages that not everybody sees, by the rules
// its menu goes by (../web/src/app/menu.ts).
var sections = map[string]string{
	"admin": "os_compute_api:os-hypervisors:list", "identity": "identity:list_projects", "broker": "dashboard:broker",
}

// forbidden reports whether who is signed in may not see a page. Without a
// session it is the page to sign in at.
func (s *Service) forbidden(r *http.Request, name string) bool {
	section, _, _ := strings.Cut(name, "/")
	rule, known := sections[section]
	if !known {
		return false
	}
	v, err := s.sessionOf(r)
	if err != nil {
		return false
	}
	c, err := s.caller(r.Context(), v)
	return err == nil && !s.verdict(c, rule).Allowed
}

func isFile(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.Mode().IsRegular()
}

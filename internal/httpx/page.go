package httpx

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"nubo/internal/db"
	"nubo/internal/fault"
)

// PageSpec says how a list may be paged: which keys it sorts by and in which
// column each is.
type PageSpec struct {
	// Sort maps the API's sort keys to columns.
	Sort map[string]string
	// Default is the order without a sort key.
	Default []db.SortKey
	// MaxLimit bounds a page; 0 means 1000. A page without a limit has
	// MaxLimit rows, or all where Unlimited.
	MaxLimit  int
	Unlimited bool
}

// ParsePage reads limit, marker, sort, sort_key, sort_dir and page_reverse.
func ParsePage(r *http.Request, spec PageSpec) (db.Page, error) {
	q := r.URL.Query()
	p := db.Page{Marker: q.Get("marker"), PageReverse: isTrue(q.Get("page_reverse"))}
	if spec.MaxLimit == 0 {
		spec.MaxLimit = 1000
	}
	if !spec.Unlimited {
		p.Limit = spec.MaxLimit
	}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			return p, fault.Invalidf("limit param must be an integer")
		}
		if n < 0 {
			return p, fault.Invalidf("limit param must be positive")
		}
		if n == 0 || n > spec.MaxLimit {
			n = spec.MaxLimit
		}
		p.Limit = n
	}
	var err error
	p.Sort, err = parseSort(q, spec)
	return p, err
}

func parseSort(q url.Values, spec PageSpec) ([]db.SortKey, error) {
	var keys, dirs []string
	if s := q.Get("sort"); s != "" {
		for _, one := range strings.Split(s, ",") {
			key, dir, _ := strings.Cut(strings.TrimSpace(one), ":")
			keys, dirs = append(keys, key), append(dirs, dir)
		}
	} else {
		keys, dirs = q["sort_key"], q["sort_dir"]
	}
	if len(keys) == 0 {
		return spec.Default, nil
	}
	var out []db.SortKey
	for i, key := range keys {
		column, ok := spec.Sort[key]
		if !ok {
			return nil, fault.Invalidf("Sort key supplied is invalid: %s", key)
		}
		dir := ""
		if i < len(dirs) {
			dir = dirs[i]
		} else if len(dirs) > 0 {
			dir = dirs[len(dirs)-1]
		}
		switch dir {
		case "", "asc", "desc":
		default:
			return nil, fault.Invalidf("Sort direction supplied is invalid: %s", dir)
		}
		out = append(out, db.SortKey{Column: column, Desc: dir == "desc"})
	}
	return out, nil
}

// MarkerError turns the error of a page whose marker names no row into the
// service's fault.
func MarkerError(err error, marker string) error {
	if errors.Is(err, db.ErrMarker) {
		return fault.Invalidf("marker [%s] not found", marker)
	}
	return err
}

// FilterSpec says which of a list's query parameters filter, and how each
// one's text becomes a value: Text, Bool or Number.
type FilterSpec map[string]func(string) (any, error)

// Text leaves a filter's value as it is.
func Text(s string) (any, error) { return s, nil }

// Bool reads a filter's value as OpenStack services do.
func Bool(s string) (any, error) {
	switch strings.ToLower(s) {
	case "true", "1", "t", "yes", "y", "on":
		return true, nil
	case "false", "0", "f", "no", "n", "off":
		return false, nil
	}
	return nil, fault.Invalidf("Invalid value '%s' for a boolean filter", s)
}

// Number reads a filter's value as an integer.
func Number(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fault.Invalidf("Invalid value '%s' for an integer filter", s)
	}
	return n, nil
}

// ParseFilters reads the filters of a list. A parameter given twice matches
// either value. Parameters outside the spec are left to the handler.
func ParseFilters(r *http.Request, spec FilterSpec) ([]db.Filter, error) {
	var out []db.Filter
	q := r.URL.Query()
	names := make([]string, 0, len(spec))
	for name := range spec {
		names = append(names, name)
	}
	slices.Sort(names) // the same request makes the same SQL
	for _, name := range names {
		texts, ok := q[name]
		if !ok {
			continue
		}
		f := db.Filter{Column: name}
		for _, s := range texts {
			v, err := spec[name](s)
			if err != nil {
				return nil, err
			}
			f.Values = append(f.Values, v)
		}
		out = append(out, f)
	}
	return out, nil
}

func isTrue(s string) bool {
	v, err := Bool(s)
	return err == nil && v.(bool)
}

// SelfURL is the request's address as the client wrote it, without query.
func SelfURL(r *http.Request) string { return BaseURL(r) + r.URL.Path }

// BaseURL is scheme and host as the client wrote them.
func BaseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// NextLink is the address of the page behind one that was full, "" if it was
// not. last is the id of the page's last row.
func NextLink(r *http.Request, p db.Page, rows int, last string) string {
	if p.Limit == 0 || rows < p.Limit {
		return ""
	}
	q := r.URL.Query()
	q.Set("marker", last)
	q.Set("limit", strconv.Itoa(p.Limit))
	return SelfURL(r) + "?" + q.Encode()
}

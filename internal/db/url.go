package db

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// memoryURL names a database that lives as long as its DB does.
const memoryURL = "sqlite::memory:"

// URL gives the URL of a component's own database. For SQLite, base names a
// directory ("sqlite:///var/lib/nubo") and the file is COMPONENT.db in it; for
// PostgreSQL, base's database name becomes a prefix ("nubo" gives
// "nubo_compute").
func URL(base, component string) (string, error) {
	if base == memoryURL {
		return base, nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", badURL(base)
	}
	switch {
	case u.Scheme == "sqlite" && u.Host == "" && path.IsAbs(u.Path):
		u.Path = path.Join(u.Path, component+".db")
	case isPostgres(u):
		name := strings.Trim(u.Path, "/")
		if name == "" {
			name = "nubo"
		}
		u.Path = "/" + name + "_" + component
	default:
		return "", badURL(base)
	}
	return u.String(), nil
}

func isPostgres(u *url.URL) bool {
	return (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Opaque == ""
}

// badURL does not repeat what follows the scheme: it may hold a password.
func badURL(raw string) error {
	scheme, _, found := strings.Cut(raw, ":")
	if !found {
		scheme = "none"
	}
	return fmt.Errorf("database url with scheme %q is none of sqlite:///absolute/path, %s, postgres://user:password@host/name", scheme, memoryURL)
}

// Package web holds the dashboard's front end: its source, and what is built
// of it, which goes into the binary. "make ui" builds it; without that the
// dashboard shows a small page that says so.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files are the front end's built files.
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the folder is named above
	}
	return sub
}

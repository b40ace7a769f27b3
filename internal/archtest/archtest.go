// Package archtest checks the rules of the house (docs/architecture.md) as an
// ordinary test: which package may import which, and how large a file may
// grow. The rules are data in rules.go; a violation names rule, file and import.
package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// File is a Go source file of the module, as far as the rules need it.
type File struct {
	Path      string // from the module's root: "network/api/ports.go"
	Package   string // its folder: "network/api"
	Imports   []string
	Lines     int
	Test      bool
	Generated bool
	// WritesErrors is set where the file answers an HTTP error by itself.
	WritesErrors bool
}

// Load reads every Go file below root.
func Load(root string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name != "." && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f, err := load(path, filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

func load(path, rel string) (File, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return File{}, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments)
	if err != nil {
		return File{}, err
	}
	f := File{
		Path: rel, Package: filepath.ToSlash(filepath.Dir(rel)), Lines: bytes.Count(src, []byte("\n")),
		Test: strings.HasSuffix(rel, "_test.go"), Generated: ast.IsGenerated(parsed),
	}
	for _, imp := range parsed.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return File{}, fmt.Errorf("%s: %w", rel, err)
		}
		f.Imports = append(f.Imports, p)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "http" && sel.Sel.Name == "Error" {
			f.WritesErrors = true
		}
		return true
	})
	return f, nil
}

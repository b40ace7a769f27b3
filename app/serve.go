package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nubo/internal/nearest"
)

type serveCommand struct {
	options `embed:""`
	Modules []string `arg:"" help:"Modules to run: identity, placement, image, network-api …; see docs/architecture.md."`
}

// Run runs the named modules.
func (s serveCommand) Run(ctx context.Context, o output) error {
	for _, name := range s.Modules {
		if !slices.Contains(allModules, name) {
			return usageError{fmt.Errorf("there is no module %q; the nearest is %q, and all are: %s",
				name, nearest.Of(name, allModules), strings.Join(allModules, ", "))}
		}
	}
	set, err := load(s.options)
	if err != nil {
		return err
	}
	return runCloud(ctx, s.options, set, s.Modules, func(*secrets) error {
		return sayReady(o, "nubo is ready: "+strings.Join(s.Modules, ", "))
	})
}

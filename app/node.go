package app

import (
	"context"
	"errors"
	"fmt"
	"os"
)

type nodeCommand struct {
	options    `embed:""`
	Controller string `required:"" placeholder:"ADDR" help:"Address of the controller."`
	Secrets    string `placeholder:"FILE" help:"Copy of the controller's DATA/secrets.json; needed on the first start."`
	Detach     bool   `help:"Return when the agents are ready; they go on in the background."`
}

// Run runs this host's agents.
func (n nodeCommand) Run(ctx context.Context, o output) error {
	set, err := load(n.options)
	if err != nil {
		return err
	}
	// The services are where the controller is; only the agents are here.
	set.def.EndpointHost = n.Controller
	if err := n.adoptSecrets(set); err != nil {
		return err
	}
	if n.Detach {
		return detach(ctx, o, set)
	}
	return runCloud(ctx, n.options, set, nodeModules, func(*secrets) error {
		return sayReady(o, fmt.Sprintf("nubo is ready: host %s works for %s", set.def.Host, n.Controller))
	})
}

// adoptSecrets keeps a copy of the controller's secrets under the node's own
// data directory.
func (n nodeCommand) adoptSecrets(set *settings) error {
	if n.Secrets == "" {
		if _, err := os.Stat(set.path("secrets.json")); err != nil {
			return usageError{errors.New("the controller's secrets are not known here: copy its DATA/secrets.json and give it with --secrets")}
		}
		return nil
	}
	if _, err := readSecrets(n.Secrets); err != nil {
		return err
	}
	b, err := os.ReadFile(n.Secrets)
	if err != nil {
		return err
	}
	return writePrivate(set.path("secrets.json"), b)
}

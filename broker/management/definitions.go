package management

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"nubo/broker"
)

func exportDefinitions(c *call) error { return c.ok(c.b.ExportDefinitions()) }

func exportVHostDefinitions(c *call) error {
	d, err := c.b.ExportVHost(c.args["vhost"])
	if err != nil {
		return badRequest("vhost_not_found")
	}
	return c.ok(d)
}

// definitions reads the definitions of a body.
func (c *call) definitions() (broker.Definitions, error) {
	var d broker.Definitions
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return d, fmt.Errorf("read definitions: %w", err)
	}
	if !json.Valid(text) {
		return d, badRequest("failed_to_parse_json")
	}
	return d, decode(text, &d)
}

func importDefinitions(c *call) error {
	d, err := c.definitions()
	if err != nil {
		return err
	}
	return c.imported(c.b.ImportDefinitions(d))
}

func importVHostDefinitions(c *call) error {
	d, err := c.definitions()
	if err != nil {
		return err
	}
	if _, err := c.vhost(); err != nil {
		return &failure{http.StatusNotFound, "not_found", "vhost_not_found"}
	}
	return c.imported(c.b.ImportVHost(c.args["vhost"], d))
}

// imported answers after an import: whatever is wrong is the request's fault.
func (c *call) imported(err error) error {
	if err == nil {
		return c.done(false)
	}
	f := asFailure(err)
	if errors.Is(f, errNotFound) {
		return badRequest(err.Error())
	}
	if f.status == http.StatusInternalServerError {
		return err
	}
	return &failure{http.StatusBadRequest, "bad_request", f.reason}
}

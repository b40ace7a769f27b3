package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"nubo/broker"
)

func definitionCommands() []command {
	const section = "Definitions"
	return []command{
		{
			name: "export_definitions", section: section, usage: `<file_path | "-"> [--format <json>] [--timeout <timeout>]`, min: 1, max: 1,
			about: "Exports definitions in JSON", more: map[string]kind{"format": text},
			check: onlyJSON, files: exportable,
			banner: func(c *call) string {
				if c.args[0] == "-" {
					return ""
				}
				return fmt.Sprintf(`Exporting definitions in JSON to a file at "%s" ...`, c.args[0])
			},
			run: func(_ context.Context, c *call) (result, error) {
				text, err := json.Marshal(c.broker().ExportDefinitions())
				if err != nil {
					return result{}, fmt.Errorf("export definitions: %w", err)
				}
				if c.args[0] == "-" {
					return result{text: string(text)}, nil
				}
				c.out = text
				return result{}, nil
			},
			output: func(c *call, text []byte) error {
				if c.args[0] == "-" {
					return nil
				}
				// There are the hashes of passwords in it.
				return os.WriteFile(c.args[0], text, 0o600)
			},
		},
		{
			name: "import_definitions", section: section, usage: `<file_path | "-"> [--format <json>] [--skip-if-unchanged] [--timeout <timeout>]`, max: 1,
			about: "Imports definitions in JSON", more: map[string]kind{"format": text, "skip-if-unchanged": flag},
			check: onlyJSON, files: importable,
			banner: func(c *call) string {
				if standardInput(c) {
					return "Importing definitions in JSON from standard input ..."
				}
				return fmt.Sprintf(`Importing definitions in JSON from a file at "%s" ...`, c.args[0])
			},
			input: func(c *call, in io.Reader) ([]byte, error) {
				if standardInput(c) {
					return io.ReadAll(io.LimitReader(in, maxRequest/2))
				}
				return os.ReadFile(c.args[0])
			},
			run: importDefinitions,
		},
	}
}

func standardInput(c *call) bool { return len(c.args) == 0 || c.args[0] == "-" }

func onlyJSON(c *call) error {
	if f := c.or("format", "json"); !strings.EqualFold(f, "json") {
		return badArgument("Formatting option %s is not supported: definitions are JSON", f)
	}
	return nil
}

func exportable(c *call) error {
	if dir := filepath.Dir(c.args[0]); c.args[0] != "-" {
		if s, err := os.Stat(dir); err != nil || !s.IsDir() {
			return badArgument("Directory %s does not exist", dir)
		}
	}
	return nil
}

func importable(c *call) error {
	if _, err := os.Stat(c.arg(0)); !standardInput(c) && errors.Is(err, os.ErrNotExist) {
		return badArgument("File %s does not exist", c.args[0])
	}
	return nil
}

// arg is an argument, or nothing.
func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

func importDefinitions(_ context.Context, c *call) (result, error) {
	var d broker.Definitions
	if err := json.Unmarshal(c.input, &d); err != nil {
		return result{}, failed(exitData, "Failed to deserialise input (format: JSON) (error: %v)", err)
	}
	if err := c.broker().ImportDefinitions(d); err != nil {
		return result{}, failed(exitUnavailable, "%v", err)
	}
	return message("Successfully imported definitions.")
}

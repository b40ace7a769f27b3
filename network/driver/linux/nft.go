package linux

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"nubo/internal/trace"
)

// nft runs the nft command in a namespace. Every change goes through it as
// text, one transaction a call.
func (s *space) nft(ctx context.Context, input string, args ...string) ([]byte, error) {
	var out, errOut bytes.Buffer
	begun := time.Now()
	err := s.do(func() error {
		cmd := exec.CommandContext(ctx, "nft", args...)
		cmd.Stdin = strings.NewReader(input)
		cmd.Stdout, cmd.Stderr = &out, &errOut
		return cmd.Run()
	})
	trace.Note(ctx, trace.Native, "nft "+strings.Join(args, " "), begun, err)
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("nft is not installed (Debian package nftables): %w", err)
		}
		return nil, fmt.Errorf("nft %s: %w: %s", strings.Join(args, " "), err, firstLine(errOut.String()))
	}
	return out.Bytes(), nil
}

// load applies a ruleset in one transaction.
func (s *space) load(ctx context.Context, ruleset string) error {
	_, err := s.nft(ctx, ruleset, "-f", "-")
	return err
}

// tables lists the tables whose name begins with the prefix, as "family name".
func (s *space) tables(ctx context.Context, prefix string) ([]string, error) {
	out, err := s.nft(ctx, "", "list", "tables")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		// "table inet name"
		if f := strings.Fields(line); len(f) == 3 && strings.HasPrefix(f[2], prefix) {
			found = append(found, f[1]+" "+f[2])
		}
	}
	return found, nil
}

// numberMap reads a map from names to numbers.
func (s *space) numberMap(ctx context.Context, table, name string) (map[string]uint32, error) {
	args := append([]string{"-j", "list", "map"}, strings.Fields(table)...)
	out, err := s.nft(ctx, "", append(args, name)...)
	if err != nil {
		return nil, err
	}
	return parseNumberMap(out)
}

// parseNumberMap reads libnftables' JSON of a map whose keys are strings and
// whose values are numbers.
func parseNumberMap(raw []byte) (map[string]uint32, error) {
	var doc struct {
		Nftables []struct {
			Map *struct {
				Elem [][2]json.RawMessage `json:"elem"`
			} `json:"map"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read nft's list of a map: %w", err)
	}
	elements := map[string]uint32{}
	for _, o := range doc.Nftables {
		if o.Map == nil {
			continue
		}
		for _, e := range o.Map.Elem {
			var key string
			var value uint32
			if err := errors.Join(json.Unmarshal(e[0], &key), json.Unmarshal(e[1], &value)); err != nil {
				return nil, fmt.Errorf("read an element of an nft map: %w", err)
			}
			elements[key] = value
		}
	}
	return elements, nil
}

// firstLine keeps nft's complaint and leaves out its drawing of the place.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"nubo/sdk/rest"
)

// eachOf finds what a part is asked for once for each of:
// {each:providers.uuid} stands for the field uuid of what providers are.
var eachOf = regexp.MustCompile(`\{each:(\w+)\.(\w+)\}`)

// ofAll finds what a part is narrowed to: {of:networks.id=network_id} stands
// for a query that names all networks by their field id.
var ofAll = regexp.MustCompile(`\{of:(\w+)\.(\w+)=([\w:]+)\}`)

// isJoined tells whether a part is asked for what another one has answered.
func isJoined(p part) bool { return eachOf.MatchString(p.path) || ofAll.MatchString(p.path) }

const (
	// mostEach is how many things a page asks about one by one: the others it
	// shows without.
	mostEach = 200
	// eachAtOnce is how many of them it asks about at the same time.
	eachAtOnce = 8
)

// answerOf is the answer of the part of that name.
func answerOf(parts []part, answers []json.RawMessage, name string) json.RawMessage {
	for i, one := range parts {
		if one.name == name {
			return answers[i]
		}
	}
	return nil
}

// askJoined gets a part that is asked for what others have answered.
func (s *Service) askJoined(ctx context.Context, v session, p part, path string, answer func(name string) json.RawMessage) (json.RawMessage, error) {
	if each := eachOf.FindStringSubmatch(path); each != nil {
		return s.askEach(ctx, v, p, path, answer(each[1]))
	}
	var found int
	for _, of := range ofAll.FindAllStringSubmatch(path, -1) {
		ids, err := idsOf(answer(of[1]), of[2])
		if err != nil {
			return nil, fmt.Errorf("read what %s is asked of: %w", p.name, err)
		}
		found += len(ids)
		path = strings.Replace(path, of[0], url.Values{of[3]: ids}.Encode(), 1)
	}
	if found == 0 { // it would be asked for everything
		return json.RawMessage("[]"), nil
	}
	return s.ask(ctx, v, p, path)
}

// idsOf are the values of a field of rows, of those that have it.
func idsOf(rows json.RawMessage, field string) ([]string, error) {
	if rows == nil {
		return nil, nil
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(rows, &list); err != nil {
		return nil, err
	}
	var ids []string
	for _, row := range list {
		var id string
		if json.Unmarshal(row[field], &id) == nil && anID.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// askEach gets a part for each of the rows, as an object by the rows' keys.
// What has gone since the rows were listed is left out.
func (s *Service) askEach(ctx context.Context, v session, p part, path string, rows json.RawMessage) (json.RawMessage, error) {
	if rows == nil {
		return nil, &rest.Error{Status: http.StatusForbidden, Message: "What it is asked of is not known."}
	}
	ids, err := idsOf(rows, eachOf.FindStringSubmatch(path)[2])
	if err != nil {
		return nil, fmt.Errorf("read what %s is asked of: %w", p.name, err)
	}
	var mu sync.Mutex
	out := map[string]json.RawMessage{} // guarded by mu
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(eachAtOnce)
	for _, id := range ids[:min(len(ids), mostEach)] {
		g.Go(func() error {
			answer, err := s.ask(ctx, v, p, eachOf.ReplaceAllLiteralString(path, url.PathEscape(id)))
			var e *rest.Error
			if errors.As(err, &e) && e.Status == http.StatusNotFound {
				return nil
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out[id] = answer
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

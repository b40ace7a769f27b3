package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sync"

	"golang.org/x/sync/errgroup"

	"nubo/sdk/rest"
)

// eachOf finds what a part is asked for once for each of:
// {each:providers.uuid} stands for the field uuid of what providers are.
var eachOf = regexp.MustCompile(`\{each:(\w+)\.(\w+)\}`)

const (
	// mostEach is how many things a page asks about one by one: the others it
	// shows without.
	mostEach = 200
	// eachAtOnce is how many of them it asks about at the same time.
	eachAtOnce = 8
)

// answerOf is the answer a part is asked for each of.
func answerOf(parts []part, answers []json.RawMessage, p part) json.RawMessage {
	name := eachOf.FindStringSubmatch(p.path)[1]
	for i, one := range parts {
		if one.name == name {
			return answers[i]
		}
	}
	return nil
}

// askEach gets a part for each of the rows, as an object by the rows' keys.
// What has gone since the rows were listed is left out.
func (s *Service) askEach(ctx context.Context, v session, p part, path string, rows json.RawMessage) (json.RawMessage, error) {
	if rows == nil {
		return nil, &rest.Error{Status: http.StatusForbidden, Message: "What it is asked of is not known."}
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(rows, &list); err != nil {
		return nil, fmt.Errorf("read what %s is asked of: %w", p.name, err)
	}
	key := eachOf.FindStringSubmatch(path)[2]
	var mu sync.Mutex
	out := map[string]json.RawMessage{} // guarded by mu
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(eachAtOnce)
	for _, row := range list[:min(len(list), mostEach)] {
		var id string
		if json.Unmarshal(row[key], &id) != nil || !anID.MatchString(id) {
			continue
		}
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

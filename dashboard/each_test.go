package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"nubo/internal/testx"
)

// TestAskEach holds that a part is asked for once for each thing, that what
// has gone meanwhile or has no id is left out, and that there is a bound.
func TestAskEach(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	component := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		id, _ := strings.CutPrefix(r.URL.Path, "/things/")
		switch id {
		case "gone":
			http.Error(w, `{"error":{"message":"gone"}}`, http.StatusNotFound)
		case "broken":
			http.Error(w, `{"error":{"message":"broken"}}`, http.StatusInternalServerError)
		default:
			_, _ = fmt.Fprintf(w, `{"size":{"of":%q}}`, id)
		}
	}))
	t.Cleanup(component.Close)
	s := newService(t, nil)
	s.services["volume"] = Endpoint{Endpoint: component.URL}
	s.http = component.Client()
	p := part{"size", "volume", "/things/{each:things.id}", false, ""}

	out, err := s.askEach(t.Context(), session{Token: "t"}, p, p.path, json.RawMessage(`[{"id":"a"},{"id":"gone"},{"id":"../b"},{"id":7},{},{"id":"c"}]`))
	testx.NoErr(t, err)
	testx.Equal(t, string(out), `{"a":{"of":"a"},"c":{"of":"c"}}`)
	testx.Equal(t, asked.Load(), int64(3))

	_, err = s.askEach(t.Context(), session{Token: "t"}, p, p.path, json.RawMessage(`[{"id":"a"},{"id":"broken"}]`))
	if err == nil {
		t.Error("what failed for one thing is not told")
	}

	asked.Store(0)
	rows := make([]map[string]string, mostEach+50)
	for i := range rows {
		rows[i] = map[string]string{"id": fmt.Sprint("t", i)}
	}
	many, err := json.Marshal(rows)
	testx.NoErr(t, err)
	_, err = s.askEach(t.Context(), session{Token: "t"}, p, p.path, many)
	testx.NoErr(t, err)
	testx.Equal(t, asked.Load(), int64(mostEach))
}

// TestAssemble holds that a page is made without what a role may not see, and
// that it tells of everything else that is missing.
func TestAssemble(t *testing.T) {
	t.Parallel()
	parts := []part{{name: "servers"}, {name: "quota"}, {name: "volumes"}}
	out := assemble(parts, []json.RawMessage{json.RawMessage(`[]`), nil, nil},
		[]*problem{nil, refuse(http.StatusForbidden, "no"), refuse(http.StatusBadGateway, "away")})
	got, err := json.Marshal(out)
	testx.NoErr(t, err)
	testx.Equal(t, string(got), `{"errors":{"volumes":{"code":502,"message":"away"}},"servers":[]}`)
}

// TestAskOf holds that a part is asked for once for all of what others are,
// and not for everything if they are nothing.
func TestAskOf(t *testing.T) {
	t.Parallel()
	component := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"subnets":[%q]}`, r.URL.RequestURI())
	}))
	t.Cleanup(component.Close)
	s := newService(t, nil)
	s.services["network"] = Endpoint{Endpoint: component.URL}
	s.http = component.Client()
	p := part{"subnets", "network", "/subnets?{of:networks.id=network_id}&{of:shared.id=network_id}", false, ""}
	for _, tc := range []struct {
		networks, shared string // empty if it was not asked for
		want             string
	}{
		{`[{"id":"a"},{"id":null},{"id":"b"}]`, `[{"id":"c"}]`, `["/subnets?network_id=a&network_id=b&network_id=c"]`},
		{`[{"id":"a"}]`, ``, `["/subnets?network_id=a&"]`},
		{`[]`, `[{"id":"a&b=c"}]`, `[]`},
	} {
		answers := map[string]json.RawMessage{"networks": json.RawMessage(tc.networks)}
		if tc.shared != "" {
			answers["shared"] = json.RawMessage(tc.shared)
		}
		out, err := s.askJoined(t.Context(), session{Token: "t"}, p, p.path, func(name string) json.RawMessage { return answers[name] })
		testx.NoErr(t, err)
		testx.Equal(t, string(out), tc.want)
	}
}

// TestJoinsNameAPart holds that what a part is asked of is a part of its page.
func TestJoinsNameAPart(t *testing.T) {
	t.Parallel()
	for page, parts := range pages {
		answers := make([]json.RawMessage, len(parts))
		for i := range answers {
			answers[i] = json.RawMessage(`[]`)
		}
		for _, p := range parts {
			for _, of := range append(eachOf.FindAllStringSubmatch(p.path, -1), ofAll.FindAllStringSubmatch(p.path, -1)...) {
				if answerOf(parts, answers, of[1]) == nil {
					t.Errorf("%s: the part %s is asked of no part", page, p.name)
				}
			}
		}
	}
}

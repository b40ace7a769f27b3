package api

import (
	"net/http"
	"regexp"
	"strings"

	"nubo/internal/httpx"
)

// versions answers 300 with the versions there are: only v3.
func (h *handler) versions(w http.ResponseWriter, r *http.Request) error {
	if wantsHome(r) {
		return h.answerHome(w, "/v3")
	}
	w.Header().Set("Vary", "X-Auth-Token")
	return httpx.JSON(w, http.StatusMultipleChoices, object{"versions": object{"values": []object{v3(r)}}})
}

func (h *handler) version(w http.ResponseWriter, r *http.Request) error {
	if wantsHome(r) {
		return h.answerHome(w, "")
	}
	return httpx.JSON(w, http.StatusOK, object{"version": v3(r)})
}

func v3(r *http.Request) object {
	return object{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []object{{"rel": "self", "href": httpx.BaseURL(r) + "/v3/"}},
		"media-types": []object{{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
}

const homeType = "application/json-home"

func wantsHome(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), homeType) }

func (h *handler) answerHome(w http.ResponseWriter, prefix string) error {
	out := object{}
	for rel, v := range h.home {
		entry := object{}
		for k, x := range v.(object) {
			if text, ok := x.(string); ok {
				x = prefix + text
			}
			entry[k] = x
		}
		out[rel] = entry
	}
	w.Header().Set("Vary", "Accept")
	if err := httpx.JSON(typed{w}, http.StatusOK, object{"resources": out}); err != nil {
		return err
	}
	return nil
}

// typed answers with the type of JSON home.
type typed struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (t typed) WriteHeader(status int) {
	t.Header().Set("Content-Type", homeType)
	t.ResponseWriter.WriteHeader(status)
}

const relations = "https://docs.openstack.org/api/openstack-identity/3/"

var parameter = regexp.MustCompile(`\{(\w+)\}`)

// jsonHome lists every path with the relation by which clients look it up.
func jsonHome(routes []httpx.Route) object {
	out := object{}
	for _, route := range routes {
		if route.Path == "" || strings.HasPrefix(route.Path, "//") {
			continue
		}
		rel, base := relation(route.Path)
		params := parameter.FindAllStringSubmatch(route.Path, -1)
		if len(params) == 0 {
			out[base+"rel/"+rel] = object{"href": route.Path}
			continue
		}
		vars := object{}
		for _, p := range params {
			vars[p[1]] = relations + "param/" + p[1]
		}
		out[base+"rel/"+rel] = object{"href-template": route.Path, "href-vars": vars}
	}
	return out
}

// relation names what a path leads to: the collections singular where one of
// them is meant, joined by underscores. Extensions have a base of their own.
func relation(path string) (rel, base string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	base = relations
	var words []string
	for i, p := range parts {
		switch {
		case strings.HasPrefix(p, "{"):
			continue
		case strings.HasPrefix(p, "OS-"):
			base = "https://docs.openstack.org/api/openstack-identity/3/ext/" + p + "/1.0/"
			continue
		}
		if i+1 < len(parts) && strings.HasPrefix(parts[i+1], "{") {
			p = singular(p)
		}
		words = append(words, p)
	}
	return strings.Join(words, "_"), base
}

func singular(word string) string {
	if stem, ok := strings.CutSuffix(word, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(word, "s")
}

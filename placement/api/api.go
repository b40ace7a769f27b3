// Package api is placement's HTTP door: the Placement API with microversions
// 1.0 to 1.39, as its reference describes it
// (https://docs.openstack.org/api-ref/placement/).
package api

import (
	"embed"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/placement"
)

//go:embed schemas/*.json
var schemaFiles embed.FS

var schemas = httpx.MustLoadSchemas(schemaFiles, "schemas")

type handler struct{ svc *placement.Service }

// object is a JSON object in the making.
type object map[string]any

// New makes the API.
func New(svc *placement.Service, a httpx.Authenticator, p httpx.Policy, log *slog.Logger) *httpx.API {
	h := &handler{svc}
	return &httpx.API{
		Service: "placement", Dialect: httpx.Placement, Auth: a, Policy: p, Log: log, Routes: h.routes(),
		Versions: &httpx.Microversions{Service: "placement", Min: httpx.Version{Major: 1}, Max: httpx.Version{Major: 1, Minor: 39}},
	}
}

// since reports whether the request's microversion is 1.minor or newer.
func since(r *http.Request, minor int) bool {
	return httpx.VersionOf(r.Context()).AtLeast(1, minor)
}

// fresh sets the headers that tell how old an answer is, from 1.15 on. A zero
// time is now.
func fresh(w http.ResponseWriter, r *http.Request, modified time.Time) {
	if !since(r, 15) {
		return
	}
	if modified.IsZero() {
		modified = time.Now()
	}
	w.Header().Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
	w.Header().Set("Cache-Control", "no-cache")
}

// consumer is the uuid in the path in its usual form, "" if it is none.
func consumer(r *http.Request) string {
	uuid := httpx.Param(r, "consumer_uuid")
	if !httpx.IsUUID(uuid) {
		return ""
	}
	return dashed(uuid)
}

// provider is the uuid in the path.
func provider(r *http.Request) string { return httpx.Param(r, "uuid") }

// dashed gives a UUID its usual form.
func dashed(uuid string) string {
	s := strings.ToLower(strings.ReplaceAll(uuid, "-", ""))
	if len(s) != 32 {
		return uuid
	}
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// query reads the query string, of which it lets through only the parameters
// known.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.Invalidf("Invalid query string parameters: %s", err)
	}
	for name := range q {
		if !slices.Contains(known, name) {
			return nil, fault.Invalidf("Invalid query string parameters: Additional properties are not allowed ('%s' was unexpected)", name)
		}
	}
	return q, nil
}

func (h *handler) root(w http.ResponseWriter, r *http.Request) error {
	fresh(w, r, time.Time{})
	return httpx.JSON(w, http.StatusOK, object{"versions": []object{{
		"id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT",
		"links": []object{{"rel": "self", "href": ""}},
	}}})
}

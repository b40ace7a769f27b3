package api

import (
	"net/http"
	"regexp"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/placement"
)

func (h *handler) providerUsages(w http.ResponseWriter, r *http.Request) error {
	p, list, err := h.svc.Inventories(r.Context(), provider(r))
	if err != nil {
		return err
	}
	usages := make(map[string]int64, len(list))
	for _, i := range list {
		usages[i.ResourceClass] = i.Used
	}
	fresh(w, r, time.Time{})
	return httpx.JSON(w, http.StatusOK, object{"resource_provider_generation": p.Generation, "usages": usages})
}

// usagesTarget is the project that is asked about.
func usagesTarget(r *http.Request) (policy.Target, error) {
	return policy.Target{"project_id": r.URL.Query().Get("project_id")}, nil
}

// The consumer types of a query that are no types.
const (
	typeAll     = "all"     // all types, shown as one
	typeUnknown = "unknown" // consumers of whom nobody said
)

var consumerType = regexp.MustCompile(`^([A-Z0-9_]+|all|unknown)$`)

func (h *handler) usages(w http.ResponseWriter, r *http.Request) error {
	known := []string{"project_id", "user_id"}
	if since(r, 38) {
		known = append(known, "consumer_type")
	}
	q, err := query(r, known...)
	if err != nil {
		return err
	}
	in := placement.UsageQuery{ProjectID: q.Get("project_id"), UserID: q.Get("user_id")}
	if !q.Has("project_id") {
		return fault.Invalidf("Invalid query string parameters: 'project_id' is a required property")
	}
	for name, values := range q {
		switch {
		case values[0] == "":
			return fault.Invalidf("Invalid query string parameters: '%s' is too short", name)
		case len(values[0]) > 255:
			return fault.Invalidf("Invalid query string parameters: '%s' is too long", name)
		}
	}
	asked := q.Get("consumer_type")
	if q.Has("consumer_type") && !consumerType.MatchString(asked) {
		return fault.Invalidf("Invalid query string parameters: '%s' does not match '^[A-Z0-9_]+$|^all|^unknown$'", asked)
	}
	switch asked {
	case "", typeAll:
	case typeUnknown:
		in.Type = new(string)
	default:
		in.Type = &asked
	}
	usages, consumers, err := h.svc.Usages(r.Context(), in)
	if err != nil {
		return err
	}
	fresh(w, r, time.Time{})
	return httpx.JSON(w, http.StatusOK, object{"usages": viewUsages(usages, consumers, since(r, 38), asked == typeAll)})
}

// viewUsages sums up by class, or by type and class.
func viewUsages(usages []placement.Usage, consumers map[string]int64, byType, together bool) any {
	flat := map[string]int64{}
	types := map[string]map[string]int64{}
	group := func(name string) map[string]int64 {
		switch {
		case together:
			name = typeAll
		case name == "":
			name = typeUnknown
		}
		if types[name] == nil {
			types[name] = map[string]int64{}
		}
		return types[name]
	}
	for name, n := range consumers {
		group(name)["consumer_count"] += n
	}
	for _, u := range usages {
		flat[u.ResourceClass] += u.Amount
		group(u.Type)[u.ResourceClass] += u.Amount
	}
	if byType {
		return types
	}
	return flat
}

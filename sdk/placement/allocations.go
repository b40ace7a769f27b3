package placement

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Allocation is what a consumer has, or is to have, by provider.
type Allocation map[string]Resources

// MarshalJSON writes the form that PUT and POST of allocations take.
func (a Allocation) MarshalJSON() ([]byte, error) {
	type resources struct {
		Resources Resources `json:"resources"`
	}
	out := make(map[string]resources, len(a))
	for provider, r := range a {
		out[provider] = resources{r}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads it.
func (a *Allocation) UnmarshalJSON(b []byte) error {
	var in map[string]struct {
		Resources Resources `json:"resources"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*a = make(Allocation, len(in))
	for provider, r := range in {
		(*a)[provider] = r.Resources
	}
	return nil
}

// Consumer is who has allocations: a server.
type Consumer struct {
	Allocations Allocation `json:"allocations"`
	// Generation is nil for a consumer that has nothing yet.
	Generation *int64 `json:"consumer_generation"`
	ProjectID  string `json:"project_id"`
	UserID     string `json:"user_id"`
	Type       string `json:"consumer_type"`
}

// Instance is the type of consumers that are servers.
const Instance = "INSTANCE"

// Allocations shows what a consumer has; of one that has nothing,
// Allocations is empty and Generation nil.
func (c Client) Allocations(ctx context.Context, consumer string) (*Consumer, error) {
	var out Consumer
	return &out, c.newest().Get(ctx, "/allocations/"+url.PathEscape(consumer), &out)
}

// PutAllocations claims: the consumer then has exactly this. A nil
// generation is a consumer that has nothing yet. The claim is refused if a
// provider has not enough left ([IsRefused]) or if somebody else changed the
// consumer meanwhile ([IsConcurrentUpdate]).
func (c Client) PutAllocations(ctx context.Context, consumer string, a Allocation, projectID, userID string, generation *int64) error {
	in := Consumer{Allocations: a, Generation: generation, ProjectID: projectID, UserID: userID, Type: Instance}
	return c.newest().Put(ctx, "/allocations/"+url.PathEscape(consumer), in, nil)
}

// DeleteAllocations gives back all a consumer has; nothing is no error.
func (c Client) DeleteAllocations(ctx context.Context, consumer string) error {
	return unlessGone(c.newest().Delete(ctx, "/allocations/"+url.PathEscape(consumer)))
}

// ProviderAllocations shows who has what of a provider, by consumer.
func (c Client) ProviderAllocations(ctx context.Context, uuid string) (map[string]Resources, error) {
	var out struct{ Allocations Allocation }
	err := c.newest().Get(ctx, "/resource_providers/"+url.PathEscape(uuid)+"/allocations", &out)
	return out.Allocations, err
}

// Candidate is one way to place what was asked for.
type Candidate struct {
	Allocations Allocation `json:"allocations"`
	// Mappings says which providers serve a group of the request, by its
	// suffix; nil unless the query needs a newer microversion.
	Mappings map[string][]string `json:"mappings"`
}

// Summary is what a provider among the candidates has and has given away.
type Summary struct {
	Resources map[string]Usage `json:"resources"`
	// Traits and the tree are nil and empty unless the query needs a newer
	// microversion.
	Traits     []string `json:"traits"`
	ParentUUID string   `json:"parent_provider_uuid"`
	RootUUID   string   `json:"root_provider_uuid"`
}

// Usage is one class of a Summary; Capacity includes the allocation ratio.
type Usage struct {
	Capacity int `json:"capacity"`
	Used     int `json:"used"`
}

// Candidates are the ways to place a request, and the providers they name.
type Candidates struct {
	Candidates []Candidate        `json:"allocation_requests"`
	Summaries  map[string]Summary `json:"provider_summaries"`
}

// Candidates asks which providers can give the resources. limit 0 is no
// limit. extra holds further parameters as the API names them: required,
// member_of, in_tree, resources1 …. A query without any is answered with much
// less to read.
func (c Client) Candidates(ctx context.Context, want Resources, limit int, extra url.Values) (*Candidates, error) {
	q := maps.Clone(extra)
	if q == nil {
		q = url.Values{}
	}
	if len(want) > 0 {
		var parts []string
		for _, class := range slices.Sorted(maps.Keys(want)) {
			parts = append(parts, fmt.Sprintf("%s:%d", class, want[class]))
		}
		q.Set("resources", strings.Join(parts, ","))
	}
	if limit > 0 {
		q.Set("limit", fmt.Sprint(limit))
	}
	version := Version
	if len(extra) == 0 {
		version = compactVersion
	}
	var out Candidates
	if err := c.at(version).Get(ctx, "/allocation_candidates?"+q.Encode(), &out); err != nil {
		return nil, err
	}
	return &out, nil
}

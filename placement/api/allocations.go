package api

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/placement"
)

// incomplete stands for project and user of consumers from before 1.8.
const incomplete = "00000000-0000-0000-0000-000000000000"

// amounts is what a consumer has of one provider.
type amounts struct {
	Generation *int64           `json:"generation,omitempty"`
	Resources  map[string]int64 `json:"resources"`
}

// claim is the body of allocations since 1.12; earlier ones become it.
type claim struct {
	Allocations map[string]amounts `json:"allocations"`
	ProjectID   string             `json:"project_id"`
	UserID      string             `json:"user_id"`
	Generation  *int64             `json:"consumer_generation"`
	Type        string             `json:"consumer_type"`
}

func (c *claim) domain(r *http.Request, consumer string) placement.Claim {
	out := placement.Claim{
		Consumer: consumer, ProjectID: c.ProjectID, UserID: c.UserID, Type: c.Type, Check: since(r, 28), Generation: c.Generation,
	}
	if out.ProjectID == "" {
		out.ProjectID, out.UserID = incomplete, incomplete
	}
	for _, p := range slices.Sorted(maps.Keys(c.Allocations)) {
		for _, class := range slices.Sorted(maps.Keys(c.Allocations[p].Resources)) {
			out.Allocations = append(out.Allocations, placement.Allocation{
				Provider: dashed(p), ResourceClass: class, Amount: c.Allocations[p].Resources[class],
			})
		}
	}
	return out
}

func (h *handler) listAllocations(w http.ResponseWriter, r *http.Request) error {
	c, allocations, generations, err := h.svc.Consumer(r.Context(), consumer(r))
	if err != nil {
		return err
	}
	providers := map[string]amounts{}
	for _, a := range allocations {
		if providers[a.Provider].Resources == nil {
			generation := generations[a.Provider]
			providers[a.Provider] = amounts{Generation: &generation, Resources: map[string]int64{}}
		}
		providers[a.Provider].Resources[a.ResourceClass] = a.Amount
	}
	out := object{"allocations": providers}
	var modified time.Time
	if c != nil {
		modified = c.UpdatedAt
		if since(r, 12) {
			out["project_id"], out["user_id"] = c.ProjectID, c.UserID
		}
		if since(r, 28) {
			out["consumer_generation"] = c.Generation
		}
		if since(r, 38) {
			out["consumer_type"] = orUnknown(c.Type)
		}
	}
	fresh(w, r, modified)
	return httpx.JSON(w, http.StatusOK, out)
}

func orUnknown(s string) string {
	if s == "" {
		return typeUnknown
	}
	return s
}

func (h *handler) providerAllocations(w http.ResponseWriter, r *http.Request) error {
	p, consumers, allocations, err := h.svc.ProviderAllocations(r.Context(), provider(r))
	if err != nil {
		return err
	}
	type held struct {
		Resources  map[string]int64 `json:"resources"`
		Generation *int64           `json:"consumer_generation,omitempty"`
	}
	out := make(map[string]held, len(consumers))
	var modified time.Time
	for i := range consumers {
		one := held{Resources: map[string]int64{}}
		if since(r, 28) {
			one.Generation = &consumers[i].Generation
		}
		out[consumers[i].UUID] = one
		if consumers[i].UpdatedAt.After(modified) {
			modified = consumers[i].UpdatedAt
		}
	}
	for _, a := range allocations {
		out[a.Consumer].Resources[a.ResourceClass] = a.Amount
	}
	fresh(w, r, modified)
	return httpx.JSON(w, http.StatusOK, object{"allocations": out, "resource_provider_generation": p.Generation})
}

func (h *handler) updateAllocations(w http.ResponseWriter, r *http.Request) error {
	uuid := consumer(r)
	if uuid == "" {
		return fault.Invalidf("Malformed consumer_uuid: %s", httpx.Param(r, "consumer_uuid"))
	}
	var in claim
	if since(r, 12) {
		if err := httpx.Decode(r, &in); err != nil {
			return err
		}
	} else if err := decodeListed(r, &in); err != nil {
		return err
	}
	if err := h.svc.Claim(r.Context(), in.domain(r, uuid)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

// decodeListed reads the body of 1.0 to 1.11, where allocations are a list.
func decodeListed(r *http.Request, c *claim) error {
	var in struct {
		Allocations []struct {
			Provider struct {
				UUID string `json:"uuid"`
			} `json:"resource_provider"`
			Resources map[string]int64 `json:"resources"`
		} `json:"allocations"`
		ProjectID string `json:"project_id"`
		UserID    string `json:"user_id"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	*c = claim{ProjectID: in.ProjectID, UserID: in.UserID, Allocations: map[string]amounts{}}
	for _, a := range in.Allocations {
		c.Allocations[dashed(a.Provider.UUID)] = amounts{Resources: a.Resources}
	}
	return nil
}

func (h *handler) manageAllocations(w http.ResponseWriter, r *http.Request) error {
	var in map[string]*claim
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := h.svc.Claim(r.Context(), claims(r, in)...); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func claims(r *http.Request, in map[string]*claim) []placement.Claim {
	out := make([]placement.Claim, 0, len(in))
	for _, uuid := range slices.Sorted(maps.Keys(in)) {
		out = append(out, in[uuid].domain(r, dashed(uuid)))
	}
	return out
}

func (h *handler) deleteAllocations(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Release(r.Context(), consumer(r)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

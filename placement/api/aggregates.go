package api

import (
	"net/http"
	"time"

	"nubo/internal/httpx"
	"nubo/placement"
)

func sendAggregates(w http.ResponseWriter, r *http.Request, p *placement.Provider, aggregates []string) error {
	out := object{"aggregates": aggregates}
	if since(r, 19) {
		out["resource_provider_generation"] = p.Generation
	}
	fresh(w, r, time.Time{})
	return httpx.JSON(w, http.StatusOK, out)
}

func (h *handler) listAggregates(w http.ResponseWriter, r *http.Request) error {
	p, aggregates, err := h.svc.Aggregates(r.Context(), provider(r))
	if err != nil {
		return err
	}
	return sendAggregates(w, r, p, aggregates)
}

// updateAggregates takes a bare list up to 1.18, and from 1.19 on one with
// the provider's generation.
func (h *handler) updateAggregates(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Aggregates []string `json:"aggregates"`
		Generation *int64   `json:"resource_provider_generation"`
	}
	var err error
	if since(r, 19) {
		err = httpx.Decode(r, &in)
	} else {
		err = httpx.Decode(r, &in.Aggregates)
	}
	if err != nil {
		return err
	}
	for i := range in.Aggregates {
		in.Aggregates[i] = dashed(in.Aggregates[i])
	}
	p, err := h.svc.SetAggregates(r.Context(), provider(r), in.Generation, in.Aggregates)
	if err != nil {
		return err
	}
	return sendAggregates(w, r, p, in.Aggregates)
}

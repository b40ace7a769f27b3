package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// viewAggregate is an aggregate whole.
func viewAggregate(r *http.Request, a *compute.Aggregate) map[string]any {
	v := map[string]any{
		"id": a.ID, "name": a.Name, "availability_zone": orNil(a.Zone()), "hosts": list(a.Hosts), "metadata": orEmpty(a.Metadata),
		"created_at": stamp(a.CreatedAt), "updated_at": stampOrNil(a.UpdatedAt), "deleted": false, "deleted_at": nil,
	}
	if since(r, 41) {
		v["uuid"] = a.UUID
	}
	return v
}

func writeAggregate(w http.ResponseWriter, r *http.Request, a *compute.Aggregate, err error) error {
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"aggregate": viewAggregate(r, a)})
}

func aggregateID(r *http.Request) (int64, error) {
	s := httpx.Param(r, "aggregate_id")
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fault.Invalidf("Invalid input for field/attribute id. Value: %s. '%s' is not of type 'integer'", s, s)
	}
	return id, nil
}

func (h *handler) listAggregates(w http.ResponseWriter, r *http.Request) error {
	all, err := h.svc.Aggregates(r.Context())
	if err != nil {
		return err
	}
	views := make([]any, len(all))
	for i, a := range all {
		views[i] = viewAggregate(r, a)
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"aggregates": views})
}

func (h *handler) createAggregate(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Aggregate struct {
			Name string  `json:"name"`
			Zone *string `json:"availability_zone"`
		} `json:"aggregate"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	a, err := h.svc.CreateAggregate(r.Context(), in.Aggregate.Name, httpx.Deref(in.Aggregate.Zone))
	if err != nil {
		return err
	}
	v := viewAggregate(r, a) // Nova leaves these out here
	delete(v, "hosts")
	delete(v, "metadata")
	return httpx.JSON(w, http.StatusOK, map[string]any{"aggregate": v})
}

func (h *handler) showAggregate(w http.ResponseWriter, r *http.Request) error {
	id, err := aggregateID(r)
	if err != nil {
		return err
	}
	a, err := h.svc.Aggregate(r.Context(), id)
	return writeAggregate(w, r, a, err)
}

func (h *handler) updateAggregate(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Aggregate struct {
			Name *string         `json:"name"`
			Zone json.RawMessage `json:"availability_zone"`
		} `json:"aggregate"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	id, err := aggregateID(r)
	if err != nil {
		return err
	}
	var zone *string
	if in.Aggregate.Zone != nil {
		if err := json.Unmarshal(in.Aggregate.Zone, &zone); err != nil {
			return fault.Invalidf("Malformed request body")
		}
	}
	a, err := h.svc.UpdateAggregate(r.Context(), id, in.Aggregate.Name, zone)
	return writeAggregate(w, r, a, err)
}

func (h *handler) deleteAggregate(w http.ResponseWriter, r *http.Request) error {
	id, err := aggregateID(r)
	if err != nil {
		return err
	}
	if err := h.svc.DeleteAggregate(r.Context(), id); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusOK)
}

// hostOf reads the aggregate and the host of an action.
func hostOf(r *http.Request, action string) (int64, string, error) {
	var in map[string]struct{ Host string }
	if err := httpx.Decode(r, &in); err != nil {
		return 0, "", err
	}
	id, err := aggregateID(r)
	return id, in[action].Host, err
}

func (h *handler) addHost(w http.ResponseWriter, r *http.Request) error {
	id, host, err := hostOf(r, "add_host")
	if err != nil {
		return err
	}
	a, err := h.svc.AddHost(r.Context(), id, host)
	return writeAggregate(w, r, a, err)
}

func (h *handler) removeHost(w http.ResponseWriter, r *http.Request) error {
	id, host, err := hostOf(r, "remove_host")
	if err != nil {
		return err
	}
	a, err := h.svc.RemoveHost(r.Context(), id, host)
	return writeAggregate(w, r, a, err)
}

func (h *handler) setAggregateMetadata(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Set struct {
			Metadata map[string]*string `json:"metadata"`
		} `json:"set_metadata"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	id, err := aggregateID(r)
	if err != nil {
		return err
	}
	a, err := h.svc.SetAggregateMetadata(r.Context(), id, in.Set.Metadata)
	return writeAggregate(w, r, a, err)
}

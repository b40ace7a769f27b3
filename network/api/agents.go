package api

import (
	"context"
	"net/http"

	"nubo/internal/httpx"
	"nubo/network"
)

var agentResource = &resource{name: "agent", plural: "agents", attributes: []attribute{
	{name: "admin_state_up", convert: boolean, where: put},
}}

// agentView is an agent in answers.
type agentView struct {
	ID               string         `json:"id"`
	AgentType        string         `json:"agent_type"`
	Binary           string         `json:"binary"`
	Topic            string         `json:"topic"`
	Host             string         `json:"host"`
	AvailabilityZone text0          `json:"availability_zone"`
	AdminStateUp     bool           `json:"admin_state_up"`
	Alive            bool           `json:"alive"`
	Description      text0          `json:"description"`
	Configurations   map[string]any `json:"configurations"`
	CreatedAt        string         `json:"created_at"`
	StartedAt        string         `json:"started_at"`
	HeartbeatAt      string         `json:"heartbeat_timestamp"`
	ResourcesSynced  any            `json:"resources_synced"`
	ResourceVersions map[string]any `json:"resource_versions"`
}

// agentStamp is the form of times in agents, which is another.
const agentStamp = "2006-01-02 15:04:05"

func viewAgent(a *network.Agent, _ viewer) any {
	v := agentView{
		ID: a.ID, AgentType: a.AgentType, Binary: a.Binary, Topic: a.Topic, Host: a.Host, AdminStateUp: a.AdminStateUp, Alive: a.Alive,
		Description: text0(a.Description), Configurations: a.Configurations, ResourceVersions: map[string]any{},
		CreatedAt: a.CreatedAt.UTC().Format(agentStamp), StartedAt: a.StartedAt.UTC().Format(agentStamp), HeartbeatAt: a.HeartbeatAt.UTC().Format(agentStamp),
	}
	if v.Configurations == nil {
		v.Configurations = map[string]any{}
	}
	if a.Binary == network.BinaryDHCP || a.Binary == network.BinaryL3 {
		v.AvailabilityZone = text0(a.Zone)
	}
	return v
}

func (h *handler) agents() *kind[network.Agent] {
	return &kind[network.Agent]{
		res: agentResource,
		filters: httpx.FilterSpec{
			"host": httpx.Text, "binary": httpx.Text, "agent_type": httpx.Text, "topic": httpx.Text, "availability_zone": httpx.Text, "admin_state_up": httpx.Bool,
		},
		sort: map[string]string{"host": "host", "binary": "binary_name", "agent_type": "agent_type", "topic": "topic"},
		list: h.svc.Agents, get: h.svc.Agent, view: viewAgent, remove: h.svc.DeleteAgent,
		update: func(ctx context.Context, id string, a attrs) (*network.Agent, error) {
			return h.svc.UpdateAgent(ctx, id, network.AgentUpdate{AdminStateUp: opt[bool](a, "admin_state_up"), Description: opt[string](a, "description")})
		},
	}
}

type zoneView struct {
	Name     string `json:"name"`
	Resource string `json:"resource"`
	State    string `json:"state"`
}

func (h *handler) listZones(w http.ResponseWriter, r *http.Request) error {
	zones, err := h.svc.Zones(r.Context())
	if err != nil {
		return err
	}
	views := []any{}
	for _, z := range zones {
		state := "unavailable"
		if z.Available {
			state = "available"
		}
		views = append(views, zoneView{z.Name, z.Resource, state})
	}
	out, err := fields(r, views)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"availability_zones": out})
}

package api

import (
	"context"
	"net/http"

	"nubo/internal/auth"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/network"
)

var routerResource = &resource{name: "router", plural: "routers", attributes: []attribute{
	{name: "name", convert: text(255), where: both},
	{name: "admin_state_up", convert: boolean, where: both},
	{name: "external_gateway_info", convert: gatewayInfo, where: both},
	{name: "routes", convert: routes, where: put},
	{name: "availability_zone_hints", convert: emptyList, where: post},
	{name: "availability_zones", convert: texts(), where: readOnly},
	{name: "ha", convert: onlyFalse, where: both},
	{name: "distributed", convert: onlyFalse, where: both},
	{name: "flavor_id", convert: nothing, where: post},
}}

// gatewayInfo is external_gateway_info; null and {} take the gateway away.
func gatewayInfo(v any) (any, error) {
	if v == nil {
		return network.Gateway{}, nil
	}
	m, err := dict(v, "network_id", "enable_snat", "external_fixed_ips")
	if err != nil {
		return nil, err
	}
	var gw network.Gateway
	if gw.NetworkID, err = memberText(m, "network_id", uuid); err != nil {
		return nil, err
	}
	if snat, ok := m["enable_snat"]; ok {
		b, err := boolean(snat)
		if err != nil {
			return nil, err
		}
		enable := b.(bool)
		gw.EnableSNAT = &enable
	}
	fixed, err := fixedIPs(m["external_fixed_ips"])
	if err != nil {
		return nil, err
	}
	gw.FixedIPs = fixed.([]network.FixedIP)
	return gw, nil
}

// routerView is a router in answers.
type routerView struct {
	standard
	Name                  string          `json:"name"`
	Status                string          `json:"status"`
	AdminStateUp          bool            `json:"admin_state_up"`
	ExternalGatewayInfo   *gatewayView    `json:"external_gateway_info"`
	Routes                []network.Route `json:"routes"`
	AvailabilityZones     []string        `json:"availability_zones"`
	AvailabilityZoneHints []string        `json:"availability_zone_hints"`
}

type gatewayView struct {
	NetworkID  string            `json:"network_id"`
	EnableSNAT bool              `json:"enable_snat"`
	FixedIPs   []network.FixedIP `json:"external_fixed_ips"`
}

func viewRouter(r *network.Router, _ viewer) any {
	v := routerView{
		standard: standardOf(&r.Base), Name: r.Name, Status: r.Status, AdminStateUp: r.AdminStateUp, Routes: orEmpty(r.Routes),
		AvailabilityZones: []string{}, AvailabilityZoneHints: []string{},
	}
	if r.ExternalNetworkID != "" {
		v.ExternalGatewayInfo = &gatewayView{r.ExternalNetworkID, r.EnableSNAT, orEmpty(r.GatewayIPs)}
	}
	return v
}

func (h *handler) routers() *kind[network.Router] {
	return &kind[network.Router]{
		res:     routerResource,
		filters: httpx.FilterSpec{"name": httpx.Text, "status": httpx.Text, "admin_state_up": httpx.Bool},
		sort:    map[string]string{"name": "name", "status": "status", "admin_state_up": "admin_state_up"},
		list:    h.svc.Routers, get: h.svc.Router, view: viewRouter, remove: h.svc.DeleteRouter, setTags: h.svc.SetTags,
		create: func(ctx context.Context, in []attrs) ([]*network.Router, error) {
			var out []*network.Router
			for _, a := range in {
				if err := allowGateway(ctx, creating, a, or(a, "project_id", auth.From(ctx).ProjectID)); err != nil {
					return nil, err
				}
			}
			for _, a := range in {
				r := network.Router{Base: baseOf(a), Name: or(a, "name", ""), AdminStateUp: or(a, "admin_state_up", true)}
				one, err := h.svc.CreateRouter(ctx, r, opt[network.Gateway](a, "external_gateway_info"))
				if err != nil {
					return nil, err
				}
				out = append(out, one)
			}
			return out, nil
		},
		update: func(ctx context.Context, id string, a attrs) (*network.Router, error) {
			r, err := h.svc.Router(ctx, id)
			if err != nil {
				return nil, err
			}
			if err := allowGateway(ctx, updating, a, r.ProjectID); err != nil {
				return nil, err
			}
			return h.svc.UpdateRouter(ctx, id, network.RouterUpdate{
				Name: opt[string](a, "name"), Description: opt[string](a, "description"), AdminStateUp: opt[bool](a, "admin_state_up"),
				Routes: opt[[]network.Route](a, "routes"), Gateway: opt[network.Gateway](a, "external_gateway_info"),
			})
		},
	}
}

// allowGateway enforces the rules about a gateway's details.
func allowGateway(ctx context.Context, op operation, a attrs, project string) error {
	gw, ok := a["external_gateway_info"].(network.Gateway)
	if !ok {
		return nil
	}
	t := policy.Target{"project_id": project, "tenant_id": project}
	for key, given := range map[string]bool{"enable_snat": gw.EnableSNAT != nil, "external_fixed_ips": len(gw.FixedIPs) > 0} {
		if !given {
			continue
		}
		if err := httpx.Enforce(ctx, op.verb()+"router:external_gateway_info:"+key, t); err != nil {
			return err
		}
	}
	return nil
}

// interfaceBody checks {"subnet_id": …} and {"port_id": …}.
type interfaceBody struct{}

// Validate implements httpx.Validator.
func (interfaceBody) Validate(doc any, _ httpx.Version) error {
	_, err := interfaceInfo(doc)
	return err
}

func interfaceInfo(doc any) (network.InterfaceInfo, error) {
	var info network.InterfaceInfo
	m, ok := doc.(map[string]any)
	if !ok {
		return info, bad("Body contains invalid data")
	}
	var err error
	if info.SubnetID, err = memberText(m, "subnet_id", uuid); err != nil {
		return info, bad("Invalid input for subnet_id. Reason: %s.", err)
	}
	if info.PortID, err = memberText(m, "port_id", uuid); err != nil {
		return info, bad("Invalid input for port_id. Reason: %s.", err)
	}
	return info, nil
}

// interfaceView is a router's interface in answers.
type interfaceView struct {
	ID        string   `json:"id"`
	ProjectID string   `json:"project_id"`
	TenantID  string   `json:"tenant_id"`
	PortID    string   `json:"port_id"`
	NetworkID string   `json:"network_id"`
	SubnetID  string   `json:"subnet_id"`
	SubnetIDs []string `json:"subnet_ids"`
	Tags      []string `json:"tags"`
}

type changeInterface func(ctx context.Context, routerID string, in network.InterfaceInfo) (*network.Interface, error)

func (h *handler) addInterface(w http.ResponseWriter, r *http.Request) error {
	return h.changeInterface(w, r, "add_router_interface", h.svc.AddInterface)
}

func (h *handler) removeInterface(w http.ResponseWriter, r *http.Request) error {
	return h.changeInterface(w, r, "remove_router_interface", h.svc.RemoveInterface)
}

func (h *handler) changeInterface(w http.ResponseWriter, r *http.Request, rule string, change changeInterface) error {
	ctx := r.Context()
	router, err := h.svc.Router(ctx, httpx.Param(r, "id"))
	if err != nil {
		return err
	}
	if err := httpx.Enforce(ctx, rule, policy.Target{"project_id": router.ProjectID, "tenant_id": router.ProjectID}); err != nil {
		return err
	}
	doc, err := document(r)
	if err != nil {
		return err
	}
	info, err := interfaceInfo(doc)
	if err != nil {
		return err
	}
	i, err := change(ctx, router.ID, info)
	if err != nil {
		return err
	}
	v := interfaceView{
		ID: router.ID, ProjectID: router.ProjectID, TenantID: router.ProjectID, PortID: i.Port.ID, NetworkID: i.Port.NetworkID,
		SubnetIDs: orEmpty(i.Subnets), Tags: orEmpty(router.Tags),
	}
	if len(i.Subnets) > 0 {
		v.SubnetID = i.Subnets[0]
	}
	return httpx.JSON(w, http.StatusOK, v)
}

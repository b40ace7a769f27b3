package dashboard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/errgroup"

	"nubo/internal/auth"
	"nubo/sdk/rest"
)

// part is one of the answers a page is made of.
type part struct {
	// name is the part's key in the answer.
	name string
	// service and path are what is asked. In the path {id} is the request's
	// ?id=, {project} the session's project, {user} its user, and {list} the
	// request's paging and filters; {own} narrows a list to the session's
	// project, as an administrator's would have everybody's, unless the request
	// says ?all. A path with {each:PART.KEY} is asked once
	// for each of what that part answered, and is answered by those keys.
	service, path string
	// main is the part without which there is no page: its error is the page's.
	main bool
	// key is where in the answer the part is; its name if empty; whole if the
	// answer is the part.
	key string
}

// whole is the key of a part that comes in no envelope.
const whole = "."

// all bounds the lists that only give things their names.
const all = "limit=1000"

// pages are the front end's pages by what each needs, so that a page is one
// request. What it joins the browser joins.
var pages = map[string][]part{
	"overview": {
		{"limits", "compute", "/limits", true, ""},
		{"volume_limits", "volume", "/limits", false, "limits"},
		{"network_quota", "network", "/quotas/{project}/details", false, "quota"},
		{"servers", "compute", "/servers/detail?limit=10&sort_key=created_at&sort_dir=desc", false, ""},
		{"networks", "network", "/networks?" + all, false, ""},
		{"routers", "network", "/routers?{own}&" + all, false, ""},
		{"images", "image", "/v2/images?limit=20", false, ""},
	},
	"servers": {
		{"servers", "compute", "/servers/detail?{list}", true, ""},
		{"limits", "compute", "/limits", false, ""},
		{"images", "image", "/v2/images?" + all, false, ""},
	},
	"server": {
		{"server", "compute", "/servers/{id}", true, ""},
		{"actions", "compute", "/servers/{id}/os-instance-actions", false, "instanceActions"},
		{"action_details", "compute", "/servers/{id}/os-instance-actions/{each:actions.request_id}", false, "instanceAction"},
		{"attachments", "compute", "/servers/{id}/os-volume_attachments", false, "volumeAttachments"},
		{"security_groups", "network", "/security-groups?" + all, false, ""},
		{"ports", "network", "/ports?device_id={id}", false, ""},
		{"networks", "network", "/networks?" + all, false, ""},
		{"floatingips", "network", "/floatingips?" + all, false, ""},
		{"volumes", "volume", "/volumes/detail?" + all, false, ""},
		{"images", "image", "/v2/images?" + all, false, ""},
	},
	"server-new": {
		{"images", "image", "/v2/images?" + all, true, ""},
		{"flavors", "compute", "/flavors/detail?" + all, false, ""},
		{"networks", "network", "/networks?" + all, false, ""},
		{"subnets", "network", "/subnets?" + all, false, ""},
		{"security_groups", "network", "/security-groups?{own}&" + all, false, ""},
		{"keypairs", "compute", "/os-keypairs?" + all, false, ""},
		{"zones", "compute", "/os-availability-zone", false, "availabilityZoneInfo"},
		{"volumes", "volume", "/volumes/detail?status=available&" + all, false, ""},
		{"groups", "compute", "/os-server-groups", false, "server_groups"},
		{"limits", "compute", "/limits", false, ""},
		{"volume_limits", "volume", "/limits", false, "limits"},
		{"providers", "placement", "/resource_providers", false, "resource_providers"},
	},
	"volumes": {
		{"volumes", "volume", "/volumes/detail?{list}", true, ""},
		{"types", "volume", "/types", false, "volume_types"},
		{"servers", "compute", "/servers?" + all, false, ""},
		{"limits", "volume", "/limits", false, ""},
	},
	"networks": {
		{"quota", "network", "/quotas/{project}/details", false, ""},
		{"networks", "network", "/networks?{own}&{list}", true, ""},
		// Of others, those that one may use; of two limits the first counts.
		{"shared", "network", "/networks?shared=true&" + all + "&{list}", false, "networks"},
		{"external", "network", "/networks?router:external=true&" + all + "&{list}", false, "networks"},
		{"subnets", "network", "/subnets?{of:networks.id=network_id}&{of:shared.id=network_id}&{of:external.id=network_id}", false, ""},
	},
	"admin-networks": {
		{"networks", "network", "/networks?{list}", true, ""},
		{"subnets", "network", "/subnets?{of:networks.id=network_id}", false, ""},
	},
	"network": {
		{"network", "network", "/networks/{id}", true, ""},
		{"subnets", "network", "/subnets?network_id={id}", false, ""},
		{"ports", "network", "/ports?network_id={id}", false, ""},
	},
	"routers": {
		{"quota", "network", "/quotas/{project}/details", false, ""},
		{"routers", "network", "/routers?{own}&{list}", true, ""},
		{"networks", "network", "/networks?router:external=true&" + all, false, ""},
		{"subnets", "network", "/subnets?" + all, false, ""},
		{"ports", "network", "/ports?device_owner=network:router_interface&{of:routers.id=device_id}", false, ""},
	},
	"floating-ips": {
		{"quota", "network", "/quotas/{project}/details", false, ""},
		{"floatingips", "network", "/floatingips?{own}&{list}", true, ""},
		{"networks", "network", "/networks?router:external=true&" + all, false, ""},
		{"ports", "network", "/ports?{own}&" + all, false, ""},
		{"servers", "compute", "/servers?" + all, false, ""},
	},
	"topology": {
		{"networks", "network", "/networks?" + all, true, ""},
		{"subnets", "network", "/subnets?" + all, false, ""},
		{"routers", "network", "/routers?{own}&" + all, false, ""},
		{"ports", "network", "/ports?{own}&" + all, false, ""},
		{"servers", "compute", "/servers/detail?" + all, false, ""},
	},
	"admin-topology": {
		{"networks", "network", "/networks?" + all, true, ""},
		{"subnets", "network", "/subnets?" + all, false, ""},
		{"routers", "network", "/routers?" + all, false, ""},
		{"ports", "network", "/ports?" + all, false, ""},
		{"agents", "network", "/agents", false, ""},
		{"servers", "compute", "/servers/detail?all_tenants=1&" + all, false, ""},
		{"hypervisors", "compute", "/os-hypervisors/detail", false, ""},
	},
	"images":          {{"images", "image", "/v2/images?{list}", true, ""}},
	"flavors":         {{"flavors", "compute", "/flavors/detail?{list}", true, ""}},
	"keypairs":        {{"keypairs", "compute", "/os-keypairs?{list}", true, ""}},
	"security-groups": {{"security_groups", "network", "/security-groups?{own}&{list}", true, ""}, {"quota", "network", "/quotas/{project}/details", false, ""}},
	"security-group":  {{"security_group", "network", "/security-groups/{id}", true, ""}, {"groups", "network", "/security-groups?" + all, false, "security_groups"}},
	"ports": {
		{"ports", "network", "/ports?{own}&{list}", true, ""},
		{"networks", "network", "/networks?" + all, false, ""},
		{"subnets", "network", "/subnets?" + all, false, ""},
		{"security_groups", "network", "/security-groups?{own}&" + all, false, ""},
		{"servers", "compute", "/servers?" + all, false, ""},
		{"quota", "network", "/quotas/{project}/details", false, ""},
	},
	"admin-floating-ips": {
		{"floatingips", "network", "/floatingips?{list}", true, ""},
		{"networks", "network", "/networks?router:external=true&" + all, false, ""},
		{"ports", "network", "/ports?" + all, false, ""},
		{"servers", "compute", "/servers?all_tenants=1&" + all, false, ""},
	},
	"api-access": {{"catalog", "identity", "/auth/catalog", true, ""}},
	"account":    {{"user", "identity", "/users/{user}", true, ""}},
	"app-credentials": {
		{"credentials", "identity", "/users/{user}/application_credentials", true, "application_credentials"},
	},
	"assignments": {
		{"assignments", "identity", "/role_assignments?include_names", true, "role_assignments"},
		{"users", "identity", "/users", false, ""},
		{"groups", "identity", "/groups", false, ""},
		{"roles", "identity", "/roles", false, ""},
		{"projects", "identity", "/projects", false, ""},
		{"domains", "identity", "/domains", false, ""},
	},
	"idps": {
		{"idps", "identity", "/OS-FEDERATION/identity_providers", true, "identity_providers"},
		{"mappings", "identity", "/OS-FEDERATION/mappings", false, ""},
		{"protocols", "identity", "/OS-FEDERATION/identity_providers/{each:idps.id}/protocols", false, ""},
		{"domains", "identity", "/domains", false, ""},
	},
	"server-groups": {
		{"groups", "compute", "/os-server-groups?{list}", true, "server_groups"},
		{"servers", "compute", "/servers?" + all, false, ""},
		{"limits", "compute", "/limits", false, ""},
	},
	"usage": {
		{"usage", "compute", "/os-simple-tenant-usage/{project}?{list}", true, "tenant_usage"},
	},
	"admin-usage": {
		{"usages", "compute", "/os-simple-tenant-usage?detailed=0&{list}", true, "tenant_usages"},
		{"projects", "identity", "/projects", false, ""},
	},
	"admin-quotas": {
		{"projects", "identity", "/projects", true, ""},
		{"domains", "identity", "/domains", false, ""},
		{"compute", "compute", "/os-quota-sets/{each:projects.id}/detail", false, "quota_set"},
		{"volume", "volume", "/os-quota-sets/{each:projects.id}?usage=True", false, "quota_set"},
		{"network", "network", "/quotas/{each:projects.id}/details", false, "quota"},
	},
	"default-quotas": {
		{"compute", "compute", "/os-quota-sets/{project}/defaults", false, "quota_set"},
		{"volume", "volume", "/os-quota-sets/{project}/defaults", false, "quota_set"},
		{"network", "network", "/quotas/{project}/default", false, "quota"},
	},
	"agents": {{"agents", "network", "/agents", true, ""}},
	"placement": {
		{"providers", "placement", "/resource_providers", true, "resource_providers"},
		{"inventories", "placement", "/resource_providers/{each:providers.uuid}/inventories", false, ""},
		{"usages", "placement", "/resource_providers/{each:providers.uuid}/usages", false, ""},
		{"traits", "placement", "/resource_providers/{each:providers.uuid}/traits", false, ""},
	},
	"hypervisors":  {{"hypervisors", "compute", "/os-hypervisors/detail", true, ""}, {"services", "compute", "/os-services?binary=nova-compute", false, ""}},
	"volume-types": {{"types", "volume", "/types?is_public=None", true, "volume_types"}},
	"domains":      {{"domains", "identity", "/domains", true, ""}},
	"projects":     {{"projects", "identity", "/projects", true, ""}, {"domains", "identity", "/domains", false, ""}},
	"users":        {{"users", "identity", "/users", true, ""}, {"projects", "identity", "/projects", false, ""}, {"domains", "identity", "/domains", false, ""}},
	"groups":       {{"groups", "identity", "/groups", true, ""}, {"users", "identity", "/users", false, ""}, {"domains", "identity", "/domains", false, ""}},
	"roles":        {{"roles", "identity", "/roles", true, ""}},
	"services":     {{"services", "identity", "/services", true, ""}, {"endpoints", "identity", "/endpoints", false, ""}},
	"admin-overview": {
		{"compute_services", "compute", "/os-services", true, "services"},
		{"volume_services", "volume", "/os-services", false, "services"},
		{"agents", "network", "/agents", false, ""},
		{"hypervisors", "compute", "/os-hypervisors/detail", false, ""},
		{"projects", "identity", "/projects", false, ""},
	},
	"aggregates": {
		{"aggregates", "compute", "/os-aggregates", true, ""},
		{"zones", "compute", "/os-availability-zone/detail", false, "availabilityZoneInfo"},
		{"hypervisors", "compute", "/os-hypervisors", false, ""},
	},
	"project": {
		{"project", "identity", "/projects/{id}", true, ""},
		{"assignments", "identity", "/role_assignments?scope.project.id={id}&include_names", false, "role_assignments"},
		{"users", "identity", "/users", false, ""},
		{"roles", "identity", "/roles", false, ""},
		{"compute_quota", "compute", "/os-quota-sets/{id}/detail", false, "quota_set"},
		{"volume_quota", "volume", "/os-quota-sets/{id}?usage=True", false, "quota_set"},
		{"network_quota", "network", "/quotas/{id}/details", false, "quota"},
	},
}

// listed are the query keys a list is paged and filtered by.
var listed = []string{"limit", "marker", "sort_key", "sort_dir", "sort", "name", "status", "all_tenants", "host", "project_id", "visibility", "ip", "availability_zone", "start", "end",
	"id", "name~", "bootable", "volume_type", "fixed_ips", "mac_address", "shared", "router:external", "floating_ip_address", "fixed_ip_address",
	"description", "disk_format", "checksum"}

// anID is what may stand for {id}.
var anID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// page answers /dashboard/pages/NAME: an object with a key a part, and under
// errors why a part is missing.
func (s *Service) page(w http.ResponseWriter, r *http.Request) error {
	parts, ok := pages[chi.URLParam(r, "page")]
	if !ok {
		parts, ok = brokerPages[chi.URLParam(r, "page")]
	}
	if !ok {
		return refuse(http.StatusNotFound, "There is no such page.")
	}
	v := current(r)
	c, err := s.caller(r.Context(), v)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if needsID(parts) && !anID.MatchString(q.Get("id")) {
		return refuse(http.StatusBadRequest, "The page needs an id.")
	}
	if q.Has("marker") { // more of a list, whose names the page has but for those that are asked of it
		parts = slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !p.main && !ofAll.MatchString(p.path) })
	}
	if err := brokerNames(parts, q); err != nil {
		return err
	}
	answers, failures := make([]json.RawMessage, len(parts)), make([]*problem, len(parts))
	first := func(p part) bool { return !isJoined(p) }
	for _, now := range []func(part) bool{first, isJoined} {
		g, ctx := errgroup.WithContext(r.Context())
		for i, p := range parts {
			if !now(p) {
				continue
			}
			if strings.Contains(p.path, "{project}") && c.ProjectID == "" {
				failures[i] = refuse(http.StatusForbidden, "The scope has no project.")
				continue
			}
			svc, known := s.services[p.service]
			if !known {
				failures[i] = refuse(http.StatusNotFound, "The cloud has no such service.")
				continue
			}
			if err := s.mayUse(r.Context(), v, svc); err != nil {
				return err
			}
			g.Go(func() error {
				var err error
				path := fill(p.path, q, c)
				if first(p) {
					answers[i], err = s.ask(ctx, v, p, path)
				} else {
					answers[i], err = s.askJoined(ctx, v, p, path, func(name string) json.RawMessage { return answerOf(parts, answers, name) })
				}
				var e *rest.Error
				if err == nil || p.main || !errors.As(err, &e) {
					return err
				}
				failures[i] = &problem{e.Status, e.Message, e.RequestID}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	writeJSON(w, http.StatusOK, assemble(parts, answers, failures))
	return nil
}

// assemble makes a page's answer of its parts. What a role may not see is no
// failure, nor what a RabbitMQ without a plugin does not have: the page is made
// without it.
func assemble(parts []part, answers []json.RawMessage, failures []*problem) map[string]any {
	out, missing := map[string]any{}, map[string]*problem{}
	for i, p := range parts {
		switch {
		case failures[i] == nil:
			out[p.name] = answers[i]
		case failures[i].Code != http.StatusForbidden && (p.service != messaging || failures[i].Code != http.StatusNotFound):
			missing[p.name] = failures[i]
		}
	}
	out["errors"] = missing
	return out
}

func needsID(parts []part) bool {
	return slices.ContainsFunc(parts, func(p part) bool { return strings.Contains(p.path, "{id}") })
}

// ask gets a part, without the envelope it comes in.
func (s *Service) ask(ctx context.Context, v session, p part, path string) (json.RawMessage, error) {
	if p.key == whole {
		var out json.RawMessage
		err := s.client(p.service, v.Token).Get(ctx, path, &out)
		return out, err
	}
	var out map[string]json.RawMessage
	if err := s.client(p.service, v.Token).Get(ctx, path, &out); err != nil {
		return nil, err
	}
	return out[cmp.Or(p.key, p.name)], nil
}

// fill puts the request's values into a path.
func fill(path string, q url.Values, c *auth.Context) string {
	list := url.Values{}
	for _, key := range listed {
		if values, ok := q[key]; ok {
			list[key] = values
		}
	}
	path = fillBroker(path, q)
	own := url.Values{}
	if c.ProjectID != "" && !q.Has("all") {
		own.Set("project_id", c.ProjectID)
	}
	return strings.NewReplacer(
		"{id}", url.PathEscape(q.Get("id")), "{project}", url.PathEscape(c.ProjectID), "{user}", url.PathEscape(c.UserID), "{list}", list.Encode(), "{own}", own.Encode(),
	).Replace(path)
}

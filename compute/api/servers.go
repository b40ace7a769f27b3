package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

var serverPage = httpx.PageSpec{
	Sort: map[string]string{
		"access_ip_v4": "access_ip_v4", "access_ip_v6": "access_ip_v6", "availability_zone": "az", "config_drive": "config_drive",
		"created_at": "created_at", "display_description": "description", "display_name": "name", "name": "name", "host": "host",
		"hostname": "hostname", "image_ref": "image_ref", "instance_type_id": "flavor_id", "key_name": "key_name",
		"launch_index": "launch_index", "launched_at": "launched_at", "node": "node", "power_state": "power_state",
		"project_id": "project_id", "root_device_name": "root_device_name", "task_state": "task_state", "terminated_at": "terminated_at",
		"updated_at": "updated_at", "user_id": "user_id", "uuid": "id", "vm_state": "vm_state", "locked": "locked",
	},
	Default: []db.SortKey{{Column: "created_at", Desc: true}},
}

func (h *handler) listServers(w http.ResponseWriter, r *http.Request) error {
	return h.writeServers(w, r, prefix+"servers:index:get_all_tenants", false)
}

func (h *handler) listServersDetail(w http.ResponseWriter, r *http.Request) error {
	return h.writeServers(w, r, prefix+"servers:detail:get_all_tenants", true)
}

// writeServers lists. The answer is written by hand, see serverView.
func (h *handler) writeServers(w http.ResponseWriter, r *http.Request, allRule string, detail bool) error {
	q, none, err := serverQuery(r, allRule)
	if err != nil {
		return err
	}
	q.WithBlockDevices = detail
	var servers []*compute.Server
	if !none {
		if servers, err = h.svc.Servers(r.Context(), q); err != nil {
			return httpx.MarkerError(err, q.Page.Marker)
		}
	}
	v, err := h.newServerView(r, servers, true)
	if err != nil {
		return err
	}
	b := make([]byte, 0, 64+len(servers)*2200)
	b = append(b, `{"servers":[`...)
	for i, s := range servers {
		if i > 0 {
			b = append(b, ',')
		}
		if detail {
			b = v.detail(b, s)
		} else {
			b = v.brief(b, s)
		}
	}
	b = append(b, ']')
	if len(servers) > 0 {
		if next := httpx.NextLink(r, q.Page, len(servers), servers[len(servers)-1].ID); next != "" {
			b = append(b, `,"servers_links":[{"rel":"next","href":`...)
			b = append(appendText(b, next), `}]`...)
		}
	}
	return writeJSON(w, append(b, '}'))
}

// serverQuery reads the filters of a list. none says that nothing can match.
func serverQuery(r *http.Request, allRule string) (q compute.ServerQuery, none bool, err error) {
	if q.Page, err = httpx.ParsePage(r, serverPage); err != nil {
		return q, false, err
	}
	query := r.URL.Query()
	everything := httpx.Allowed(r.Context(), prefix+"servers:allow_all_filters", ownTarget(r))
	if q.AllProjects, err = truth(r, "all_tenants"); err != nil {
		return q, false, err
	}
	project := query.Get("project_id")
	if project == "" {
		project = query.Get("tenant_id")
	}
	if project != "" && everything {
		q.ProjectID = project
		q.AllProjects = q.AllProjects || !query.Has("all_tenants")
	}
	if q.AllProjects {
		if err := httpx.Enforce(r.Context(), allRule, ownTarget(r)); err != nil {
			return q, false, err
		}
	}
	if err := commonFilters(r, query, &q); err != nil {
		return q, false, err
	}
	if everything || since(r, 83) {
		if err := moreFilters(query, &q); err != nil {
			return q, false, err
		}
	}
	if everything {
		q.Host, q.Node = query.Get("host"), query.Get("node")
		q.UserID, q.Description = query.Get("user_id"), query.Get("description")
		if id := query.Get("uuid"); id != "" {
			q.IDs = []string{id}
		}
		if q.OnlyDeleted, err = truth(r, "deleted"); err != nil {
			return q, false, err
		}
	}
	for _, pattern := range []string{q.Name, q.IP, q.IP6, q.Description} {
		if _, err := regexp.Compile(pattern); err != nil {
			return q, false, fault.Invalidf("Invalid regular expression in a filter: %s", pattern)
		}
	}
	none, err = statusFilter(query, &q, everything)
	return q, none, err
}

// commonFilters are those of everybody.
func commonFilters(r *http.Request, query url.Values, q *compute.ServerQuery) (err error) {
	q.Name, q.IP, q.IP6 = query.Get("name"), query.Get("ip"), query.Get("ip6")
	q.ImageID, q.FlavorID = lastPart(query.Get("image")), lastPart(query.Get("flavor"))
	q.ReservationID = query.Get("reservation_id")
	if q.ChangesSince, err = moment(r, "changes-since"); err != nil {
		return err
	}
	if since(r, 66) {
		if q.ChangesBefore, err = moment(r, "changes-before"); err != nil {
			return err
		}
		if q.ChangesSince != nil && q.ChangesBefore != nil && q.ChangesBefore.Before(*q.ChangesSince) {
			return fault.Invalidf("The value of changes-since must be less than or equal to changes-before.")
		}
	}
	if since(r, 26) {
		split := func(name string) []string {
			if s := query.Get(name); s != "" {
				return strings.Split(s, ",")
			}
			return nil
		}
		q.Tags, q.TagsAny, q.NotTags, q.NotTagsAny = split("tags"), split("tags-any"), split("not-tags"), split("not-tags-any")
	}
	if s := query.Get("locked"); s != "" && since(r, 73) {
		v, err := httpx.Bool(s)
		if err != nil {
			return err
		}
		q.Locked = compute.Ptr(v.(bool))
	}
	if s := query.Get("metadata"); s != "" {
		if json.Unmarshal([]byte(strings.ReplaceAll(s, "'", `"`)), &q.Metadata) != nil {
			return fault.Invalidf("Invalid input for query parameters metadata. Value: %s", s)
		}
	}
	return nil
}

// moreFilters are those of admins, and since 2.83 of everybody.
func moreFilters(query url.Values, q *compute.ServerQuery) error {
	q.AZ, q.KeyName = query.Get("availability_zone"), query.Get("key_name")
	for _, s := range query["vm_state"] {
		q.States = append(q.States, compute.VMState(s))
	}
	for _, s := range query["task_state"] {
		q.TaskStates = append(q.TaskStates, compute.TaskState(s))
	}
	if s := query.Get("power_state"); s != "" {
		n, err := httpx.Number(s)
		if err != nil {
			return err
		}
		q.PowerState = compute.Ptr(compute.PowerState(n.(int64)))
	}
	if s := query.Get("config_drive"); s != "" {
		v, err := httpx.Bool(s)
		if err != nil {
			return err
		}
		q.ConfigDrive = compute.Ptr(v.(bool))
	}
	return nil
}

// lastPart is the id in a reference, which may be an address.
func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// statusFilter reads the statuses. A word that is none matches nothing.
func statusFilter(query url.Values, q *compute.ServerQuery, everything bool) (none bool, err error) {
	statuses := query["status"]
	if len(statuses) == 0 {
		return false, nil
	}
	known := false
	for _, s := range statuses {
		vm, tasks, ok := compute.StatusStates(strings.ToUpper(s))
		if !ok {
			continue
		}
		known = true
		if slices.Contains(vm, compute.Deleted) {
			if !everything {
				return false, fault.Forbiddenf("Only administrators may list deleted instances")
			}
			q.OnlyDeleted = true
		}
		q.States = append(q.States, vm...)
		q.TaskStates = append(q.TaskStates, tasks...)
		if s := strings.ToUpper(s); s == "ACTIVE" && len(statuses) == 1 {
			q.NotTasks = compute.StatusTasks()
		}
	}
	return !known, nil
}

// writeServer answers one server whole.
func (h *handler) writeServer(w http.ResponseWriter, r *http.Request, s *compute.Server) error {
	v, err := h.newServerView(r, []*compute.Server{s}, false)
	if err != nil {
		return err
	}
	b := v.detail([]byte(`{"server":`), s)
	return writeJSON(w, append(b, '}'))
}

func (h *handler) showServer(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	return h.writeServer(w, r, s)
}

func (h *handler) updateServer(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Server struct {
			Name        *string         `json:"name"`
			Description json.RawMessage `json:"description"`
			AccessIPv4  *string         `json:"accessIPv4"`
			AccessIPv6  *string         `json:"accessIPv6"`
			DiskConfig  *string         `json:"OS-DCF:diskConfig"`
			Hostname    *string         `json:"hostname"`
		} `json:"server"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	s, err := h.server(r)
	if err != nil {
		return err
	}
	f := compute.ServerFields{
		Name: in.Server.Name, AccessIPv4: in.Server.AccessIPv4, AccessIPv6: in.Server.AccessIPv6,
		DiskConfig: in.Server.DiskConfig, Hostname: in.Server.Hostname,
	}
	if d := in.Server.Description; d != nil { // null clears it
		var text *string
		if err := json.Unmarshal(d, &text); err != nil {
			return fault.Invalidf("Malformed request body")
		}
		f.Description = compute.Ptr(httpx.Deref(text))
	}
	if s, err = h.svc.Update(r.Context(), s, f); err != nil {
		return err
	}
	return h.writeServer(w, r, s)
}

func (h *handler) deleteServer(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	if err := h.svc.Delete(r.Context(), s); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) listAddresses(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"addresses": plainAddresses(s)})
}

func (h *handler) showAddresses(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	label := httpx.Param(r, "label")
	one, ok := plainAddresses(s)[label]
	if !ok {
		return fault.NotFoundf("Instance is not a member of specified network")
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{label: one})
}

// plainAddresses are a server's addresses by network, without attributes.
func plainAddresses(s *compute.Server) map[string][]any {
	out := map[string][]any{}
	for _, v := range s.VIFs {
		var full []struct {
			Addr    string `json:"addr"`
			Version int    `json:"version"`
		}
		if json.Unmarshal(appendAddresses(nil, []compute.VIF{v}, v.NetworkName), &full) != nil {
			continue // what we wrote ourselves can be read
		}
		out[v.NetworkName] = list(out[v.NetworkName])
		for _, a := range full {
			out[v.NetworkName] = append(out[v.NetworkName], a)
		}
	}
	return out
}

func (h *handler) listMetadata(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"metadata": orEmpty(s.Metadata)})
}

// changeMetadata changes a server's metadata and answers with all of it.
func (h *handler) changeMetadata(w http.ResponseWriter, r *http.Request, change func(has, in map[string]string)) error {
	var in struct {
		Metadata map[string]string `json:"metadata"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	all, err := h.svc.ChangeMetadata(r.Context(), httpx.Param(r, "server_id"), func(has map[string]string) error {
		change(has, in.Metadata)
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"metadata": all})
}

func (h *handler) addMetadata(w http.ResponseWriter, r *http.Request) error {
	return h.changeMetadata(w, r, func(has, in map[string]string) {
		for k, v := range in {
			has[k] = v
		}
	})
}

func (h *handler) replaceMetadata(w http.ResponseWriter, r *http.Request) error {
	return h.changeMetadata(w, r, func(has, in map[string]string) {
		clear(has)
		for k, v := range in {
			has[k] = v
		}
	})
}

func (h *handler) showMetadata(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	key := httpx.Param(r, "key")
	v, ok := s.Metadata[key]
	if !ok {
		return fault.NotFoundf("Metadata item was not found")
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"meta": map[string]string{key: v}})
}

func (h *handler) setMetadata(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Meta map[string]string `json:"meta"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	key := httpx.Param(r, "key")
	v, ok := in.Meta[key]
	if !ok {
		return fault.Invalidf("Request body and URI mismatch")
	}
	_, err := h.svc.ChangeMetadata(r.Context(), httpx.Param(r, "server_id"), func(has map[string]string) error {
		has[key] = v
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"meta": in.Meta})
}

func (h *handler) deleteMetadata(w http.ResponseWriter, r *http.Request) error {
	key := httpx.Param(r, "key")
	_, err := h.svc.ChangeMetadata(r.Context(), httpx.Param(r, "server_id"), func(has map[string]string) error {
		if _, ok := has[key]; !ok {
			return fault.NotFoundf("Metadata item was not found")
		}
		delete(has, key)
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

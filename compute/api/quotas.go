package api

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/internal/quota"
)

// quotaTarget is the project of the path.
func quotaTarget(r *http.Request) (policy.Target, error) {
	return policy.Target{"project_id": httpx.Param(r, "tenant_id")}, nil
}

// maxProjectID is how long an id is that identity gives.
const maxProjectID = 64

// quotaNames are the resources a microversion knows.
func quotaNames(r *http.Request) []string {
	names := []string{"cores", "instances", "key_pairs", "metadata_items", "ram", "server_groups", "server_group_members"}
	if !since(r, 36) { // the network service keeps these
		names = append(names, "fixed_ips", "floating_ips", "security_groups", "security_group_rules")
	}
	if !since(r, 57) {
		names = append(names, "injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
	}
	return names
}

// writeQuotas answers limits; "" as project leaves the id out.
func writeQuotas(w http.ResponseWriter, r *http.Request, project string, limits map[string]int64) error {
	v := map[string]any{}
	if project != "" {
		v["id"] = project
	}
	for _, name := range quotaNames(r) {
		v[name] = limits[name]
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota_set": v})
}

func limitsOf(use map[string]compute.QuotaUse) map[string]int64 {
	limits := make(map[string]int64, len(use))
	for name, u := range use {
		limits[name] = u.Limit
	}
	return limits
}

func (h *handler) showQuotas(w http.ResponseWriter, r *http.Request) error {
	project := httpx.Param(r, "tenant_id")
	use, err := h.svc.Quotas(r.Context(), project, false)
	if err != nil {
		return err
	}
	return writeQuotas(w, r, project, limitsOf(use))
}

func (h *handler) defaultQuotas(w http.ResponseWriter, r *http.Request) error {
	limits, err := h.svc.QuotaClass(r.Context(), quota.DefaultClass)
	if err != nil {
		return err
	}
	return writeQuotas(w, r, httpx.Param(r, "tenant_id"), limits)
}

func (h *handler) showQuotasDetail(w http.ResponseWriter, r *http.Request) error {
	project := httpx.Param(r, "tenant_id")
	use, err := h.svc.Quotas(r.Context(), project, true)
	if err != nil {
		return err
	}
	v := map[string]any{"id": project}
	for _, name := range quotaNames(r) {
		v[name] = map[string]int64{"limit": use[name].Limit, "in_use": use[name].Used, "reserved": 0}
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"quota_set": v})
}

// readLimits reads those of the named limits that are given.
func readLimits(set map[string]json.RawMessage, names []string) (map[string]int64, error) {
	limits := map[string]int64{}
	for _, name := range names {
		raw, ok := set[name]
		if !ok {
			continue
		}
		var n httpx.LenientInt
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, fault.Invalidf("Invalid input for field/attribute %s. Value: %s.", name, raw)
		}
		limits[name] = int64(n)
	}
	return limits, nil
}

func (h *handler) updateQuotas(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Set map[string]json.RawMessage `json:"quota_set"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if id := httpx.Param(r, "tenant_id"); len(id) > maxProjectID {
		return fault.Invalidf("Project ID %s is not a valid project.", id)
	}
	var force httpx.LenientBool
	if raw, ok := in.Set["force"]; ok {
		if err := json.Unmarshal(raw, &force); err != nil {
			return err
		}
	}
	limits, err := readLimits(in.Set, quotaNames(r))
	if err != nil {
		return err
	}
	project := httpx.Param(r, "tenant_id")
	if err := h.svc.SetQuotas(r.Context(), project, limits, bool(force)); err != nil {
		return err
	}
	use, err := h.svc.Quotas(r.Context(), project, false)
	if err != nil {
		return err
	}
	return writeQuotas(w, r, "", limitsOf(use))
}

func (h *handler) deleteQuotas(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.ResetQuotas(r.Context(), httpx.Param(r, "tenant_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

func (h *handler) limits(w http.ResponseWriter, r *http.Request) error {
	project := caller(r).ProjectID
	for _, name := range []string{"tenant_id", "project_id"} {
		if other := r.URL.Query().Get(name); other != "" && other != project {
			if err := httpx.Enforce(r.Context(), prefix+"limits:other_project", policy.Target{"project_id": other}); err != nil {
				return err
			}
			project = other
		}
	}
	use, err := h.svc.Quotas(r.Context(), project, true)
	if err != nil {
		return err
	}
	absolute := map[string]int64{
		"maxTotalInstances": use["instances"].Limit, "totalInstancesUsed": use["instances"].Used,
		"maxTotalCores": use["cores"].Limit, "totalCoresUsed": use["cores"].Used,
		"maxTotalRAMSize": use["ram"].Limit, "totalRAMUsed": use["ram"].Used,
		"maxServerMeta": use["metadata_items"].Limit, "maxTotalKeypairs": use["key_pairs"].Limit,
		"maxServerGroups": use["server_groups"].Limit, "totalServerGroupsUsed": use["server_groups"].Used,
		"maxServerGroupMembers": use["server_group_members"].Limit,
	}
	if !since(r, 36) {
		absolute["maxTotalFloatingIps"], absolute["totalFloatingIpsUsed"] = -1, 0
		absolute["maxSecurityGroups"], absolute["totalSecurityGroupsUsed"], absolute["maxSecurityGroupRules"] = -1, 0, -1
	}
	if !since(r, 39) {
		absolute["maxImageMeta"] = use["metadata_items"].Limit
	}
	if !since(r, 57) {
		absolute["maxPersonality"], absolute["maxPersonalitySize"] = use["injected_files"].Limit, use["injected_file_content_bytes"].Limit
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"limits": map[string]any{"rate": []any{}, "absolute": absolute}})
}

// period reads start and end of a usage report: the last four weeks.
func period(r *http.Request) (start, end time.Time, err error) {
	end = time.Now().UTC()
	s, err := moment(r, "start")
	if err != nil {
		return start, end, err
	}
	e, err := moment(r, "end")
	if err != nil {
		return start, end, err
	}
	if e != nil {
		end = *e
	}
	start = end.AddDate(0, 0, -28)
	if s != nil {
		start = *s
	}
	if start.After(end) {
		return start, end, fault.Invalidf("Invalid start time. The start time cannot occur after the end time.")
	}
	return start, end, nil
}

// usageOf sums what servers used in a period.
func usageOf(project string, servers []*compute.Server, start, end time.Time) map[string]any {
	var hours, vcpus, memory, disk float64
	rows := make([]any, len(servers))
	for i, s := range servers {
		from, to := *s.LaunchedAt, end
		if from.Before(start) {
			from = start
		}
		if s.TerminatedAt != nil && s.TerminatedAt.Before(end) {
			to = *s.TerminatedAt
		}
		h := math.Max(to.Sub(from).Hours(), 0)
		gb := s.Flavor.RootGB + s.Flavor.EphemeralGB
		hours += h
		vcpus += h * float64(s.Flavor.VCPUs)
		memory += h * float64(s.Flavor.MemoryMB)
		disk += h * float64(gb)
		state, uptimeTo := string(s.State), time.Now().UTC()
		if s.TerminatedAt != nil {
			state, uptimeTo = "terminated", *s.TerminatedAt
		}
		rows[i] = map[string]any{
			"instance_id": s.ID, "name": s.Name, "hours": h, "flavor": s.Flavor.Name, "tenant_id": s.ProjectID, "state": state,
			"vcpus": s.Flavor.VCPUs, "memory_mb": s.Flavor.MemoryMB, "local_gb": gb,
			"started_at": stamp(*s.LaunchedAt), "ended_at": stampOrNil(s.TerminatedAt), "uptime": int(uptimeTo.Sub(*s.LaunchedAt).Seconds()),
		}
	}
	return map[string]any{
		"tenant_id": project, "start": stamp(start), "stop": stamp(end), "total_hours": hours, "total_vcpus_usage": vcpus,
		"total_memory_mb_usage": memory, "total_local_gb_usage": disk, "server_usages": rows,
	}
}

func (h *handler) listUsage(w http.ResponseWriter, r *http.Request) error {
	start, end, err := period(r)
	if err != nil {
		return err
	}
	servers, err := h.svc.ProjectUsage(r.Context(), "", start, end)
	if err != nil {
		return err
	}
	byProject := map[string][]*compute.Server{}
	for _, s := range servers {
		byProject[s.ProjectID] = append(byProject[s.ProjectID], s)
	}
	views := []any{}
	for _, project := range sorted(byProject) {
		v := usageOf(project, byProject[project], start, end)
		if r.URL.Query().Get("detailed") != "1" {
			delete(v, "server_usages")
		}
		views = append(views, v)
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"tenant_usages": views})
}

func (h *handler) showUsage(w http.ResponseWriter, r *http.Request) error {
	start, end, err := period(r)
	if err != nil {
		return err
	}
	project := httpx.Param(r, "tenant_id")
	servers, err := h.svc.ProjectUsage(r.Context(), project, start, end)
	if err != nil {
		return err
	}
	if len(servers) == 0 {
		return httpx.JSON(w, http.StatusOK, map[string]any{"tenant_usage": map[string]any{}})
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"tenant_usage": usageOf(project, servers, start, end)})
}

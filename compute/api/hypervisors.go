package api

import (
	"encoding/json"
	"net/http"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

var nodePage = httpx.PageSpec{Default: []db.SortKey{{Column: "num"}}}

// nodeID is a hypervisor's id: a number before 2.53.
func nodeID(r *http.Request, n *compute.ComputeNode) any {
	if since(r, 53) {
		return n.ID
	}
	return n.Num
}

// viewHypervisor is a hypervisor, whole if detail.
func (h *handler) viewHypervisor(r *http.Request, n compute.Hypervisor, detail bool) map[string]any {
	v := map[string]any{"id": nodeID(r, n.ComputeNode), "hypervisor_hostname": n.Hostname, "state": upWord(n.Up), "status": "enabled"}
	if n.Service != nil {
		v["status"] = enabledWord(n.Service)
	}
	if !detail {
		return v
	}
	service := map[string]any{"id": 0, "host": n.Host, "disabled_reason": nil}
	if n.Service != nil {
		service["id"], service["disabled_reason"] = n.Service.Num, orNil(n.Service.DisabledReason)
		if since(r, 53) {
			service["id"] = n.Service.ID
		}
	}
	v["service"] = service
	v["hypervisor_type"], v["hypervisor_version"], v["host_ip"] = n.HypervisorType, n.Version, n.HostIP
	if since(r, 88) {
		v["uptime"] = nil
		return v
	}
	v["vcpus"], v["vcpus_used"] = n.VCPUs, n.Used.VCPUs
	v["memory_mb"], v["memory_mb_used"], v["free_ram_mb"] = n.MemoryMB, n.Used.MemoryMB, n.MemoryMB-n.Used.MemoryMB
	v["local_gb"], v["local_gb_used"], v["free_disk_gb"] = n.LocalGB, n.Used.DiskGB, n.LocalGB-n.Used.DiskGB
	v["disk_available_least"], v["running_vms"], v["current_workload"] = n.FreeDiskGB, n.Used.Servers, n.Used.Tasks
	v["cpu_info"] = cpuInfo(r, n.CPUInfo)
	return v
}

// cpuInfo is an object from 2.28 on, a text with one before.
func cpuInfo(r *http.Request, s string) any {
	if !since(r, 28) {
		return s
	}
	if json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	return map[string]any{}
}

func (h *handler) listHypervisors(w http.ResponseWriter, r *http.Request) error {
	return h.writeHypervisors(w, r, false)
}

func (h *handler) listHypervisorsDetail(w http.ResponseWriter, r *http.Request) error {
	return h.writeHypervisors(w, r, true)
}

func (h *handler) writeHypervisors(w http.ResponseWriter, r *http.Request, detail bool) error {
	q := compute.NodeQuery{}
	if since(r, 33) {
		page, err := httpx.ParsePage(r, nodePage)
		if err != nil {
			return err
		}
		q.Page = page
	}
	q.Page.Sort = nodePage.Default
	withServers := false
	if since(r, 53) {
		q.Hostname = r.URL.Query().Get("hypervisor_hostname_pattern")
		var err error
		if withServers, err = truth(r, "with_servers"); err != nil {
			return err
		}
		if q.Hostname != "" && (q.Page.Marker != "" || r.URL.Query().Has("limit")) {
			return fault.Invalidf("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
		}
	}
	nodes, err := h.svc.Hypervisors(r.Context(), q)
	if err != nil {
		return httpx.MarkerError(err, q.Page.Marker)
	}
	if q.Hostname != "" && len(nodes) == 0 && !since(r, 88) {
		return fault.NotFoundf("No hypervisor matching '%s' could be found.", q.Hostname)
	}
	views, next := make([]any, len(nodes)), ""
	for i, n := range nodes {
		v := h.viewHypervisor(r, n, detail)
		if withServers {
			if v["servers"], err = h.serversOf(r, n.ComputeNode); err != nil {
				return err
			}
		}
		views[i] = v
		next = httpx.NextLink(r, q.Page, len(nodes), n.ID)
	}
	return httpx.JSON(w, http.StatusOK, withNext(map[string]any{"hypervisors": views}, "hypervisors", next))
}

// serversOf names the servers of a hypervisor.
func (h *handler) serversOf(r *http.Request, n *compute.ComputeNode) ([]any, error) {
	servers, err := h.svc.Servers(r.Context(), compute.ServerQuery{AllProjects: true, Host: n.Host, Node: n.Hostname})
	views := make([]any, len(servers))
	for i, s := range servers {
		views[i] = map[string]any{"uuid": s.ID, "name": s.InstanceName()}
	}
	return views, err
}

func (h *handler) showHypervisor(w http.ResponseWriter, r *http.Request) error {
	id := httpx.Param(r, "hypervisor_id")
	if since(r, 53) && !httpx.IsUUID(id) {
		return fault.Invalidf("Invalid uuid %s", id)
	}
	n, err := h.svc.Hypervisor(r.Context(), id)
	if fault.Is(err, fault.NotFound) {
		return fault.NotFoundf("Hypervisor with ID '%s' could not be found.", id)
	}
	if err != nil {
		return err
	}
	v := h.viewHypervisor(r, n, true)
	if withServers, err := truth(r, "with_servers"); err != nil {
		return err
	} else if withServers && since(r, 53) {
		if v["servers"], err = h.serversOf(r, n.ComputeNode); err != nil {
			return err
		}
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"hypervisor": v})
}

func (h *handler) hypervisorStatistics(w http.ResponseWriter, r *http.Request) error {
	nodes, err := h.svc.Hypervisors(r.Context(), compute.NodeQuery{})
	if err != nil {
		return err
	}
	sum := map[string]int{
		"count": 0, "vcpus": 0, "vcpus_used": 0, "memory_mb": 0, "memory_mb_used": 0, "free_ram_mb": 0, "local_gb": 0, "local_gb_used": 0,
		"free_disk_gb": 0, "disk_available_least": 0, "running_vms": 0, "current_workload": 0,
	}
	for _, n := range nodes {
		if n.Service == nil || n.Service.Disabled {
			continue
		}
		for k, v := range map[string]int{
			"count": 1, "vcpus": n.VCPUs, "vcpus_used": n.Used.VCPUs, "memory_mb": n.MemoryMB, "memory_mb_used": n.Used.MemoryMB,
			"free_ram_mb": n.MemoryMB - n.Used.MemoryMB, "local_gb": n.LocalGB, "local_gb_used": n.Used.DiskGB,
			"free_disk_gb": n.LocalGB - n.Used.DiskGB, "disk_available_least": n.FreeDiskGB, "running_vms": n.Used.Servers,
			"current_workload": n.Used.Tasks,
		} {
			sum[k] += v
		}
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"hypervisor_statistics": sum})
}

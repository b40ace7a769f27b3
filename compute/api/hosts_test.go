package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"nubo/compute"
	"nubo/internal/testx"
)

// hosts reports two compute hosts, one of them long ago, and a conductor.
func (f *fixture) hosts() {
	f.t.Helper()
	now := time.Now()
	report := func(at time.Time, hosts ...string) {
		var services []compute.ServiceReport
		var nodes []compute.ComputeNode
		for i, h := range hosts {
			services = append(services, compute.ServiceReport{Host: h, Binary: compute.BinaryCompute, Topic: compute.TopicCompute})
			nodes = append(nodes, compute.ComputeNode{
				ID: fmt.Sprintf("eeeeeeee-0000-4000-8000-00000000%s", h[len(h)-1:]+"00"+fmt.Sprint(i)), Host: h, Hostname: h, HypervisorType: "simulated",
				VCPUs: 8, MemoryMB: 4096, LocalGB: 100, FreeDiskGB: 90, CPUInfo: `{"arch":"x86_64"}`, HostIP: "192.0.2.1",
			})
		}
		testx.NoErr(f.t, f.store.Heartbeat(f.t.Context(), at, services))
		testx.NoErr(f.t, f.store.SaveNodes(f.t.Context(), at, nodes))
	}
	report(now.Add(-time.Hour), "host2")
	report(now, "host1")
	testx.NoErr(f.t, f.store.Heartbeat(f.t.Context(), now, []compute.ServiceReport{{Host: "ctl", Binary: compute.BinaryConductor, Topic: compute.TopicConductor}}))
}

func TestServices(t *testing.T) { t.Parallel(); each(t, testServices) }

func testServices(t *testing.T, f *fixture) {
	f.hosts()
	a := f.want(200, "admin", "2.53", "GET", "/v2.1/os-services", "")
	states := map[any]any{}
	for i := range a.At("services").([]any) {
		states[a.At("services", i, "host")] = a.At("services", i, "state")
	}
	testx.Equal(t, states, map[any]any{"host1": "up", "host2": "down", "ctl": "up"})
	a = f.want(200, "admin", "2.53", "GET", "/v2.1/os-services?binary=nova-conductor", "")
	testx.Equal(t, a.At("services", 0, "zone"), any("internal"))
	ctl := a.At("services", 0, "id").(string)
	one := f.want(200, "admin", "2.53", "GET", "/v2.1/os-services?host=host1", "")
	id := one.At("services", 0, "id").(string)
	testx.Equal(t, one.At("services", 0, "zone"), any("nova"))
	if _, ok := f.want(200, "admin", "2.52", "GET", "/v2.1/os-services?host=host1", "").At("services", 0, "id").(float64); !ok {
		t.Error("before 2.53 ids are numbers")
	}
	a = f.want(200, "admin", "2.53", "PUT", "/v2.1/os-services/"+id, `{"status":"disabled","disabled_reason":"broken","forced_down":true}`)
	testx.Equal(t, []any{a.At("service", "status"), a.At("service", "disabled_reason"), a.At("service", "state")}, []any{"disabled", "broken", "down"})
	f.want(400, "admin", "2.53", "PUT", "/v2.1/os-services/"+ctl, `{"status":"disabled"}`)
	f.want(404, "admin", "2.53", "PUT", "/v2.1/os-services/"+netID, `{"status":"disabled"}`)
	f.want(200, "admin", "", "PUT", "/v2.1/os-services/enable", `{"host":"host1","binary":"nova-compute"}`)
	f.want(200, "admin", "2.11", "PUT", "/v2.1/os-services/force-down", `{"host":"host1","binary":"nova-compute","forced_down":false}`)
	f.want(404, "admin", "", "PUT", "/v2.1/os-services/disable", `{"host":"host9","binary":"nova-compute"}`)
	a = f.want(200, "admin", "", "PUT", "/v2.1/os-services/disable-log-reason", `{"host":"host1","binary":"nova-compute","disabled_reason":"r"}`)
	testx.Equal(t, a.At("service", "disabled_reason"), any("r"))
	server := f.create("")
	f.launch(server)
	f.want(409, "admin", "2.53", "DELETE", "/v2.1/os-services/"+id, "") // a server is on it
	f.want(204, "admin", "2.53", "DELETE", "/v2.1/os-services/"+ctl, "")
}

func TestHypervisors(t *testing.T) { t.Parallel(); each(t, testHypervisors) }

func testHypervisors(t *testing.T, f *fixture) {
	f.hosts()
	f.launch(f.create(""))
	a := f.want(200, "admin", "2.53", "GET", "/v2.1/os-hypervisors/detail?hypervisor_hostname_pattern=OST1&with_servers=true", "")
	testx.Equal(t, len(a.At("hypervisors").([]any)), 1)
	h := func(key string) any { return a.At("hypervisors", 0, key) }
	testx.Equal(t, []any{h("state"), h("vcpus_used"), h("memory_mb_used"), h("free_ram_mb"), h("running_vms"), h("local_gb_used")},
		[]any{"up", 1.0, 256.0, 3840.0, 1.0, 1.0})
	testx.Equal(t, a.At("hypervisors", 0, "cpu_info", "arch"), any("x86_64"))
	testx.Equal(t, a.At("hypervisors", 0, "servers", 0, "name"), any("instance-00000001"))
	id := h("id").(string)
	f.want(200, "admin", "2.53", "GET", "/v2.1/os-hypervisors/"+id, "")
	f.want(404, "admin", "2.53", "GET", "/v2.1/os-hypervisors/"+netID, "")
	f.want(200, "admin", "2.52", "GET", "/v2.1/os-hypervisors/1", "")
	a = f.want(200, "admin", "2.88", "GET", "/v2.1/os-hypervisors/"+id, "")
	if _, ok := a.JSON["hypervisor"].(map[string]any)["vcpus"]; ok {
		t.Error("2.88 shows what placement knows better")
	}
	testx.Equal(t, f.want(200, "admin", "2.87", "GET", "/v2.1/os-hypervisors/statistics", "").At("hypervisor_statistics", "count"), any(2.0))
	f.want(404, "admin", "2.88", "GET", "/v2.1/os-hypervisors/statistics", "")
	a = f.want(200, "admin", "2.33", "GET", "/v2.1/os-hypervisors?limit=1", "")
	testx.Equal(t, len(a.At("hypervisors_links").([]any)), 1)
}

func TestAggregatesAndZones(t *testing.T) { t.Parallel(); each(t, testAggregatesAndZones) }

func testAggregatesAndZones(t *testing.T, f *fixture) {
	f.hosts()
	a := f.want(200, "admin", "", "POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"fast","availability_zone":"az1"}}`)
	testx.Equal(t, a.At("aggregate", "id"), any(1.0))
	testx.Equal(t, f.want(409, "admin", "", "POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"fast"}}`).Message(), "Aggregate fast already exists.")
	f.want(200, "admin", "", "POST", "/v2.1/os-aggregates", `{"aggregate":{"name":"slow","availability_zone":"az2"}}`)
	act := func(code int, id int, body string) answer {
		t.Helper()
		return f.want(code, "admin", "", "POST", fmt.Sprintf("/v2.1/os-aggregates/%d/action", id), body)
	}
	act(200, 1, `{"add_host":{"host":"host1"}}`)
	act(409, 1, `{"add_host":{"host":"host1"}}`)
	act(404, 1, `{"add_host":{"host":"host9"}}`)
	act(409, 2, `{"add_host":{"host":"host1"}}`) // in two zones
	act(404, 9, `{"add_host":{"host":"host2"}}`)
	a = act(200, 1, `{"set_metadata":{"metadata":{"ssd":"true"}}}`)
	testx.Equal(t, a.At("aggregate", "metadata"), any(map[string]any{"availability_zone": "az1", "ssd": "true"}))
	a = act(200, 1, `{"set_metadata":{"metadata":{"ssd":null}}}`)
	testx.Equal(t, a.At("aggregate", "metadata"), any(map[string]any{"availability_zone": "az1"}))

	zones := f.want(200, "member", "", "GET", "/v2.1/os-availability-zone", "")
	testx.Equal(t, []any{zones.At("availabilityZoneInfo", 0, "zoneName"), zones.At("availabilityZoneInfo", 1, "zoneName"), zones.At("availabilityZoneInfo", 2)},
		[]any{"az1", "nova", nil})
	zones = f.want(200, "admin", "", "GET", "/v2.1/os-availability-zone/detail", "")
	testx.Equal(t, zones.At("availabilityZoneInfo", 0, "hosts", "host1", "nova-compute", "active"), any(true))
	// A server may now ask for the zone.
	f.create(`,"availability_zone":"az1"`)

	testx.Equal(t, f.want(400, "admin", "", "DELETE", "/v2.1/os-aggregates/1", "").Message(), "Cannot delete aggregate 1. Reason: Host aggregate is not empty.")
	act(200, 1, `{"remove_host":{"host":"host1"}}`)
	act(404, 1, `{"remove_host":{"host":"host1"}}`)
	f.want(200, "admin", "", "DELETE", "/v2.1/os-aggregates/1", "")
	f.want(404, "admin", "", "GET", "/v2.1/os-aggregates/1", "")
	f.want(400, "admin", "", "GET", "/v2.1/os-aggregates/one", "")
}

func TestQuotas(t *testing.T) { t.Parallel(); each(t, testQuotas) }

func testQuotas(t *testing.T, f *fixture) {
	path := "/v2.1/os-quota-sets/" + p1
	f.create("")
	testx.Equal(t, f.want(200, "reader", "", "GET", path, "").At("quota_set", "instances"), any(10.0))
	a := f.want(200, "admin", "", "PUT", path, `{"quota_set":{"instances":"2","cores":5}}`)
	testx.Equal(t, []any{a.At("quota_set", "instances"), a.At("quota_set", "cores"), a.At("quota_set", "ram")}, []any{2.0, 5.0, 51200.0})
	testx.Equal(t, f.want(400, "admin", "", "PUT", path, `{"quota_set":{"instances":0}}`).Message(),
		"Quota limit 0 for instances must be greater than or equal to already used and reserved 1.")
	f.want(200, "admin", "", "PUT", path, `{"quota_set":{"instances":0,"force":true}}`)
	f.want(400, "admin", "", "PUT", path, `{"quota_set":{"instances":-2}}`)
	f.want(400, "admin", "", "PUT", path, `{"quota_set":{"nonsense":1}}`)
	f.want(400, "admin", "", "PUT", "/v2.1/os-quota-sets/"+strings.Repeat("x", 65), `{"quota_set":{"cores":5}}`)
	a = f.want(200, "admin", "", "GET", path+"/detail", "")
	testx.Equal(t, a.At("quota_set", "instances"), any(map[string]any{"limit": 0.0, "in_use": 1.0, "reserved": 0.0}))
	f.want(202, "admin", "", "DELETE", path, "")
	testx.Equal(t, f.want(200, "member", "", "GET", path+"/defaults", "").At("quota_set", "cores"), any(20.0))
	testx.Equal(t, f.want(200, "member", "", "GET", "/v2.1/limits", "").At("limits", "absolute", "maxTotalInstances"), any(10.0))
}

func TestQuotaClasses(t *testing.T) { t.Parallel(); each(t, testQuotaClasses) }

func testQuotaClasses(t *testing.T, f *fixture) {
	const path = "/v2.1/os-quota-class-sets/"
	names := func(version string) []string {
		set := f.want(200, "admin", version, "GET", path+"default", "").At("quota_class_set").(map[string]any)
		return slices.Sorted(maps.Keys(set))
	}
	base := []string{"cores", "id", "instances", "key_pairs", "metadata_items", "ram"}
	files := []string{"injected_file_content_bytes", "injected_file_path_bytes", "injected_files"}
	groups := []string{"server_group_members", "server_groups"}
	sorted := func(parts ...[]string) []string { return slices.Sorted(slices.Values(slices.Concat(parts...))) }
	testx.Equal(t, names("2.49"), sorted(base, files, []string{"fixed_ips", "floating_ips", "security_group_rules", "security_groups"}))
	testx.Equal(t, names("2.50"), sorted(base, files, groups))
	testx.Equal(t, names("2.57"), sorted(base, groups))
	f.want(400, "admin", "2.50", "PUT", path+"default", `{"quota_class_set":{"floating_ips":1}}`)
	f.want(200, "admin", "2.56", "PUT", path+"default", `{"quota_class_set":{"injected_files":1}}`)
	f.want(400, "admin", "2.57", "PUT", path+"default", `{"quota_class_set":{"injected_files":1}}`)
	f.want(400, "admin", "", "PUT", path+"default", `{"quota_class_set":{"cores":5,"force":true}}`)
	f.want(400, "admin", "", "PUT", path+"default", `{"quota_class_set":{"cores":-2}}`)
	f.want(400, "admin", "", "PUT", path+strings.Repeat("x", 256), `{"quota_class_set":{"cores":5}}`)
	f.want(403, "member", "", "GET", path+"default", "")
	f.want(403, "member", "", "PUT", path+"default", `{"quota_class_set":{"cores":5}}`)

	// What is set is the default of those without a limit of their own, at once.
	own, other := "/v2.1/os-quota-sets/"+p1, "/v2.1/os-quota-sets/"+p2
	f.want(200, "admin", "", "PUT", other, `{"quota_set":{"instances":3}}`)
	a := f.want(200, "admin", "2.1", "PUT", path+"default", `{"quota_class_set":{"instances":"1","server_groups":2}}`)
	testx.Equal(t, []any{a.At("quota_class_set", "instances"), a.At("quota_class_set", "id")}, []any{1.0, nil})
	testx.Equal(t, f.want(200, "admin", "2.50", "GET", path+"default", "").At("quota_class_set", "server_groups"), any(2.0))
	testx.Equal(t, f.want(200, "member", "", "GET", own, "").At("quota_set", "instances"), any(1.0))
	testx.Equal(t, f.want(200, "member", "", "GET", own+"/defaults", "").At("quota_set", "instances"), any(1.0))
	testx.Equal(t, f.want(200, "admin", "", "GET", other, "").At("quota_set", "instances"), any(3.0))
	f.create("")
	a = f.want(403, "member", latest, "POST", "/v2.1/servers", fmt.Sprintf(
		`{"server":{"name":"second","imageRef":"%s","flavorRef":"%s","networks":"none"}}`, imageID, f.flavor()))
	testx.Equal(t, a.Message(), "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances")

	// Another class is kept and is nobody's default.
	f.want(200, "admin", "", "PUT", path+"gold", `{"quota_class_set":{"cores":99}}`)
	testx.Equal(t, f.want(200, "admin", "", "GET", path+"gold", "").At("quota_class_set", "cores"), any(99.0))
	testx.Equal(t, f.want(200, "admin", "", "GET", path+"default", "").At("quota_class_set", "cores"), any(20.0))
}

func TestServerGroups(t *testing.T) { t.Parallel(); each(t, testServerGroups) }

func testServerGroups(t *testing.T, f *fixture) {
	a := f.want(200, "member", "2.64", "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"anti-affinity","rules":{"max_server_per_host":3}}}`)
	id := a.At("server_group", "id").(string)
	server := f.create(`},"os:scheduler_hints":{"group":"` + id + `"`)
	a = f.want(200, "member", "2.64", "GET", "/v2.1/os-server-groups/"+id, "")
	testx.Equal(t, a.At("server_group", "members"), any([]any{server}))
	testx.Equal(t, a.At("server_group", "rules", "max_server_per_host"), any(3.0))
	f.want(404, "foreign", "", "GET", "/v2.1/os-server-groups/"+id, "")
	f.want(404, "foreign", "", "DELETE", "/v2.1/os-server-groups/"+id, "")
	testx.Equal(t, len(f.want(200, "foreign", "", "GET", "/v2.1/os-server-groups?all_projects=1", "").At("server_groups").([]any)), 0)
	f.want(204, "member", "", "DELETE", "/v2.1/os-server-groups/"+id, "")
}

func TestUsage(t *testing.T) { t.Parallel(); each(t, testUsage) }

func testUsage(t *testing.T, f *fixture) {
	f.launch(f.create(""))
	a := f.want(200, "reader", "", "GET", "/v2.1/os-simple-tenant-usage/"+p1, "")
	testx.Equal(t, a.At("tenant_usage", "server_usages", 0, "state"), any("active"))
	f.want(403, "reader", "", "GET", "/v2.1/os-simple-tenant-usage/"+p2, "")
	testx.Equal(t, len(f.want(200, "admin", "", "GET", "/v2.1/os-simple-tenant-usage", "").At("tenant_usages").([]any)), 1)
	f.want(400, "admin", "", "GET", "/v2.1/os-simple-tenant-usage?start=never", "")
}

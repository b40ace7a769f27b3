package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nubo/internal/clock"
	"nubo/internal/db/dbtest"
	"nubo/placement/store"
)

// forms gives the candidates of a query, each as "host:VCPU=1,MEMORY_MB=2",
// sorted.
func (c *client) forms(names map[string]string, query string) []string {
	c.t.Helper()
	out := []string{}
	a := c.want(200, "GET", "/allocation_candidates?"+query, "")
	for _, one := range a.JSON["allocation_requests"].([]any) {
		var parts []string
		for provider, held := range one.(map[string]any)["allocations"].(map[string]any) {
			var amounts []string
			for class, amount := range held.(map[string]any)["resources"].(map[string]any) {
				amounts = append(amounts, fmt.Sprintf("%s=%.0f", class, amount))
			}
			slices.Sort(amounts)
			parts = append(parts, names[provider]+":"+strings.Join(amounts, ","))
			if a.JSON["provider_summaries"].(map[string]any)[provider] == nil {
				c.t.Errorf("%s: no summary of %s", query, provider)
			}
		}
		slices.Sort(parts)
		out = append(out, strings.Join(parts, " "))
	}
	slices.Sort(out)
	return out
}

func TestCandidates(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		names := map[string]string{}
		provider := func(name, parent, inventories string) string {
			uuid := c.provider(name, parent, inventories)
			names[uuid] = name
			return uuid
		}
		agg, agg2 := clock.NewID(), clock.NewID()
		a := provider("a", "", "VCPU:4,MEMORY_MB:1024,DISK_GB:100")
		b := provider("b", "", "VCPU:8,MEMORY_MB:512")
		tree := provider("tree", "", "DISK_GB:50")
		n0 := provider("n0", tree, "VCPU:2,MEMORY_MB:2048")
		n1 := provider("n1", tree, "VCPU:2,MEMORY_MB:2048")
		nic := provider("nic", n1, "SRIOV_NET_VF:2")
		c.traits(a, "HW_CPU_X86_AVX2", "COMPUTE_NODE")
		c.traits(n1, "HW_CPU_X86_AVX2")
		c.traits(tree, "COMPUTE_NODE")
		c.aggregates(b, agg)
		c.aggregates(tree, agg2)
		c.aggregates(n0, agg)
		consumer := clock.NewID()
		c.want(204, "PUT", "/allocations/"+consumer, claimBody(b, `"VCPU":5`, "null"))

		for query, want := range map[string][]string{
			"resources=VCPU:1":                          {"a:VCPU=1", "b:VCPU=1", "n0:VCPU=1", "n1:VCPU=1"},
			"resources=VCPU:4":                          {"a:VCPU=4"},
			"resources=VCPU:3&required=!COMPUTE_NODE":   {"b:VCPU=3"},
			"resources=VCPU:9":                          {},
			"resources=VCPU:1,MEMORY_MB:512":            {"a:MEMORY_MB=512,VCPU=1", "b:MEMORY_MB=512,VCPU=1", "n0:MEMORY_MB=512 n1:VCPU=1", "n0:MEMORY_MB=512,VCPU=1", "n0:VCPU=1 n1:MEMORY_MB=512", "n1:MEMORY_MB=512,VCPU=1"},
			"resources1=VCPU:1,MEMORY_MB:2048":          {"n0:MEMORY_MB=2048,VCPU=1", "n1:MEMORY_MB=2048,VCPU=1"},
			"resources=VCPU:1&required=HW_CPU_X86_AVX2": {"a:VCPU=1", "n1:VCPU=1"},
			"resources=VCPU:1&required=in:HW_CPU_X86_AVX2,HW_CPU_X86_SSE&required=!COMPUTE_NODE":                  {"n1:VCPU=1"},
			"resources=VCPU:1&root_required=COMPUTE_NODE":                                                         {"a:VCPU=1", "n0:VCPU=1", "n1:VCPU=1"},
			"resources=VCPU:1&root_required=!COMPUTE_NODE":                                                        {"b:VCPU=1"},
			"resources=VCPU:1&member_of=" + agg:                                                                   {"b:VCPU=1", "n0:VCPU=1"},
			"resources=VCPU:1&member_of=" + agg2:                                                                  {"n0:VCPU=1", "n1:VCPU=1"}, // the root lends it
			"resources1=VCPU:1&member_of1=" + agg2:                                                                {},                         // but not to a group with a suffix
			"resources=VCPU:1&member_of=in:" + agg + "," + agg2:                                                   {"b:VCPU=1", "n0:VCPU=1", "n1:VCPU=1"},
			"resources=VCPU:1&member_of=!" + agg:                                                                  {"a:VCPU=1", "n1:VCPU=1"},
			"resources=VCPU:1&in_tree=" + nic:                                                                     {"n0:VCPU=1", "n1:VCPU=1"},
			"resources=VCPU:1&in_tree=" + clock.NewID():                                                           {},
			"resources1=VCPU:2&resources2=VCPU:2&group_policy=none":                                               {"a:VCPU=4", "n0:VCPU=2 n1:VCPU=2", "n0:VCPU=2 n1:VCPU=2"},
			"resources1=VCPU:1&resources2=VCPU:1&group_policy=isolate":                                            {"n0:VCPU=1 n1:VCPU=1", "n0:VCPU=1 n1:VCPU=1"},
			"resources=DISK_GB:10&resources1=VCPU:1&resources2=SRIOV_NET_VF:1&group_policy=none&same_subtree=1,2": {"n1:VCPU=1 nic:SRIOV_NET_VF=1 tree:DISK_GB=10"},
			"resources1=VCPU:1&required_N=HW_CPU_X86_AVX2&same_subtree=1,_N&group_policy=none":                    {"a:VCPU=1", "n1:VCPU=1"},
		} {
			if got := c.forms(names, query); !slices.Equal(got, want) {
				t.Errorf("%s:\n got %v\nwant %v", query, got, want)
			}
		}
		// before 1.29 nothing is put together from a tree
		old := c.at("1.28").want(200, "GET", "/allocation_candidates?resources=VCPU:1,DISK_GB:10", "")
		if n := len(old.JSON["allocation_requests"].([]any)); n != 1 || strings.Contains(old.Text, "root_provider_uuid") {
			t.Errorf("1.28 has %s", old.Text)
		}
		c.want(200, "GET", "/allocation_candidates?resources=VCPU:1&limit=1", "", `"mappings": {"": ["`)
		if n := len(c.forms(names, "resources=VCPU:1&limit=2")); n != 2 {
			t.Errorf("limit 2 gives %d", n)
		}
		c.want(200, "GET", "/allocation_candidates?resources=VCPU:3&required=!COMPUTE_NODE", "", `"VCPU": {"capacity": 8, "used": 5}`, `"MEMORY_MB": {"capacity": 512, "used": 0}`)
		compact := c.at("1.16").want(200, "GET", "/allocation_candidates?resources=VCPU:3", "")
		if strings.Contains(compact.Text, "MEMORY_MB") || strings.Contains(compact.Text, "traits") {
			t.Errorf("1.16 has %s", compact.Text)
		}
		c.at("1.10").want(200, "GET", "/allocation_candidates?resources=VCPU:4", "", `[{"allocations": [{"resource_provider": {"uuid": "`+a+`"}, "resources": {"VCPU": 4}}]}]`)
	})
}

func TestCandidateErrors(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		for query, text := range map[string]string{
			"":                                        "There must be at least one resources or resources[$S] parameter",
			"resources=":                              "Got: empty string.",
			"resources=VCPU":                          "Badly formed resources parameter",
			"resources=VCPU:x":                        "expected positive integer amount. Got: x.",
			"resources=VCPU:0":                        "requires amount >= 1. Got: 0.",
			"resources=NOPE:1":                        "No such resource class NOPE",
			"resources=CUSTOM_NOPE:1":                 "No such resource class CUSTOM_NOPE",
			"resources=VCPU:1&limit=0":                "does not match",
			"resources=VCPU:1&required=":              "Expected 'required' parameter value of the form",
			"resources=VCPU:1&required=NOPE":          "No such trait(s): NOPE.",
			"resources=VCPU:1&required=in:A,":         "Got an empty trait",
			"resources=VCPU:1&member_of=x":            "valid UUID(s)",
			"resources=VCPU:1&in_tree=x":              "to be a format of uuid",
			"resources=VCPU:1&nope=1":                 "'nope' does not match any of the regexes",
			"resources=VCPU:1&group_policy=all":       "is not one of ['none', 'isolate']",
			"resources1=VCPU:1&resources2=VCPU:1":     `"group_policy" parameter is required`,
			"resources=VCPU:1&required1=COMPUTE_NODE": "Resourceless suffixed group request should be specified",
			"resources=VCPU:1&required=COMPUTE_NODE,!COMPUTE_NODE":                   "Conflicting required and forbidden traits",
			"resources=VCPU:1&same_subtree=_a":                                       "Real suffixes should be specified",
			"resources=VCPU:1&root_required=COMPUTE_NODE&root_required=COMPUTE_NODE": "may be specified only once",
			"resources=VCPU:1&%zz":                                                   "Invalid query string parameters",
		} {
			a := c.do("GET", "/allocation_candidates?"+query, "")
			got := a.Text
			if errs, ok := a.JSON["errors"].([]any); ok {
				got, _ = errs[0].(map[string]any)["detail"].(string)
			}
			if a.Status != 400 || !strings.Contains(got, text) {
				t.Errorf("%s: got %d %s; want 400 with %q", query, a.Status, got, text)
			}
		}
		c.at("1.21").want(400, "GET", "/allocation_candidates?resources=VCPU:1&required=!COMPUTE_NODE", "")
		c.at("1.15").want(400, "GET", "/allocation_candidates?resources=VCPU:1&limit=1", "", "'limit' does not match any of the regexes")
		c.at("1.9").want(404, "GET", "/allocation_candidates?resources=VCPU:1", "")
		old := c.at("1.35")
		old.want(400, "GET", "/allocation_candidates", "", "At least one request group")
		old.want(400, "GET", "/allocation_candidates?resources=VCPU:1&required1=COMPUTE_NODE&required2=COMPUTE_NODE&group_policy=none", "", "orphaned traits keys: required1, required2")
		old.want(400, "GET", "/allocation_candidates?resources=VCPU:1&member_of1="+clock.NewID(), "", "orphaned member_of keys: member_of1")
		old.want(400, "GET", "/allocation_candidates?resources=VCPU:1&in_tree1="+clock.NewID(), "", "All request groups must specify resources.")
		c.at("1.24").want(400, "GET", "/allocation_candidates", "", "'resources' is a required property")
	})
}

// hundred makes 100 hosts.
func hundred(b *testing.B) *client {
	c := newClient(b, dbtest.Open(b, store.Migrations))
	for i := range 100 {
		uuid := c.provider(fmt.Sprintf("host%d", i), "", "VCPU:100000,MEMORY_MB:10000000,DISK_GB:1000000")
		c.traits(uuid, "COMPUTE_NODE", "HW_CPU_X86_AVX2", "COMPUTE_IMAGE_TYPE_QCOW2")
	}
	return c
}

func BenchmarkCandidates(b *testing.B) {
	for version, query := range map[string]string{"1.16": "limit=1000", "1.39": "required=COMPUTE_NODE"} {
		b.Run(version, func(b *testing.B) {
			c := hundred(b).at(version)
			for b.Loop() {
				c.want(200, "GET", "/allocation_candidates?resources=DISK_GB:1,MEMORY_MB:64,VCPU:1&"+query, "")
			}
		})
	}
}

func BenchmarkClaim(b *testing.B) {
	c := hundred(b)
	var uuids []string
	for _, p := range c.want(200, "GET", "/resource_providers", "").JSON["resource_providers"].([]any) {
		uuids = append(uuids, p.(map[string]any)["uuid"].(string))
	}
	i := 0
	for b.Loop() {
		i++
		c.want(204, "PUT", "/allocations/"+clock.NewID(), claimBody(uuids[i%100], `"VCPU":1,"MEMORY_MB":64,"DISK_GB":1`, "null"))
	}
}

package api_test

import (
	"fmt"
	"strings"
	"testing"

	"nubo/internal/clock"
	"nubo/internal/testx"
)

// TestReshaper moves what a server has from a host to a part of the host.
func TestReshaper(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		host := c.provider("host", "", "VCPU:8,DISK_GB:100")
		numa := c.provider("numa", host, "")
		consumer := clock.NewID()
		c.want(204, "PUT", "/allocations/"+consumer, claimBody(host, `"VCPU":4,"DISK_GB":10`, "null"))
		service := c.as("service")
		shapes := func(hostGeneration, numaTotal int) string {
			return fmt.Sprintf(`"inventories":{%q:{"resource_provider_generation":%d,"inventories":{"DISK_GB":{"total":100}}},
				%q:{"resource_provider_generation":0,"inventories":{"VCPU":{"total":%d}}}}`, host, hostGeneration, numa, numaTotal)
		}
		claims := fmt.Sprintf(`"allocations":{%q:{"allocations":{%q:{"resources":{"DISK_GB":10}},%q:{"resources":{"VCPU":4}}},
			"project_id":"p3","user_id":"u3","consumer_generation":1,"consumer_type":"INSTANCE"}}`, consumer, host, numa)
		body := func(parts ...string) string { return "{" + strings.Join(parts, ",") + "}" }
		generation := c.generation(host)
		before := c.want(200, "GET", "/resource_providers/"+host+"/inventories", "").Text
		c.want(403, "POST", "/reshaper", body(shapes(generation, 8), claims), "placement:reshaper:reshape")
		service.at("1.29").want(404, "POST", "/reshaper", "{}")
		service.want(405, "GET", "/reshaper", "")
		service.want(400, "POST", "/reshaper", body(shapes(generation, 8)), "'allocations' is a required property")
		service.want(400, "POST", "/reshaper", `{"inventories":{},"allocations":{}}`)
		service.at("1.37").want(400, "POST", "/reshaper", body(shapes(generation, 8), claims), "'consumer_type' was unexpected")
		service.want(409, "POST", "/reshaper", body(shapes(generation-1, 8), claims), "placement.concurrent_update", fmt.Sprintf("actual: %d, given: %d", generation, generation-1))
		service.want(409, "POST", "/reshaper", body(shapes(generation, 8), strings.Replace(claims, `"consumer_generation":1`, `"consumer_generation":7`, 1)), "consumer generation conflict")
		service.want(409, "POST", "/reshaper", body(shapes(generation, 8), `"allocations":{}`), "placement.inventory.inuse")
		service.want(409, "POST", "/reshaper", body(shapes(generation, 3), claims), "would exceed the capacity")
		service.want(400, "POST", "/reshaper", body(strings.Replace(shapes(generation, 8), numa, clock.NewID(), 1), claims), "placement.resource_provider.not_found")
		service.want(400, "POST", "/reshaper", body(strings.Replace(shapes(generation, 8), `"VCPU"`, `"NOPE"`, 1), claims), "No such resource class NOPE")
		testx.Equal(t, c.want(200, "GET", "/resource_providers/"+host+"/inventories", "").Text, before)

		service.want(204, "POST", "/reshaper", body(shapes(generation, 8), claims))
		c.want(200, "GET", "/resource_providers/"+host+"/usages", "", `"usages":{"DISK_GB":10}`, fmt.Sprintf(`"resource_provider_generation":%d`, generation+3))
		c.want(200, "GET", "/resource_providers/"+numa+"/usages", "", `"usages":{"VCPU":4}`, `"resource_provider_generation":3`)
		c.want(200, "GET", "/allocations/"+consumer, "", `"consumer_generation":2`)
		c.want(200, "GET", "/resource_providers/"+numa+"/inventories", "", `"total":8`)
		// and the way back, to a state with one inventory less
		back := fmt.Sprintf(`{"inventories":{%q:{"resource_provider_generation":%d,"inventories":{"DISK_GB":{"total":100},"VCPU":{"total":8}}},
			%q:{"resource_provider_generation":3,"inventories":{}}},"allocations":{%q:{"allocations":{%q:{"resources":{"VCPU":4,"DISK_GB":10}}},
			"project_id":"p3","user_id":"u3","consumer_generation":2,"consumer_type":"INSTANCE"}}}`, host, generation+3, numa, consumer, host)
		service.want(204, "POST", "/reshaper", back)
		c.want(200, "GET", "/resource_providers/"+numa+"/usages", "", `"usages":{}`)
	})
}

// TestSharing has hosts without disks take theirs from a pool.
func TestSharing(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		h1, h2 := c.provider("host1", "", "VCPU:8"), c.provider("host2", "", "VCPU:8,DISK_GB:50")
		pool := c.provider("pool", "", "DISK_GB:1000")
		share := func(provider string) {
			c.want(200, "PUT", "/resource_providers/"+provider+"/aggregates",
				fmt.Sprintf(`{"aggregates":["11111111-0000-4000-8000-000000000001"],"resource_provider_generation":%d}`, c.generation(provider)))
		}
		count := func(query string, candidates, providers int) {
			t.Helper()
			a := c.want(200, "GET", "/allocation_candidates?"+query, "")
			got, _ := a.JSON["allocation_requests"].([]any)
			shown, _ := a.JSON["provider_summaries"].(map[string]any)
			if len(got) != candidates || len(shown) != providers {
				t.Errorf("%s: got %d candidates of %d providers; want %d of %d: %s", query, len(got), len(shown), candidates, providers, a.Text)
			}
		}
		count("resources=VCPU:1,DISK_GB:10", 1, 1)
		share(pool)
		share(h1)
		count("resources=VCPU:1,DISK_GB:10", 1, 1) // no one shares yet
		c.want(200, "PUT", "/resource_providers/"+pool+"/traits", fmt.Sprintf(`{"traits":["MISC_SHARES_VIA_AGGREGATE"],"resource_provider_generation":%d}`, c.generation(pool)))
		count("resources=VCPU:1,DISK_GB:10", 2, 3)
		share(h2)
		count("resources=VCPU:1,DISK_GB:10", 3, 3)
		count("resources=VCPU:1,DISK_GB:60", 2, 3)
		count("resources=DISK_GB:10", 2, 2) // the pool once, though three trees reach it
		count("resources=VCPU:1,DISK_GB:10&in_tree="+h1, 0, 0)
		count("resources=VCPU:1&resources_D=DISK_GB:10&in_tree_D="+pool, 2, 3)
		count("resources=VCPU:1&resources_D=DISK_GB:10&required_D=MISC_SHARES_VIA_AGGREGATE&in_tree="+h2, 1, 2)
		c.version = "1.28"
		count("resources=VCPU:1,DISK_GB:10", 3, 3)
	})
}

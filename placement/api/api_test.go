package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/policy"
	"nubo/internal/testx"
	"nubo/placement"
	"nubo/placement/api"
	"nubo/placement/store"
)

// personas are the callers of the tests, by token.
var personas = map[string]auth.Context{
	"admin":   {UserID: "u1", ProjectID: "p1", Roles: []string{"admin", "manager", "member", "reader"}},
	"service": {UserID: "u2", ProjectID: "services", Roles: []string{"service"}},
	"member":  {UserID: "u3", ProjectID: "p3", Roles: []string{"member", "reader"}},
	"reader":  {UserID: "u4", ProjectID: "p3", Roles: []string{"reader"}},
	"system":  {UserID: "u1", System: true, Roles: []string{"admin"}},
}

type authenticator struct{}

func (authenticator) Authenticate(r *http.Request) (*auth.Context, error) {
	c, ok := personas[r.Header.Get("X-Auth-Token")]
	if !ok {
		return nil, fault.New(fault.Unauthorized, "who?")
	}
	return &c, nil
}

type client struct {
	t       testing.TB
	h       http.Handler
	svc     *placement.Service
	token   string
	version string
}

func newClient(t testing.TB, d *db.DB) *client {
	t.Helper()
	svc, err := placement.New(placement.Config{}, placement.Deps{Store: store.New(d)})
	testx.NoErr(t, err)
	rules, err := policy.NewEnforcer("placement", api.Rules())
	testx.NoErr(t, err)
	h, err := api.New(svc, authenticator{}, rules, slog.New(slog.DiscardHandler)).Handler()
	testx.NoErr(t, err)
	return &client{t: t, h: h, svc: svc, token: "admin", version: "1.39"}
}

// each runs a test on every database there is.
func each(t *testing.T, test func(t *testing.T, c *client)) {
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) { test(t, newClient(t, d)) })
}

// as is the client with another token.
func (c client) as(token string) *client { c.token = token; return &c }

// at is the client at another microversion.
func (c client) at(version string) *client { c.version = version; return &c }

// answer is what came back.
type answer = testx.Answer

func (c *client) do(method, path, body string) answer {
	c.t.Helper()
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	return testx.Ask(c.t, c.h, method, path, strings.NewReader(body), "X-Auth-Token", c.token, "OpenStack-API-Version", "placement "+c.version, "Content-Type", contentType)
}

// want fails unless the answer has the status and contains all texts.
func (c *client) want(status int, method, path, body string, texts ...string) answer {
	c.t.Helper()
	a := c.do(method, path, body)
	if a.Status != status {
		c.t.Fatalf("%s %s: got %d %s; want %d", method, path, a.Status, a.Text, status)
	}
	for _, text := range texts {
		if !strings.Contains(a.Text, text) {
			c.t.Fatalf("%s %s: got %s; want %q in it", method, path, a.Text, text)
		}
	}
	return a
}

// provider makes a provider with inventories such as "VCPU:4,DISK_GB:100".
func (c *client) provider(name, parent, inventories string) string {
	c.t.Helper()
	uuid := clock.NewID()
	body := fmt.Sprintf(`{"name":%q,"uuid":%q}`, name, uuid)
	if parent != "" {
		body = fmt.Sprintf(`{"name":%q,"uuid":%q,"parent_provider_uuid":%q}`, name, uuid, parent)
	}
	c.want(200, "POST", "/resource_providers", body)
	if inventories == "" {
		return uuid
	}
	var parts []string
	for _, i := range strings.Split(inventories, ",") {
		class, total, _ := strings.Cut(i, ":")
		parts = append(parts, fmt.Sprintf(`%q:{"total":%s}`, class, total))
	}
	c.want(200, "PUT", "/resource_providers/"+uuid+"/inventories",
		`{"resource_provider_generation":0,"inventories":{`+strings.Join(parts, ",")+`}}`)
	return uuid
}

// generation reads a provider's.
func (c *client) generation(uuid string) int {
	c.t.Helper()
	return int(c.want(200, "GET", "/resource_providers/"+uuid, "").JSON["generation"].(float64))
}

func (c *client) traits(uuid string, names ...string) {
	c.t.Helper()
	list, _ := json.Marshal(names)
	c.want(200, "PUT", "/resource_providers/"+uuid+"/traits", fmt.Sprintf(`{"resource_provider_generation":%d,"traits":%s}`, c.generation(uuid), list))
}

func (c *client) aggregates(uuid string, uuids ...string) {
	c.t.Helper()
	list, _ := json.Marshal(uuids)
	c.want(200, "PUT", "/resource_providers/"+uuid+"/aggregates", fmt.Sprintf(`{"resource_provider_generation":%d,"aggregates":%s}`, c.generation(uuid), list))
}

// claimBody is the newest form of an allocation of one provider.
func claimBody(provider, resources, generation string) string {
	return fmt.Sprintf(`{"allocations":{%q:{"resources":{%s}}},"project_id":"p3","user_id":"u3","consumer_generation":%s,"consumer_type":"INSTANCE"}`,
		provider, resources, generation)
}

func TestProviders(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		c.as("").want(200, "GET", "/", "", `"max_version":"1.39"`)
		root := c.provider("host1", "", "VCPU:4,MEMORY_MB:1024")
		child := c.provider("host1-numa0", root, "")
		c.want(409, "POST", "/resource_providers", `{"name":"host1"}`, "Conflicting resource provider name: host1 already exists.", "placement.duplicate_name")
		c.want(409, "POST", "/resource_providers", `{"name":"x","uuid":"`+root+`"}`, "uuid: "+root)
		a := c.want(200, "GET", "/resource_providers/"+child, "", `"root_provider_uuid":"`+root+`"`, `"parent_provider_uuid":"`+root+`"`)
		if a.Header.Get("Last-Modified") == "" || a.Header.Get("Cache-Control") != "no-cache" {
			t.Fatalf("headers %v", a.Header)
		}
		old := c.at("1.0").want(200, "GET", "/resource_providers/"+child, "")
		if len(old.JSON["links"].([]any)) != 3 || old.JSON["root_provider_uuid"] != nil {
			t.Fatalf("1.0 shows %s", old.Text)
		}
		c.at("1.19").want(201, "POST", "/resource_providers", `{"name":"older"}`)

		for query, want := range map[string]int{
			"": 3, "?name=host1": 1, "?uuid=" + child: 1, "?in_tree=" + child: 2, "?resources=VCPU:4": 1, "?resources=VCPU:5": 0,
			"?in_tree=" + clock.NewID(): 0,
		} {
			got := c.want(200, "GET", "/resource_providers"+query, "").JSON["resource_providers"].([]any)
			if len(got) != want {
				t.Errorf("%s: got %d providers; want %d", query, len(got), want)
			}
		}
		c.want(400, "GET", "/resource_providers?nope=1", "", "'nope' was unexpected")
		c.want(400, "GET", "/resource_providers?resources=NOPE:1", "", "No such resource class NOPE")
		c.at("1.3").want(400, "GET", "/resource_providers?resources=VCPU:1", "")

		c.want(400, "PUT", "/resource_providers/"+root, `{"name":"host1","parent_provider_uuid":"`+child+`"}`, "creating loop")
		other := c.provider("host2", "", "")
		c.at("1.36").want(400, "PUT", "/resource_providers/"+child, `{"name":"numa","parent_provider_uuid":"`+other+`"}`, "re-parenting a provider is not currently allowed")
		grandchild := c.provider("host1-numa0-pci", child, "")
		c.want(200, "PUT", "/resource_providers/"+child, `{"name":"numa","parent_provider_uuid":"`+other+`"}`, `"root_provider_uuid":"`+other+`"`)
		c.want(200, "GET", "/resource_providers/"+grandchild, "", `"root_provider_uuid":"`+other+`"`)
		c.want(409, "DELETE", "/resource_providers/"+other, "", "It has child resource providers.")
		c.want(200, "PUT", "/resource_providers/"+child, `{"name":"numa","parent_provider_uuid":null}`, `"root_provider_uuid":"`+child+`"`)
		c.want(204, "DELETE", "/resource_providers/"+other, "")
		c.want(404, "DELETE", "/resource_providers/"+other, "", "found for delete")
		c.want(404, "GET", "/resource_providers/"+other, "", "No resource provider with uuid "+other+" found")
		c.want(400, "POST", "/resource_providers", `{"name":"y","parent_provider_uuid":"`+other+`"}`, "parent provider UUID does not exist.")
	})
}

func TestInventories(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		p := c.provider("host1", "", "VCPU:4")
		base := "/resource_providers/" + p + "/inventories"
		c.want(200, "GET", base, "", `"resource_provider_generation":1`, `"max_unit":2147483647`, `"allocation_ratio":1`)
		c.want(409, "PUT", base, `{"resource_provider_generation":0,"inventories":{}}`, "placement.concurrent_update", "resource provider generation conflict")
		c.want(200, "PUT", base+"/VCPU", `{"resource_provider_generation":1,"total":8,"allocation_ratio":2.5}`, `"resource_provider_generation":2`, `"total":8`)
		c.want(400, "PUT", base+"/DISK_GB", `{"resource_provider_generation":2,"total":8}`, "No inventory record with resource class")
		c.want(201, "POST", base, `{"resource_class":"DISK_GB","total":100,"reserved":10}`)
		c.want(400, "PUT", base+"/DISK_GB", `{"resource_provider_generation":3,"total":8,"reserved":9}`, "The reserved value is greater than total.")
		c.at("1.25").want(400, "PUT", base+"/DISK_GB", `{"resource_provider_generation":3,"total":8,"reserved":8}`, "greater than or equal to total")
		c.want(400, "PUT", base, `{"resource_provider_generation":3,"inventories":{"NOPE":{"total":1}}}`, "No such resource class NOPE")
		c.want(400, "PUT", base, `{"resource_provider_generation":3,"inventories":{"VCPU":{"total":0}}}`, "JSON does not validate", "0 is less than the minimum of 1")
		c.want(200, "GET", base+"/DISK_GB", "", `"reserved":10`)

		// what is used can neither be removed nor lost
		consumer := clock.NewID()
		c.want(204, "PUT", "/allocations/"+consumer, claimBody(p, `"VCPU":20`, "null"))
		c.want(409, "DELETE", base+"/VCPU", "", "Inventory for 'VCPU' on resource provider '"+p+"' in use.")
		c.want(409, "DELETE", base, "", "placement.inventory.inuse")
		c.want(409, "PUT", base, fmt.Sprintf(`{"resource_provider_generation":%d,"inventories":{}}`, c.generation(p)), "placement.inventory.inuse")
		c.want(200, "PUT", base, fmt.Sprintf(`{"resource_provider_generation":%d,"inventories":{"VCPU":{"total":4}}}`, c.generation(p)))
		c.want(200, "GET", "/resource_providers/"+p+"/usages", "", `"VCPU":20`)
		c.want(409, "DELETE", "/resource_providers/"+p, "", "Resource provider has allocations.", "placement.resource_provider.inuse")
		// over its capacity, a claim may shrink but not grow
		c.want(409, "PUT", "/allocations/"+consumer, claimBody(p, `"VCPU":21`, "1"), "would exceed the capacity")
		c.want(204, "PUT", "/allocations/"+consumer, claimBody(p, `"VCPU":19`, "1"))
		c.want(204, "DELETE", "/allocations/"+consumer, "")
		c.want(204, "DELETE", base+"/VCPU", "")
		c.want(404, "DELETE", base+"/VCPU", "", "No inventory of class VCPU found for delete")
		c.at("1.4").want(405, "DELETE", base, "")
		c.want(204, "DELETE", base, "")
		c.want(404, "GET", base+"/VCPU", "", "No inventory of class VCPU for "+p)
		c.want(204, "DELETE", "/resource_providers/"+p, "")
	})
}

func TestAllocations(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		p := c.provider("host1", "", "VCPU:4,MEMORY_MB:1024")
		consumer := clock.NewID()
		path := "/allocations/" + consumer
		c.want(200, "GET", path, "", `{"allocations":{}}`)
		c.want(404, "DELETE", path, "", "No allocations for consumer '"+consumer+"'")
		c.want(409, "PUT", path, claimBody(p, `"VCPU":1`, "3"), "expected null but got 3", "placement.concurrent_update")
		c.want(409, "PUT", path, claimBody(p, `"VCPU":5`, "null"), "Unable to create allocation for 'VCPU' on resource provider '"+p+"'. The requested amount would exceed the capacity.")
		c.want(409, "PUT", path, claimBody(p, `"DISK_GB":5`, "null"), "Inventory for 'DISK_GB' on resource provider '"+p+"' invalid.")
		c.want(400, "PUT", path, claimBody(p, `"CUSTOM_NOPE":5`, "null"), "No such resource class CUSTOM_NOPE")
		c.want(400, "PUT", path, claimBody(clock.NewID(), `"VCPU":1`, "null"), "that does not exist.")
		c.want(400, "PUT", "/allocations/nope", claimBody(p, `"VCPU":1`, "null"), "Malformed consumer_uuid: nope")
		c.want(200, "GET", path, "", `{"allocations":{}}`) // nothing of it all was kept
		before := c.generation(p)
		c.want(204, "PUT", path, claimBody(p, `"VCPU":3,"MEMORY_MB":512`, "null"))
		if after := c.generation(p); after != before+1 {
			t.Fatalf("the provider's generation went from %d to %d", before, after)
		}
		c.want(200, "GET", path, "", `"VCPU":3`, `"MEMORY_MB":512`, `"project_id":"p3"`, `"consumer_generation":1`, `"consumer_type":"INSTANCE"`)
		if got := c.at("1.11").want(200, "GET", path, ""); got.JSON["project_id"] != nil {
			t.Fatalf("1.11 shows %s", got.Text)
		}
		c.want(409, "PUT", path, claimBody(p, `"VCPU":1`, "null"), "expected 1 but got None")
		c.want(204, "PUT", path, claimBody(p, `"VCPU":4`, "1"))
		c.want(200, "GET", "/resource_providers/"+p+"/usages", "", `"VCPU":4`, `"MEMORY_MB":0`)
		c.want(200, "GET", "/resource_providers/"+p+"/allocations", "", consumer, `"consumer_generation":2`)

		// older bodies
		other := clock.NewID()
		c.at("1.0").want(204, "PUT", "/allocations/"+other, fmt.Sprintf(`{"allocations":[{"resource_provider":{"uuid":%q},"resources":{"MEMORY_MB":256}}]}`, p))
		c.at("1.8").want(400, "PUT", "/allocations/"+other, fmt.Sprintf(`{"allocations":[{"resource_provider":{"uuid":%q},"resources":{"MEMORY_MB":256}}]}`, p), "'project_id' is a required property")
		c.at("1.12").want(204, "PUT", "/allocations/"+other, fmt.Sprintf(`{"allocations":{%q:{"resources":{"MEMORY_MB":128}}},"project_id":"p3","user_id":"u4"}`, p))
		c.want(200, "GET", "/allocations/"+other, "", `"consumer_type":"unknown"`)
		c.at("1.12").want(400, "PUT", "/allocations/"+other, `{"allocations":{},"project_id":"p3","user_id":"u4"}`)

		// usages by project
		c.as("reader").want(200, "GET", "/usages?project_id=p3", "", `"INSTANCE":{"VCPU":4,"consumer_count":1}`, `"unknown":{"MEMORY_MB":128,"consumer_count":1}`)
		c.want(200, "GET", "/usages?project_id=p3&consumer_type=all", "", `{"usages":{"all":{"MEMORY_MB":128,"VCPU":4,"consumer_count":2}}}`)
		c.want(200, "GET", "/usages?project_id=p3&consumer_type=unknown&user_id=u4", "", `{"usages":{"unknown":{"MEMORY_MB":128,"consumer_count":1}}}`)
		c.at("1.37").want(200, "GET", "/usages?project_id=p3", "", `{"usages":{"MEMORY_MB":128,"VCPU":4}}`)
		c.as("reader").want(403, "GET", "/usages?project_id=p1", "")
		c.want(400, "GET", "/usages", "", "'project_id' is a required property")

		// several at once, all or nothing
		third := clock.NewID()
		move := func(vcpu int) string {
			return fmt.Sprintf(`{%q:{"allocations":{},"project_id":"p3","user_id":"u3","consumer_generation":2,"consumer_type":"INSTANCE"},%q:%s}`,
				consumer, third, claimBody(p, fmt.Sprintf(`"VCPU":%d`, vcpu), "null"))
		}
		c.want(409, "POST", "/allocations", move(5), "would exceed the capacity")
		c.want(200, "GET", path, "", `"VCPU":4`)
		c.want(204, "POST", "/allocations", move(4))
		c.want(200, "GET", path, "", `{"allocations":{}}`)
		c.want(200, "GET", "/allocations/"+third, "", `"VCPU":4`)
		c.want(204, "PUT", "/allocations/"+third, `{"allocations":{},"project_id":"p3","user_id":"u3","consumer_generation":1,"consumer_type":"INSTANCE"}`)
		c.want(200, "GET", "/resource_providers/"+p+"/usages", "", `"VCPU":0`)
	})
}

func TestConstraints(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		p := c.provider("host1", "", "")
		c.want(200, "PUT", "/resource_providers/"+p+"/inventories",
			`{"resource_provider_generation":0,"inventories":{"DISK_GB":{"total":100,"min_unit":10,"max_unit":50,"step_size":5,"reserved":20}}}`)
		for amount, ok := range map[int]bool{5: false, 10: true, 12: false, 50: true, 55: false} {
			consumer := clock.NewID()
			body := claimBody(p, fmt.Sprintf(`"DISK_GB":%d`, amount), "null")
			found := len(c.want(200, "GET", fmt.Sprintf("/allocation_candidates?resources=DISK_GB:%d", amount), "").JSON["allocation_requests"].([]any)) == 1
			if found != ok {
				t.Errorf("%d: candidate %v; want %v", amount, found, ok)
			}
			if !ok {
				c.want(409, "PUT", "/allocations/"+consumer, body, "would violate inventory constraints")
				continue
			}
			c.want(204, "PUT", "/allocations/"+consumer, body)
			c.want(204, "DELETE", "/allocations/"+consumer, "")
		}
	})
}

func TestLabels(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		c.want(201, "PUT", "/traits/CUSTOM_GOLD", "")
		c.want(204, "PUT", "/traits/CUSTOM_GOLD", "")
		c.want(400, "PUT", "/traits/GOLD", "", "start with the prefix")
		c.want(204, "GET", "/traits/HW_CPU_X86_AVX2", "")
		c.want(404, "GET", "/traits/NOPE", "", "No such trait(s): NOPE.")
		p := c.provider("host1", "", "VCPU:1")
		c.traits(p, "CUSTOM_GOLD", "HW_CPU_X86_AVX2")
		c.want(400, "PUT", "/resource_providers/"+p+"/traits", fmt.Sprintf(`{"resource_provider_generation":%d,"traits":["CUSTOM_NOPE"]}`, c.generation(p)), "No such trait CUSTOM_NOPE")
		c.want(409, "PUT", "/resource_providers/"+p+"/traits", `{"resource_provider_generation":0,"traits":[]}`, "placement.concurrent_update")
		c.want(200, "GET", "/resource_providers/"+p+"/traits", "", `"traits":["CUSTOM_GOLD","HW_CPU_X86_AVX2"]`)
		c.want(200, "GET", "/traits?name=startswith:CUSTOM_", "", `{"traits":["CUSTOM_GOLD"]}`)
		c.want(200, "GET", "/traits?associated=true", "", `{"traits":["CUSTOM_GOLD","HW_CPU_X86_AVX2"]}`)
		c.want(200, "GET", "/traits?name=in:CUSTOM_GOLD,COMPUTE_NODE", "", `{"traits":["COMPUTE_NODE","CUSTOM_GOLD"]}`)
		c.want(400, "GET", "/traits?associated=perhaps", "")
		c.want(409, "DELETE", "/traits/CUSTOM_GOLD", "", "is in use by a resource provider")
		c.want(400, "DELETE", "/traits/COMPUTE_NODE", "", "Cannot delete standard trait")
		c.want(204, "DELETE", "/resource_providers/"+p+"/traits", "")
		c.want(204, "DELETE", "/traits/CUSTOM_GOLD", "")

		c.want(201, "PUT", "/resource_classes/CUSTOM_FPGA", "")
		c.want(204, "PUT", "/resource_classes/CUSTOM_FPGA", "")
		c.want(409, "POST", "/resource_classes", `{"name":"CUSTOM_FPGA"}`, "Conflicting resource class already exists")
		c.want(400, "POST", "/resource_classes", `{"name":"FPGA2"}`, "JSON does not validate")
		c.want(200, "GET", "/resource_classes", "", `"VCPU"`, `"CUSTOM_FPGA"`)
		c.want(200, "GET", "/resource_classes/CUSTOM_FPGA", "", `"/resource_classes/CUSTOM_FPGA"`)
		c.want(400, "DELETE", "/resource_classes/VCPU", "", "Cannot delete standard resource class")
		fpga := c.provider("host2", "", "CUSTOM_FPGA:1")
		c.want(409, "DELETE", "/resource_classes/CUSTOM_FPGA", "", "Class is in use in inventory")
		c.want(204, "PUT", "/allocations/"+clock.NewID(), claimBody(fpga, `"CUSTOM_FPGA":1`, "null"))
		c.at("1.6").want(200, "PUT", "/resource_classes/CUSTOM_FPGA", `{"name":"CUSTOM_CHIP"}`)
		c.want(200, "GET", "/resource_providers/"+fpga+"/usages", "", `"CUSTOM_CHIP":1`)
		c.want(404, "DELETE", "/resource_classes/CUSTOM_NOPE", "")

		agg := clock.NewID()
		c.aggregates(p, agg)
		c.want(200, "GET", "/resource_providers/"+p+"/aggregates", "", agg, "resource_provider_generation")
		c.at("1.1").want(200, "PUT", "/resource_providers/"+p+"/aggregates", `["`+agg+`"]`)
		c.want(200, "GET", "/resource_providers?member_of="+agg, "", p)
		c.want(400, "GET", "/resource_providers?member_of=nope", "", "valid UUID(s)")
	})
}

func TestIsolation(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		p := c.provider("host1", "", "VCPU:4")
		for _, path := range []string{
			"/resource_providers", "/resource_providers/" + p, "/resource_providers/" + p + "/inventories", "/resource_providers/" + p + "/usages",
			"/allocations/" + clock.NewID(), "/allocation_candidates?resources=VCPU:1", "/traits", "/resource_classes",
		} {
			c.as("service").want(200, "GET", path, "")
			for _, persona := range []string{"member", "reader", "system"} {
				c.as(persona).want(403, "GET", path, "", `"errors"`, "Policy does not allow")
			}
			c.as("").want(401, "GET", path, "")
		}
		c.as("member").want(403, "PUT", "/allocations/"+clock.NewID(), claimBody(p, `"VCPU":1`, "null"))
		for _, body := range []string{"", "{", "[]", "null", "3", `{"name":3}`, `{"name":"a","x":1}`, `{"name":"` + strings.Repeat("n", 201) + `"}`} {
			c.want(400, "POST", "/resource_providers", body, `"errors"`)
		}
		for _, path := range []string{
			"/resource_providers/%00", "/resource_providers/%00/inventories", "/resource_providers/" + p + "/inventories/%00", "/traits/%00", "/resource_classes/%00",
		} {
			c.want(404, "GET", path, "")
		}
		c.want(404, "GET", "/allocations/%00", "")
		c.want(400, "GET", "/resource_providers?name=%00", "")
		c.want(400, "GET", "/traits?name=in:%00", "")
		c.want(400, "POST", "/resource_providers", `{"name":"a\u0000"}`)
		c.want(400, "PUT", "/allocations/"+clock.NewID(), strings.Replace(claimBody(p, `"VCPU":1`, "null"), "p3", `p\u0000`, 1))
		c.want(400, "PUT", "/resource_providers/"+p+"/traits", `{"resource_provider_generation":1,"traits":["\u0000"]}`)
		c.at("1.40").want(406, "GET", "/traits", "", "Unacceptable version header: 1.40", `"max_version":"1.39"`, `"min_version":"1.0"`)
		c.at("1.x").want(400, "GET", "/traits", "")
		c.at("latest").want(200, "GET", "/traits", "")
		c.want(404, "GET", "/nope", "", `"errors"`)
		c.want(405, "PATCH", "/traits", "", `"errors"`)
	})
}

package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"nubo/image"
	"nubo/internal/testx"
)

const namespaces = "/v2/metadefs/namespaces"

func TestMetadefs(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		admin := c.as("admin")
		c.want(403, "POST", namespaces, `{"namespace":"mine"}`, "add_metadef_namespace")
		a := admin.want(201, "POST", namespaces, `{"namespace":"OS::Full","display_name":"Full","description":"All there is","visibility":"public",
			"properties":{"size":{"title":"Size","type":"integer","minimum":1}},"objects":[{"name":"thing","required":["size"],"properties":{"size":{"title":"Size","type":"integer"}}}],
			"tags":[{"name":"red"}],"resource_type_associations":[{"name":"OS::Glance::Image","prefix":"hw_"}]}`, `"protected":false`, `"owner":"p1"`)
		if got := a.Header.Get("Location"); !strings.HasSuffix(got, namespaces+"/OS::Full") {
			t.Fatalf("Location %s", got)
		}
		const ns = namespaces + "/OS::Full"
		admin.want(409, "POST", namespaces, `{"namespace":"OS::Full"}`, "The metadata definition namespace=OS::Full already exists.")
		admin.want(201, "POST", namespaces, `{"namespace":"hidden"}`, `"visibility":"private"`)
		c.want(200, "GET", ns, "", `"self":"/v2/metadefs/namespaces/OS::Full"`, `"name":"thing"`, `"name":"red"`, `"size":{"minimum":1`, `"prefix":"hw_"`)
		c.want(200, "GET", ns+"?resource_type=OS::Glance::Image", "", `"hw_size":{"minimum":1`)
		c.want(404, "GET", namespaces+"/hidden", "", "The metadata definition namespace=hidden was not found.")
		c.want(404, "GET", namespaces+"/hidden/objects", "")
		names := func(query string) (out []string) {
			for _, n := range c.want(200, "GET", namespaces+query, "").JSON["namespaces"].([]any) {
				out = append(out, n.(map[string]any)["namespace"].(string))
			}
			return out
		}
		testx.Equal(t, names(""), []string{"OS::Full"})
		testx.Equal(t, names("?resource_types=OS::Nova::Flavor"), []string(nil))
		testx.Equal(t, names("?resource_types=OS::Nova::Flavor,OS::Glance::Image&visibility=public"), []string{"OS::Full"})
		c.want(400, "GET", namespaces+"?marker=nope", "", "nope")

		c.want(200, "GET", "/v2/metadefs/resource_types", "", `"OS::Glance::Image"`)
		admin.want(201, "POST", ns+"/resource_types", `{"name":"OS::Nova::Flavor"}`)
		admin.want(409, "POST", ns+"/resource_types", `{"name":"OS::Nova::Flavor"}`, "already exists")
		c.want(200, "GET", ns+"/resource_types", "", `"OS::Nova::Flavor"`, `"prefix":"hw_"`)
		admin.want(204, "DELETE", ns+"/resource_types/OS::Nova::Flavor", "")
		admin.want(404, "DELETE", ns+"/resource_types/OS::Nova::Flavor", "", "resource-type=OS::Nova::Flavor")

		definitions(t, admin, ns+"/objects", "objects", "object", `{"name":"%s","description":"text"}`)
		definitions(t, admin, ns+"/properties", "properties", "property", `{"name":"%s","title":"text","type":"string"}`)
		definitions(t, admin, ns+"/tags", "tags", "tag", `{"name":"%s"}`)
		c.want(200, "GET", ns+"/properties/hw_size?resource_type=OS::Glance::Image", "", `"name":"hw_size"`)
		c.want(404, "GET", ns+"/properties/size?resource_type=OS::Glance::Image", "", "does not start with the expected")
		for _, route := range []string{"/objects", "/properties", "/tags", "/resource_types"} {
			c.want(403, "POST", ns+route, `{"name":"x","title":"x","type":"string"}`)
		}

		admin.want(201, "POST", ns+"/tags", `{"tags":[{"name":"b"},{"name":"c"}]}`)
		tagNames := func() (out []string) {
			for _, v := range c.want(200, "GET", ns+"/tags?sort_key=name&sort_dir=asc", "").JSON["tags"].([]any) {
				out = append(out, v.(map[string]any)["name"].(string))
			}
			return out
		}
		testx.Equal(t, tagNames(), []string{"b", "c"})
		admin.check(admin.send("POST", ns+"/tags", "application/json", strings.NewReader(`{"tags":[{"name":"d"}]}`), "X-Openstack-Append", "true"), "append", 201)
		testx.Equal(t, tagNames(), []string{"b", "c", "d"})
		admin.want(409, "POST", ns+"/tags", `{"tags":[{"name":"e"},{"name":"e"}]}`)
		testx.Equal(t, tagNames(), []string{"b", "c", "d"})
		c.want(200, "GET", ns+"/tags?limit=2&sort_key=name&sort_dir=asc", "", `"next":"/v2/metadefs/namespaces/OS::Full/tags?limit=2\u0026marker=c`)
		admin.want(204, "DELETE", ns+"/tags", "")
		testx.Equal(t, tagNames(), []string(nil))

		admin.want(200, "PUT", ns, `{"namespace":"OS::Renamed","protected":true,"visibility":"public"}`, `"protected":true`)
		c.want(404, "GET", ns, "")
		admin.want(403, "DELETE", namespaces+"/OS::Renamed", "", "is protected and cannot be deleted")
		admin.want(403, "DELETE", namespaces+"/OS::Renamed/objects/thing", "")
		admin.want(200, "PUT", namespaces+"/OS::Renamed", `{"namespace":"OS::Renamed"}`)
		admin.want(204, "DELETE", namespaces+"/OS::Renamed/objects", "")
		admin.want(204, "DELETE", namespaces+"/OS::Renamed", "")
		admin.want(404, "DELETE", namespaces+"/OS::Renamed", "")
		for _, body := range []string{`{}`, `{"namespace":""}`, `{"namespace":"a/b"}`, `{"namespace":"x","visibility":"shared"}`, `{"namespace":"x","more":1}`,
			`{"namespace":"x","properties":{"p":{"title":"t"}}}`, `{"namespace":"` + strings.Repeat("x", 81) + `"}`} {
			admin.want(400, "POST", namespaces, body)
		}
	})
}

// definitions takes one kind of items through their life.
func definitions(t *testing.T, c *client, path, list, kind, body string) {
	t.Helper()
	named := func(name string) string { return fmt.Sprintf(body, name) }
	if kind == "tag" {
		c.want(201, "POST", path+"/first", "", `"name":"first"`)
		c.want(409, "POST", path+"/first", "", "A metadata definition tag with name=first already exists in namespace=OS::Full.")
		c.want(400, "POST", path+"/"+strings.Repeat("x", 81), "")
		c.want(201, "POST", path+"/other", "")
	} else {
		c.want(201, "POST", path, named("first"), `"name":"first"`)
		c.want(409, "POST", path, named("first"), "A metadata definition "+kind+" with name=first already exists in namespace=OS::Full.")
		c.want(400, "POST", path, named("a/b"))
		c.want(201, "POST", path, named("other"))
	}
	c.want(200, "GET", path, "", `"first"`, `"/v2/schemas/metadefs/`+list+`"`)
	c.want(200, "GET", path+"/first", "", `"name":"first"`)
	c.want(404, "GET", path+"/nope", "", "The metadata definition "+kind+" with name=nope was not found in namespace=OS::Full.")
	c.want(409, "PUT", path+"/first", named("other"), "already exists")
	c.want(200, "PUT", path+"/first", named("renamed"), `"name":"renamed"`)
	c.want(404, "PUT", path+"/first", named("renamed"))
	c.want(204, "DELETE", path+"/renamed", "")
	c.want(404, "DELETE", path+"/renamed", "")
}

// TestCommon loads the common definitions once, all of which are what the
// schemas say.
func TestCommon(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		common, err := image.CommonNamespaces()
		testx.NoErr(t, err)
		for range 2 {
			testx.NoErr(t, c.svc.EnsureCommon(t.Context(), common))
		}
		list := c.want(200, "GET", namespaces+"?limit=100", "", "OS::OperatingSystem").JSON["namespaces"].([]any)
		testx.Equal(t, len(list), len(common))
		for _, n := range common {
			c.want(200, "GET", namespaces+"/"+n.Namespace, "", `"protected":true`, `"visibility":"public"`)
			properties := c.want(200, "GET", namespaces+"/"+n.Namespace+"/properties", "").JSON["properties"].(map[string]any)
			testx.Equal(t, slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(n.Properties)))
		}
		admin := c.as("admin")
		admin.want(201, "POST", namespaces, `{"namespace":"copies","visibility":"public"}`)
		for _, n := range common {
			for name, body := range n.Properties {
				copied := maps.Clone(body)
				copied["name"] = name
				text, err := json.Marshal(copied)
				testx.NoErr(t, err)
				admin.want(201, "POST", namespaces+"/copies/properties", string(text))
			}
		}
	})
}

func TestSchemas(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		for _, name := range strings.Fields("image images member members task tasks") {
			c.want(200, "GET", "/v2/schemas/"+name, "", `"properties"`, `"name":"`+name+`"`)
		}
		for one, many := range map[string]string{"namespace": "namespaces", "object": "objects", "property": "properties", "tag": "tags", "resource_type": "resource_types"} {
			c.want(200, "GET", "/v2/schemas/metadefs/"+one, "", `"required"`, `"name":"`+one+`"`)
			c.want(200, "GET", "/v2/schemas/metadefs/"+many, "", `"properties"`)
		}
		c.want(404, "GET", "/v2/schemas/nope", "")
	})
}

func TestPropertyProtections(t *testing.T) {
	const rules = `
# who may bill
[^billing_.*]
create = admin
read = admin, member
update = admin
delete = !
[^secret$]
create = admin
read = admin
update = admin
delete = admin
[.*]
create = @
read = @
update = @
delete = @
`
	eachWith(t, func(_ *image.Config, deps *image.Deps) {
		var err error
		deps.Protections, err = image.ParseProtections(strings.NewReader(rules))
		testx.NoErr(t, err)
	}, func(t *testing.T, c *client) {
		admin := c.as("admin")
		c.want(403, "POST", "/v2/images", `{"billing_code":"x"}`, "Property 'billing_code' is protected")
		c.want(403, "POST", "/v2/images", `{"secret":"x"}`, "Property 'secret' is protected")
		path := "/v2/images/" + admin.want(201, "POST", "/v2/images", `{"owner":"p2","visibility":"private","billing_code":"1","secret":"s","free":"f"}`, `"secret":"s"`).JSON["id"].(string)
		a := c.want(200, "GET", path, "", `"billing_code":"1"`, `"free":"f"`)
		if a.JSON["secret"] != nil {
			t.Fatalf("a member reads %s", a.Text)
		}
		if a := c.as("reader").want(200, "GET", path, "", `"free":"f"`); a.JSON["billing_code"] != nil {
			t.Fatalf("a reader reads %s", a.Text)
		}
		if a := c.want(200, "GET", "/v2/images", ""); strings.Contains(a.Text, `"secret"`) {
			t.Fatalf("a list shows %s", a.Text)
		}
		for token, n := range map[string]int{"admin": 1, "member": 0} {
			testx.Equal(t, len(c.as(token).want(200, "GET", "/v2/images?secret=s", "").JSON["images"].([]any)), n)
		}
		patch := func(op, key string) string { return `[{"op":"` + op + `","path":"/` + key + `","value":"new"}]` }
		c.want(403, "PATCH", path, patch("replace", "billing_code"), "is protected")
		c.want(403, "PATCH", path, patch("add", "billing_more"), "is protected")
		c.want(409, "PATCH", path, patch("replace", "secret"), "does not exist")
		c.want(409, "PATCH", path, patch("remove", "secret"), "does not exist")
		c.want(200, "PATCH", path, patch("replace", "free"), `"free":"new"`)
		c.want(200, "PATCH", path, patch("remove", "free"))
		admin.want(200, "PATCH", path, patch("replace", "billing_code"), `"billing_code":"new"`)
		admin.want(403, "PATCH", path, patch("remove", "billing_code"))
		admin.want(200, "PATCH", path, patch("remove", "secret"))
	})
}

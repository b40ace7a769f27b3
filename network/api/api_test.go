package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/config"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/policy"
	"nubo/internal/testx"
	"nubo/network"
	"nubo/network/api"
	"nubo/network/store"
)

// personas are the callers; their token is their name.
type personas struct{}

func (personas) Authenticate(r *http.Request) (*auth.Context, error) {
	token := r.Header.Get("X-Auth-Token")
	project, role, ok := strings.Cut(token, "/")
	if !ok {
		return nil, fault.New(fault.Unauthorized, "The request you have made requires authentication.")
	}
	roles := map[string][]string{
		"admin": {"admin", "member", "reader"}, "member": {"member", "reader"}, "reader": {"reader"}, "service": {"service"},
	}[role]
	return &auth.Context{UserID: token, ProjectID: project, Roles: roles, Token: token}, nil
}

type door struct {
	t   testing.TB
	h   http.Handler
	svc *network.Service
}

func newDoor(t testing.TB) *door {
	return newDoorOn(t, "sqlite://"+t.TempDir()+"/network.db?synchronous=off")
}

func newDoorOn(t testing.TB, url string) *door {
	t.Helper()
	st, err := store.Open(t.Context(), url)
	testx.NoErr(t, err)
	t.Cleanup(func() { testx.NoErr(t, st.Close()) })
	var cfg network.Config
	_, err = config.Load(cfg.Sections(), "", nil, nil)
	testx.NoErr(t, err)
	svc, err := network.New(cfg, network.Deps{Store: st})
	testx.NoErr(t, err)
	p, err := policy.NewEnforcer("network", api.Rules())
	testx.NoErr(t, err)
	h, err := api.New(svc, personas{}, p, nil).Handler()
	testx.NoErr(t, err)
	_, err = svc.Report(t.Context(), network.Report{Host: "host1", Zone: "nova", Start: true})
	testx.NoErr(t, err)
	return &door{t, h, svc}
}

// object is a decoded JSON object.
type object map[string]any

func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func (o object) text(path ...string) string { s, _ := o.at(path...).(string); return s }

// do sends a request, and fails the test unless the status is wanted.
func (d *door) do(token, method, path, body string, want int) object {
	d.t.Helper()
	a := testx.Ask(d.t, d.h, method, "http://cloud:9696"+path, strings.NewReader(body), "X-Auth-Token", token)
	if a.Status != want {
		d.t.Fatalf("%s %s as %s: %d, want %d: %s", method, path, token, a.Status, want, a.Text)
	}
	return object(a.JSON)
}

const (
	root   = "adm/admin"
	mine   = "p1/member"
	mine0  = "p1/reader"
	theirs = "p2/member"
)

// TestWalkthrough does what the course's walkthrough does, in its order.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	n := d.do(mine, "POST", "/v2.0/networks", `{"network": {"name": "vpc", "admin_state_up": true}}`, 201)
	id := n.text("network", "id")
	testx.Equal(t, n.at("network", "provider:network_type"), nil)
	testx.Equal(t, d.do(root, "GET", "/v2.0/networks/"+id, "", 200).at("network", "provider:network_type"), any("vxlan"))
	s := d.do(mine, "POST", "/v2.0/subnets", `{"subnet": {"name": "sub", "network_id": "`+id+`", "ip_version": 4, "cidr": "192.168.88.0/24",
		"gateway_ip": "192.168.88.254", "enable_dhcp": true, "allocation_pools": [{"start": "192.168.88.100", "end": "192.168.88.200"}]}}`, 201)
	sub := s.text("subnet", "id")
	e := d.do(mine, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+id+`", "ip_version": 4, "cidr": "192.168.88.128/25"}}`, 400)
	testx.Equal(t, e.text("NeutronError", "message"), "Invalid input for operation: Requested subnet with cidr: 192.168.88.128/25 for network: "+id+" overlaps with another subnet.")
	g := d.do(mine, "POST", "/v2.0/security-groups", `{"security_group": {"name": "sec", "description": "sec"}}`, 201)
	group := g.text("security_group", "id")
	rule := `{"security_group_rule": {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "0.0.0.0/0", "security_group_id": "` + group + `"}}`
	d.do(mine, "POST", "/v2.0/security-group-rules", rule, 201)
	testx.Equal(t, d.do(mine, "POST", "/v2.0/security-group-rules", rule, 409).text("NeutronError", "type"), "SecurityGroupRuleExists")

	// What compute does with its service user.
	p := d.do(root, "POST", "/v2.0/ports", `{"port": {"network_id": "`+id+`", "project_id": "p1", "device_id": "srv", "device_owner": "compute:nova",
		"binding:host_id": "host1", "security_groups": ["`+group+`"]}}`, 201)
	port := p.text("port", "id")
	testx.Equal(t, p.at("port", "binding:vif_type"), any("tap"))
	testx.Equal(t, d.do(mine, "GET", "/v2.0/ports/"+port, "", 200).at("port", "binding:host_id"), nil)

	d.do(mine, "POST", "/v2.0/networks", `{"network": {"name": "x", "router:external": true}}`, 403)
	pub := d.do(root, "POST", "/v2.0/networks", `{"network": {"name": "public", "project_id": "p1", "router:external": true, "shared": true,
		"provider:network_type": "flat", "provider:physical_network": "extnet"}}`, 201).text("network", "id")
	testx.Equal(t, d.do(root, "POST", "/v2.0/networks", `{"network": {"provider:network_type": "flat", "provider:physical_network": "extnet"}}`, 409).text("NeutronError", "type"), "FlatNetworkInUse")
	d.do(root, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+pub+`", "ip_version": 4, "cidr": "192.168.44.0/24", "gateway_ip": "192.168.44.2",
		"allocation_pools": [{"start": "192.168.44.200", "end": "192.168.44.230"}]}}`, 201)
	router := d.do(mine, "POST", "/v2.0/routers", `{"router": {"name": "r"}}`, 201).text("router", "id")
	d.do(mine, "PUT", "/v2.0/routers/"+router, `{"router": {"external_gateway_info": {"network_id": "`+pub+`"}}}`, 200)
	testx.Equal(t, d.do(mine, "PUT", "/v2.0/routers/"+router+"/add_router_interface", `{"subnet_id": "`+sub+`"}`, 200).text("subnet_id"), sub)
	f := d.do(mine, "POST", "/v2.0/floatingips", `{"floatingip": {"floating_network_id": "`+pub+`"}}`, 201)
	fip := f.text("floatingip", "id")
	f = d.do(mine, "PUT", "/v2.0/floatingips/"+fip, `{"floatingip": {"port_id": "`+port+`"}}`, 200)
	testx.Equal(t, f.text("floatingip", "router_id"), router)
	testx.Equal(t, len(d.do(mine, "GET", "/v2.0/floatingips?floating_ip_address="+f.text("floatingip", "floating_ip_address"), "", 200)["floatingips"].([]any)), 1)

	testx.Equal(t, d.do(mine, "DELETE", "/v2.0/routers/"+router, "", 409).text("NeutronError", "type"), "RouterInUse")
	d.do(mine, "PUT", "/v2.0/floatingips/"+fip, `{"floatingip": {"port_id": null}}`, 200)
	d.do(mine, "DELETE", "/v2.0/floatingips/"+fip, "", 204)
	d.do(mine, "PUT", "/v2.0/routers/"+router, `{"router": {"external_gateway_info": {}}}`, 200)
	d.do(mine, "PUT", "/v2.0/routers/"+router+"/remove_router_interface", `{"subnet_id": "`+sub+`"}`, 200)
	d.do(mine, "DELETE", "/v2.0/routers/"+router, "", 204)
	testx.Equal(t, d.do(mine, "DELETE", "/v2.0/networks/"+id, "", 409).text("NeutronError", "type"), "NetworkInUse")
	d.do(root, "DELETE", "/v2.0/ports/"+port, "", 204)
	d.do(mine, "DELETE", "/v2.0/networks/"+id, "", 204)
	d.do(root, "DELETE", "/v2.0/networks/"+pub, "", 204)
	d.do(mine, "DELETE", "/v2.0/security-groups/"+group, "", 204)
	testx.Equal(t, len(d.do(root, "GET", "/v2.0/ports", "", 200)["ports"].([]any)), 0)
}

// TestIsolation asks for each resource as everybody it is not for.
func TestIsolation(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	net := d.do(mine, "POST", "/v2.0/networks", `{"network": {"name": "n"}}`, 201).text("network", "id")
	sub := d.do(mine, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`, 201).text("subnet", "id")
	port := d.do(mine, "POST", "/v2.0/ports", `{"port": {"network_id": "`+net+`"}}`, 201).text("port", "id")
	router := d.do(mine, "POST", "/v2.0/routers", `{"router": {}}`, 201).text("router", "id")
	g := d.do(mine, "POST", "/v2.0/security-groups", `{"security_group": {"name": "g"}}`, 201)
	group := g.text("security_group", "id")
	rule := g.at("security_group", "security_group_rules").([]any)[0].(map[string]any)["id"].(string)
	pub := d.do(root, "POST", "/v2.0/networks", `{"network": {"router:external": true, "provider:network_type": "flat", "provider:physical_network": "extnet"}}`, 201).text("network", "id")
	d.do(root, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+pub+`", "ip_version": 4, "cidr": "10.9.0.0/24"}}`, 201)
	fip := d.do(mine, "POST", "/v2.0/floatingips", `{"floatingip": {"floating_network_id": "`+pub+`"}}`, 201).text("floatingip", "id")
	for _, c := range []struct{ path, id, update, create, plural string }{
		{"networks", net, `{"network": {"name": "x"}}`, `{"network": {}}`, "networks"},
		{"subnets", sub, `{"subnet": {"name": "x"}}`, `{"subnet": {"network_id": "` + net + `", "ip_version": 4, "cidr": "10.1.0.0/24"}}`, "subnets"},
		{"ports", port, `{"port": {"name": "x"}}`, `{"port": {"network_id": "` + net + `"}}`, "ports"},
		{"routers", router, `{"router": {"name": "x"}}`, `{"router": {}}`, "routers"},
		{"floatingips", fip, `{"floatingip": {"port_id": null}}`, `{"floatingip": {"floating_network_id": "` + pub + `"}}`, "floatingips"},
		{"security-groups", group, `{"security_group": {"name": "x"}}`, `{"security_group": {"name": "y"}}`, "security_groups"},
		{"security-group-rules", rule, "", `{"security_group_rule": {"direction": "ingress", "security_group_id": "` + group + `"}}`, "security_group_rules"},
	} {
		one := "/v2.0/" + c.path + "/" + c.id
		d.do("", "GET", one, "", 401)
		d.do("", "POST", "/v2.0/"+c.path, c.create, 401)
		d.do("", "DELETE", one, "", 401)
		d.do(mine0, "GET", one, "", 200)
		d.do(mine0, "POST", "/v2.0/"+c.path, c.create, 403)
		d.do(mine0, "DELETE", one, "", 403)
		e := d.do(theirs, "GET", one, "", 404)
		if !strings.HasSuffix(e.text("NeutronError", "type"), "NotFound") || !strings.Contains(e.text("NeutronError", "message"), c.id) {
			t.Errorf("%s: %v", one, e)
		}
		d.do(theirs, "DELETE", one, "", 404)
		if c.update != "" {
			d.do("", "PUT", one, c.update, 401)
			d.do(mine0, "PUT", one, c.update, 403)
			d.do(theirs, "PUT", one, c.update, 404)
			d.do(theirs, "GET", one+"/tags", "", 404)
			d.do(theirs, "PUT", one+"/tags/x", "", 404)
			d.do(mine0, "PUT", one+"/tags/x", "", 403)
		}
		for _, row := range d.do(theirs, "GET", "/v2.0/"+c.path, "", 200)[c.plural].([]any) {
			if row.(map[string]any)["id"] == c.id {
				t.Errorf("%s is listed to another project", one)
			}
		}
		if c.create != "" && (c.path == "subnets" || c.path == "ports" || c.path == "security-group-rules") {
			d.do(theirs, "POST", "/v2.0/"+c.path, c.create, 404)
		}
	}
	d.do(theirs, "PUT", "/v2.0/routers/"+router+"/add_router_interface", `{"subnet_id": "`+sub+`"}`, 404)
	d.do(mine, "GET", "/v2.0/agents", "", 403)
	d.do(mine, "GET", "/v2.0/quotas/p2", "", 403)
	d.do(mine, "GET", "/v2.0/quotas/p1", "", 403) // for managers
	d.do(mine, "PUT", "/v2.0/quotas/p1", `{"quota": {"port": 1}}`, 403)
	d.do(mine, "POST", "/v2.0/networks", `{"network": {"project_id": "p2"}}`, 400)
	d.do(mine, "POST", "/v2.0/ports", `{"port": {"network_id": "`+net+`", "binding:host_id": "host1"}}`, 403)
	d.do(theirs, "PUT", "/v2.0/networks/"+pub, `{"network": {"name": "x"}}`, 403) // seen, but not theirs
	shared := d.do(root, "POST", "/v2.0/networks", `{"network": {"shared": true}}`, 201).text("network", "id")
	d.do(root, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+shared+`", "ip_version": 4, "cidr": "10.7.0.0/24"}}`, 201)
	d.do(mine, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+shared+`", "ip_version": 4, "cidr": "10.8.0.0/24"}}`, 403)
	d.do(mine, "POST", "/v2.0/ports", `{"port": {"network_id": "`+shared+`", "fixed_ips": [{"ip_address": "10.7.0.9"}]}}`, 403)
	d.do(mine, "POST", "/v2.0/ports", `{"port": {"network_id": "`+shared+`", "mac_address": "fa:16:3e:00:00:01"}}`, 403)
	d.do(mine, "POST", "/v2.0/ports", `{"port": {"network_id": "`+shared+`", "device_owner": "network:dhcp"}}`, 403)
	d.do(mine, "POST", "/v2.0/ports", `{"port": {"network_id": "`+shared+`"}}`, 201)
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); badBodies(t, newDoor(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); badBodies(t, newDoorOn(t, dbtest.PostgresURL(t))) })
}

func badBodies(t *testing.T, d *door) {
	t.Helper()
	net := d.do(mine, "POST", "/v2.0/networks", `{"network": {"name": "n"}}`, 201).text("network", "id")
	for _, c := range []struct{ method, path, body, message string }{
		{"POST", "networks", `{`, ""},
		{"POST", "networks", ``, ""},
		{"POST", "networks", `[]`, "Resource body required"},
		{"POST", "networks", `{"net": {}}`, "Unable to find 'network' in request body"},
		{"POST", "networks", `{"network": 5}`, "Body contains invalid data"},
		{"POST", "networks", `{"networks": []}`, "Resources required"},
		{"POST", "networks", `{"network": {"name": 5}}`, "Invalid input for name. Reason: '5' is not a valid string."},
		{"POST", "networks", `{"network": {"name": "` + strings.Repeat("x", 256) + `"}}`, "Invalid input for name. Reason: '" + strings.Repeat("x", 256) + "' exceeds maximum length of 255."},
		{"POST", "networks", `{"network": {"admin_state_up": "maybe"}}`, "Invalid input for admin_state_up. Reason: 'maybe' cannot be converted to boolean."},
		{"POST", "networks", `{"network": {"foo": 1}}`, "Unrecognized attribute(s) 'foo'"},
		{"POST", "networks", `{"network": {"status": "ACTIVE"}}`, "Attribute 'status' not allowed in POST"},
		{"POST", "networks", `{"network": {"mtu": "x"}}`, "Invalid input for mtu. Reason: 'x' is not an integer."},
		{"PUT", "networks/" + net, `{"network": {"id": "x"}}`, "Cannot update read-only attribute id"},
		{"POST", "subnets", `{"subnet": {"cidr": "10.0.0.0/24", "ip_version": 4}}`, "Failed to parse request. Required attribute 'network_id' not specified"},
		{"POST", "subnets", `{"subnet": {"network_id": "` + net + `", "ip_version": 5, "cidr": "10.0.0.0/24"}}`, "Invalid input for ip_version. Reason: '5' is not in ['4', '6']."},
		{"POST", "subnets", `{"subnet": {"network_id": "` + net + `", "ip_version": 4, "cidr": "10.0.0.0/33"}}`, "Invalid input for cidr. Reason: '10.0.0.0/33' is not a valid IP subnet."},
		{"POST", "ports", `{"port": {"network_id": "x"}}`, "Invalid input for network_id. Reason: 'x' is not a valid UUID."},
		{"POST", "ports", `{"port": {"network_id": "` + net + `", "fixed_ips": {}}}`, "Invalid input for fixed_ips. Reason: '{}' is not a list."},
		{"POST", "ports", `{"port": {"network_id": "` + net + `", "fixed_ips": [{"ip": 1}]}}`, "Invalid input for fixed_ips. Reason: Unexpected keys supplied: ip."},
		{"POST", "routers", `{"router": {"external_gateway_info": []}}`, "Invalid input for external_gateway_info. Reason: '[]' is not a dictionary."},
		{"POST", "floatingips", `{"floatingip": {"floating_network_id": "` + net + `"}}`, "Bad floatingip request: Network " + net + " is not a valid external network."},
		{"POST", "security-group-rules", `{"security_group_rule": {"security_group_id": "` + net + `", "direction": "up"}}`, "Invalid input for direction. Reason: 'up' is not in ['ingress', 'egress']."},
		{"GET", "networks?limit=x", ``, ""},
		{"GET", "networks?sort_key=nope", ``, ""},
		{"GET", "networks?marker=nope", ``, ""},
		{"GET", "ports?fixed_ips=mac=1", ``, ""},
	} {
		e := d.do(mine, c.method, "/v2.0/"+c.path, c.body, 400)
		got := e.text("NeutronError", "message")
		if got == "" || c.message != "" && got != c.message {
			t.Errorf("%s %s %s: message %q, want %q", c.method, c.path, c.body, got, c.message)
		}
	}
	d.do(mine, "GET", "/v2.0/networks/%00", "", 404)
	d.do(mine, "GET", "/v2.0/networks?marker=%ff", "", 400)
	d.do(mine, "GET", "/v2.0/networks?name=%00&tags=%00", "", 400)
	d.do(mine, "PUT", "/v2.0/networks/"+net+"/tags/%ff", "", 404)
	d.do(root, "PUT", "/v2.0/quotas/"+strings.Repeat("x", 65), `{"quota": {"port": 1}}`, 400)
	testx.Equal(t, len(d.do(mine, "GET", "/v2.0/networks", "", 200)["networks"].([]any)), 1)
	testx.Equal(t, d.do(mine, "GET", "/v2.0/networks/nope", "", 404).text("NeutronError", "message"), "Network nope could not be found.")
}

func TestLists(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	made := d.do(mine, "POST", "/v2.0/networks", `{"networks": [{"name": "a"}, {"name": "b", "tags": ["x"]}, {"network": {"name": "c"}}]}`, 201)
	testx.Equal(t, len(made["networks"].([]any)), 3)
	names := func(query string) string {
		t.Helper()
		out := []string{}
		for _, n := range d.do(mine, "GET", "/v2.0/networks"+query, "", 200)["networks"].([]any) {
			out = append(out, fmt.Sprint(n.(map[string]any)["name"]))
		}
		return strings.Join(out, "")
	}
	testx.Equal(t, names("?sort_key=name&sort_dir=desc"), "cba")
	testx.Equal(t, names("?name=a&name=c&sort_key=name"), "ac")
	testx.Equal(t, names("?shared=true"), "")
	testx.Equal(t, names("?tags=x"), "b")
	testx.Equal(t, names("?not-tags=x&sort_key=name"), "ac")
	first := d.do(mine, "GET", "/v2.0/networks?limit=2&sort_key=name&fields=id&fields=name", "", 200)
	rows := first["networks"].([]any)
	testx.Equal(t, len(rows[0].(map[string]any)), 2)
	testx.Equal(t, first["networks_links"].([]any)[0].(map[string]any)["rel"], any("next"))
	testx.Equal(t, names("?limit=2&sort_key=name&marker="+rows[1].(map[string]any)["id"].(string)), "c")
	testx.Equal(t, names("?limit=2&sort_key=name&page_reverse=True&marker="+rows[1].(map[string]any)["id"].(string)), "a")

	testx.Equal(t, d.do("", "GET", "/", "", 200).at("versions").([]any)[0].(map[string]any)["id"], any("v2.0"))
	d.do(mine, "GET", "/v2.0/", "", 200)
	d.do(mine, "GET", "/v2.0/extensions/router", "", 200)
	d.do(mine, "GET", "/v2.0/extensions/nope", "", 404)
	testx.Equal(t, len(d.do(root, "GET", "/v2.0/agents?host=host1", "", 200)["agents"].([]any)), 4)
	testx.Equal(t, len(d.do(mine, "GET", "/v2.0/availability_zones", "", 200)["availability_zones"].([]any)), 2)
	d.do(root, "PUT", "/v2.0/quotas/p1", `{"quota": {"network": 3}}`, 200)
	e := d.do(mine, "POST", "/v2.0/networks", `{"network": {}}`, 409)
	testx.Equal(t, e.text("NeutronError", "message"), "Quota exceeded for resources: ['network'].")
	testx.Equal(t, d.do(root, "GET", "/v2.0/quotas/p1/details.json", "", 200).at("quota", "network", "used"), any(3.0))
	d.do(root, "DELETE", "/v2.0/quotas/p1", "", 204)
	d.do(root, "GET", "/v2.0/network-ip-availabilities", "", 200)
}

func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"port": {"network_id": "3f1c2a4e-0000-4000-8000-000000000000", "fixed_ips": [{"ip_address": "10.0.0.1"}]}}`,
		`{"ports": [{"port": {}}]}`, `{"subnet": {"cidr": "10.0.0.0/8"}}`, `{"router": {"external_gateway_info": null}}`, `null`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) { api.CheckBodies(body) })
}

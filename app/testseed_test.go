package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// seed is a cloud with two projects: A owns one of everything, and B is who
// must not notice. Project C is a stranger to whom A shares an image.
type seed struct {
	*testbed
	// secret is in a text of every resource of A's, and in no URL.
	secret string

	root, rootA       persona // administrators, of project admin and of A
	service           persona // another component
	aMember, aReader  persona
	bMember, bReader  persona
	anonymous         persona
	revoked           persona // A's member after his token was revoked
	values            map[string]string
	private           []string // ids of A's that nobody else may be told
	bNet, bSubnet     string
	bRouter, bGroup   string
	bPort, bFloating  string
	bServer, bVolume  string
	external, roomy   string // the external network; a flavor for everyone
	bPassword, nobody string
	oauth             oauthConsumer
	ready             oauthToken // authorized, and not yet exchanged
}

const (
	absent = "00000000-0000-4000-8000-000000000000"
	// What is in URLs is no secret.
	tag, metaKey, keyName, label = "seedtag", "seedkey", "seedpair", "seednet"
	specKey                      = "seed:key" // no filter asks for it
	publicKey                    = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPbWD7sVEqXnhHbR2uLkEUVxjU6pz3GfUS0kB8QeW1Vd nobody@nowhere"
)

// newSeed starts a cloud and fills it.
func newSeed(b *testbed) *seed {
	s := &seed{testbed: b, secret: "zqsecretzq", values: map[string]string{}, anonymous: persona{name: "anonymous"}}
	s.root = b.login("admin", "admin", b.c.sec.AdminPassword, "admin")
	s.seedIdentity()
	s.seedNetwork()
	s.seedImage()
	s.seedVolume()
	s.seedCompute()
	s.seedPlacement()
	s.seedB()
	s.revoke()
	return s
}

// id creates something and gives its id, which is A's own if he made it.
func (s *seed) id(who persona, service, path string, body obj, at string) string {
	s.Helper()
	id := s.must(who, service, "POST", path, body).text(at)
	if id == "" {
		s.Fatalf("POST %s gave no %s", path, at)
	}
	if who.project == s.aMember.project && who.project != "" {
		s.private = append(s.private, id)
	}
	return id
}

func (s *seed) seedIdentity() {
	roles := map[string]string{}
	for _, r := range s.must(s.root, "identity", "GET", "/v3/roles", nil).list("roles") {
		roles[r.text("name")] = r.text("id")
	}
	create := func(kind string, attributes obj) string {
		return s.id(s.root, "identity", "/v3/"+kind+"s", obj{kind: attributes}, kind+"/id")
	}
	projects := map[string]string{}
	for _, p := range []string{"A", "B", "C"} {
		projects[p] = create("project", obj{"name": "project-" + p, "description": map[string]string{"A": s.secret}[p], "domain_id": "default"})
	}
	people := map[string]persona{}
	for _, u := range []struct{ name, project, role string }{
		{"rootA", "A", "admin"}, {"memberA", "A", "member"}, {"readerA", "A", "reader"}, {"goneA", "A", "member"}, {"serviceA", "A", "service"}, {"memberB", "B", "member"}, {"readerB", "B", "reader"},
	} {
		password := "password of " + u.name
		id := create("user", obj{"name": u.name, "password": password, "domain_id": "default", "description": map[string]string{"A": s.secret}[u.project]})
		s.must(s.root, "identity", "PUT", "/v3/projects/"+projects[u.project]+"/users/"+id+"/roles/"+roles[u.role], nil)
		people[u.name] = s.login(u.name, u.name, password, "project-"+u.project)
	}
	s.bPassword = "password of memberB"
	s.rootA, s.aMember, s.aReader, s.revoked, s.service = people["rootA"], people["memberA"], people["readerA"], people["goneA"], people["serviceA"]
	s.bMember, s.bReader, s.nobody = people["memberB"], people["readerB"], projects["C"]
	domain := create("domain", obj{"name": "domain-A", "description": s.secret})
	group := create("group", obj{"name": "group-A", "description": s.secret, "domain_id": "default"})
	s.must(s.root, "identity", "PUT", "/v3/groups/"+group+"/users/"+s.aMember.user, nil)
	region := create("region", obj{"id": "region-A"})
	service := create("service", obj{"type": "seedtype", "name": "seedservice", "description": s.secret})
	endpoint := create("endpoint", obj{"service_id": service, "interface": "internal", "url": "http://192.0.2.1/", "region_id": region})
	for name, v := range map[string]string{
		"project_id": projects["A"], "user_id": s.aMember.user, "domain_id": domain, "group_id": group, "region_id": region, "service_id": service,
		"endpoint_id": endpoint, "role_id": roles["member"], "prior_id": roles["admin"], "implied_id": roles["manager"],
	} {
		s.values["identity {"+name+"}"] = v
	}
	s.private = append(s.private, projects["A"], s.aMember.user, s.aReader.user, domain, group)
	s.seedDelegations()
	for _, o := range s.identityGrants() {
		if r := s.do(o.call(s.root, nil)); r.status != http.StatusNoContent {
			s.Fatalf("%s: %s", o.key(), r)
		}
	}
}

// identityGrants are the operations that give a role, each of which has
// something to find from the start.
func (s *seed) identityGrants() []operation {
	var out []operation
	for _, a := range s.apis() {
		for i := range a.Routes {
			r := &a.Routes[i]
			if a.Service != "identity" || r.Method != http.MethodPut || !strings.Contains(r.Path, "/roles/{role_id}") {
				continue
			}
			path, missing := fill(a.Service, a.Prefixes[0]+r.Path, s.values)
			if missing != "" {
				s.Fatalf("%s: no value for %s", r.Path, missing)
			}
			out = append(out, operation{a, r, path})
		}
	}
	return out
}

func (s *seed) seedNetwork() {
	const v2 = "/v2.0/"
	create := func(who persona, kind string, attributes obj) string {
		plural := kind + "s"
		if who == s.aMember {
			attributes["description"] = s.secret
		}
		return s.id(who, "network", v2+strings.ReplaceAll(plural, "_", "-"), obj{kind: attributes}, kind+"/id")
	}
	s.external = create(s.root, "network", obj{
		"name": "ext", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "extnet",
	})
	create(s.root, "subnet", obj{"network_id": s.external, "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": false})
	net := create(s.aMember, "network", obj{"name": label})
	subnet := create(s.aMember, "subnet", obj{"network_id": net, "ip_version": 4, "cidr": "10.9.0.0/24"})
	router := create(s.aMember, "router", obj{"name": "seedrouter", "external_gateway_info": obj{"network_id": s.external}})
	s.must(s.aMember, "network", "PUT", v2+"routers/"+router+"/add_router_interface", obj{"subnet_id": subnet})
	group := create(s.aMember, "security_group", obj{"name": "seedgroup"})
	rule := create(s.aMember, "security_group_rule", obj{"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22})
	port := create(s.aMember, "port", obj{"network_id": net, "security_groups": arr{group}})
	floating := create(s.aMember, "floatingip", obj{"floating_network_id": s.external, "port_id": port})
	for collection, id := range map[string]string{
		"networks": net, "subnets": subnet, "routers": router, "security-groups": group, "security-group-rules": rule, "ports": port, "floatingips": floating,
		"quotas": s.aMember.project, "network-ip-availabilities": net,
	} {
		s.values["network "+v2+collection+"/{id}"] = id
	}
	for _, collection := range []string{"networks", "subnets", "routers", "security-groups", "ports", "floatingips"} {
		s.must(s.aMember, "network", "PUT", v2+collection+"/"+s.network(collection)+"/tags/"+tag, nil)
	}
	s.values["network {alias}"], s.values["network {tag}"] = "router", tag
	s.await(s.root, "network", v2+"agents", func(d doc) bool {
		s.values["network "+v2+"agents/{id}"] = d.text("agents/0/id")
		return len(d.list("agents")) > 0
	})
}

// network is the id of A's resource of a collection.
func (s *seed) network(collection string) string {
	return s.values["network /v2.0/"+collection+"/{id}"]
}

// value is what a parameter is filled in with.
func (s *seed) value(service, param string) string { return s.values[service+" {"+param+"}"] }

func (s *seed) seedImage() {
	image := s.id(s.aMember, "image", "/v2/images", obj{
		"name": s.secret, "disk_format": "raw", "container_format": "bare", "visibility": "shared", "tags": arr{tag}, "seedproperty": s.secret,
	}, "id")
	r := s.do(call{who: s.aMember, service: "image", method: "PUT", path: "/v2/images/" + image + "/file", body: []byte(strings.Repeat(s.secret, 100)),
		header: map[string]string{"Content-Type": "application/octet-stream"}})
	if r.status != http.StatusNoContent {
		s.Fatalf("upload: %s", r)
	}
	s.must(s.aMember, "image", "POST", "/v2/images/"+image+"/members", obj{"member": s.nobody})
	for name, v := range map[string]string{
		"image_id": image, "member_id": s.nobody, "tag": tag, "store_id": "file", "namespace_name": "seedspace", "object_name": "seedobject",
		"property_name": "seedproperty", "tag_name": tag, "name": "OS::Seed",
	} {
		s.values["image {"+name+"}"] = v
	}
	s.must(s.rootA, "image", "POST", "/v2/metadefs/namespaces", obj{
		"namespace": "seedspace", "description": s.secret, "objects": arr{obj{"name": "seedobject", "description": s.secret}}, "tags": arr{obj{"name": tag}},
		"properties": obj{"seedproperty": obj{"title": s.secret, "type": "string"}}, "resource_type_associations": arr{obj{"name": "OS::Seed"}},
	})
	s.seedImport()
}

// seedImport makes a task, which ends before the test begins.
func (s *seed) seedImport() {
	path := "/v2/images/" + s.id(s.aMember, "image", "/v2/images", obj{"name": s.secret, "disk_format": "raw", "container_format": "bare"}, "id")
	r := s.do(call{who: s.aMember, service: "image", method: "PUT", path: path + "/stage", body: []byte(s.secret), header: map[string]string{"Content-Type": "application/octet-stream"}})
	if r.status != http.StatusNoContent {
		s.Fatalf("stage: %s", r)
	}
	s.must(s.aMember, "image", "POST", path+"/import", obj{"method": obj{"name": "glance-direct"}})
	s.await(s.aMember, "image", path+"/tasks", func(d doc) bool {
		s.values["image {task_id}"] = d.text("tasks/0/id")
		return d.text("tasks/0/status") == "success"
	})
}

func (s *seed) seedVolume() {
	typ := s.id(s.root, "volume", "/v3/types", obj{"volume_type": obj{"name": "seedtype", "extra_specs": obj{metaKey: "shown"}}}, "volume_type/id")
	s.must(s.root, "volume", "PUT", "/v3/os-quota-sets/"+s.aMember.project, obj{"quota_set": obj{"gigabytes": 99999999, "volumes": 100}})
	create := func(size int) string {
		return s.id(s.aMember, "volume", "/v3/volumes", obj{"volume": obj{"size": size, "name": s.secret, "metadata": obj{metaKey: s.secret}}}, "volume/id")
	}
	volume, other, tooLarge := create(1), create(1), create(9999999)
	s.available(s.aMember, volume)
	s.available(s.aMember, other)
	// It fails, which leaves a message.
	s.await(s.aMember, "volume", "/v3/volumes/"+tooLarge, func(d doc) bool { return d.text("volume/status") == "error" })
	s.await(s.aMember, "volume", "/v3/messages", func(d doc) bool {
		s.values["volume {message_id}"] = d.text("messages/0/id")
		return len(d.list("messages")) > 0
	})
	s.values["volume {attachment_id}"] = s.id(s.aMember, "volume", "/v3/attachments",
		obj{"attachment": obj{"volume_uuid": other, "instance_uuid": absent}}, "attachment/id")
	for name, v := range map[string]string{
		"volume_id": volume, "type_id": typ, "key": metaKey, "target_id": s.aMember.project, "snapshot_id": absent, "backup_id": absent,
		"quota_class_name": "seedclass",
	} {
		s.values["volume {"+name+"}"] = v
	}
}

func (s *seed) available(who persona, volume string) {
	s.Helper()
	s.await(who, "volume", "/v3/volumes/"+volume, func(d doc) bool { return d.text("volume/status") == "available" })
}

// runs reports whether the cloud has a module.
func (s *seed) runs(module string) bool { return slices.Contains(allModules, module) }

func (s *seed) seedCompute() {
	const v21 = "/v2.1/"
	flavor := func(name string, public bool) string {
		return s.id(s.root, "compute", v21+"flavors", obj{"flavor": obj{
			"name": name, "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": public, "description": name,
		}}, "flavor/id")
	}
	s.roomy = flavor("roomy", true)
	private := flavor(s.secret, false)
	s.must(s.root, "compute", "POST", v21+"flavors/"+private+"/action", obj{"addTenantAccess": obj{"tenant": s.aMember.project}})
	s.must(s.root, "compute", "POST", v21+"flavors/"+private+"/os-extra_specs", obj{"extra_specs": obj{specKey: s.secret}})
	s.must(s.aMember, "compute", "POST", v21+"os-keypairs", obj{"keypair": obj{"name": keyName, "public_key": publicKey + s.secret}})
	group := s.id(s.aMember, "compute", v21+"os-server-groups", obj{"server_group": obj{"name": s.secret, "policy": "anti-affinity"}}, "server_group/id")
	aggregate := s.must(s.root, "compute", "POST", v21+"os-aggregates", obj{"aggregate": obj{"name": s.secret}}).at("aggregate/id").v
	server := s.id(s.aMember, "compute", v21+"servers", obj{
		"server": obj{
			"name": s.secret, "flavorRef": private, "imageRef": s.value("image", "image_id"), "key_name": keyName, "tags": arr{tag},
			"metadata": obj{metaKey: s.secret}, "networks": arr{obj{"uuid": s.network("networks")}}, "description": s.secret,
		},
		"os:scheduler_hints": obj{"group": group},
	}, "server/id")
	values := map[string]string{
		"server_id": server, "flavor_id": private, "name": keyName, "group_id": group, "aggregate_id": fmt.Sprint(aggregate), "tenant_id": s.aMember.project, "id": "seedclass",
		"key": metaKey, "tag": tag, "label": label, "volume_id": s.value("volume", "volume_id"), "port_id": s.network("ports"),
		"service_id": absent, "hypervisor_id": absent, "console_token": absent, "version": "latest", "file": "meta_data.json", "ec2": "latest",
		"request_id": s.must(s.aMember, "compute", "GET", v21+"servers/"+server+"/os-instance-actions", nil).text("instanceActions/0/request_id"),
	}
	s.private = append(s.private, private)
	for name, v := range values {
		s.values["compute {"+name+"}"] = v
	}
	s.values["compute *"], s.values["compute /v2.1/flavors/{flavor_id}/os-extra_specs/{key}"] = "instance-id", specKey
	if s.runs("compute-agent") {
		s.seedHosts(v21, server, aggregate)
	}
}

// seedHosts gives values to what only is there where servers run.
func (s *seed) seedHosts(v21, server string, aggregate any) {
	first := func(path, list string) (id string) {
		s.await(s.root, "compute", v21+path, func(d doc) bool {
			id = d.text(list + "/0/id")
			return id != ""
		})
		return id
	}
	s.values["compute {hypervisor_id}"] = first("os-hypervisors", "hypervisors")
	s.values["compute {service_id}"] = first("os-services", "services")
	s.must(s.root, "compute", "POST", v21+"os-aggregates/"+fmt.Sprint(aggregate)+"/action", obj{"add_host": obj{"host": s.c.set.hosts()[0]}})
	s.await(s.aMember, "compute", v21+"servers/"+server, func(d doc) bool {
		if d.text("server/status") == "ERROR" {
			s.Fatalf("A's server: %v", d.at("server/fault").v)
		}
		return d.text("server/status") == "ACTIVE"
	})
	serial := s.must(s.aMember, "compute", "POST", v21+"servers/"+server+"/remote-consoles", obj{"remote_console": obj{"protocol": "serial", "type": "serial"}})
	_, s.values["compute {console_token}"], _ = strings.Cut(serial.text("remote_console/url"), "?token=")
	s.must(s.aMember, "compute", "POST", v21+"servers/"+server+"/os-volume_attachments", obj{"volumeAttachment": obj{"volumeId": s.value("volume", "volume_id")}})
	s.await(s.aMember, "volume", "/v3/volumes/"+s.value("volume", "volume_id"), func(d doc) bool { return d.text("volume/status") == "in-use" })
	s.values["compute {port_id}"] = s.must(s.aMember, "compute", "GET", v21+"servers/"+server+"/os-interface", nil).text("interfaceAttachments/0/port_id")
}

func (s *seed) seedPlacement() {
	if ok := slices.ContainsFunc(s.apiNames(), func(n string) bool { return n == "placement" }); !ok {
		return
	}
	provider := s.must(s.root, "placement", "POST", "/resource_providers", obj{"name": s.secret}).text("uuid")
	s.must(s.root, "placement", "PUT", "/resource_providers/"+provider+"/inventories", obj{
		"resource_provider_generation": 0, "inventories": obj{"VCPU": obj{"total": 8}},
	})
	s.must(s.root, "placement", "PUT", "/traits/CUSTOM_SEED", nil)
	s.must(s.root, "placement", "PUT", "/resource_classes/CUSTOM_SEED", nil)
	s.must(s.root, "placement", "PUT", "/allocations/"+absent, obj{
		"allocations": obj{provider: obj{"resources": obj{"VCPU": 1}}}, "project_id": s.aMember.project, "user_id": s.aMember.user,
		"consumer_generation": nil, "consumer_type": "SEED",
	})
	for name, v := range map[string]string{"uuid": provider, "resource_class": "VCPU", "consumer_uuid": absent, "name": "CUSTOM_SEED"} {
		s.values["placement {"+name+"}"] = v
	}
	s.private = append(s.private, provider)
}

func (s *seed) apiNames() (out []string) {
	for _, a := range s.apis() {
		out = append(out, a.Service)
	}
	return out
}

// seedB gives B what he needs to reach for A's things with.
func (s *seed) seedB() {
	create := func(kind string, attributes obj) string {
		return s.id(s.bMember, "network", "/v2.0/"+strings.ReplaceAll(kind, "_", "-")+"s", obj{kind: attributes}, kind+"/id")
	}
	s.bNet = create("network", obj{"name": "b"})
	s.bSubnet = create("subnet", obj{"network_id": s.bNet, "ip_version": 4, "cidr": "10.8.0.0/24"})
	s.bRouter = create("router", obj{"external_gateway_info": obj{"network_id": s.external}})
	s.must(s.bMember, "network", "PUT", "/v2.0/routers/"+s.bRouter+"/add_router_interface", obj{"subnet_id": s.bSubnet})
	s.bGroup = create("security_group", obj{"name": "b"})
	s.bPort = create("port", obj{"network_id": s.bNet})
	s.bFloating = create("floatingip", obj{"floating_network_id": s.external})
	s.bVolume = s.id(s.bMember, "volume", "/v3/volumes", obj{"volume": obj{"size": 1}}, "volume/id")
	s.available(s.bMember, s.bVolume)
	public := s.id(s.root, "image", "/v2/images", obj{"name": "public", "disk_format": "raw", "container_format": "bare", "visibility": "public"}, "id")
	s.do(call{who: s.root, service: "image", method: "PUT", path: "/v2/images/" + public + "/file", body: []byte("public"),
		header: map[string]string{"Content-Type": "application/octet-stream"}})
	s.bServer = s.id(s.bMember, "compute", "/v2.1/servers", obj{"server": obj{
		"name": "b", "flavorRef": s.roomy, "imageRef": public, "networks": arr{obj{"uuid": s.bNet}},
	}}, "server/id")
	if s.runs("compute-agent") {
		s.await(s.bMember, "compute", "/v2.1/servers/"+s.bServer, func(d doc) bool { return d.text("server/status") == "ACTIVE" })
	}
}

// revoke takes back a token that every service has seen.
func (s *seed) revoke() {
	for service, path := range map[string]string{
		"identity": "/v3/auth/projects", "image": "/v2/images", "network": "/v2.0/networks", "volume": "/v3/volumes", "compute": "/v2.1/servers",
	} {
		s.must(s.revoked, service, "GET", path, nil)
	}
	r := s.do(call{who: s.revoked, service: "identity", method: "DELETE", path: "/v3/auth/tokens", header: map[string]string{"X-Subject-Token": s.revoked.token}})
	if r.status != http.StatusNoContent {
		s.Fatalf("revoke: %s", r)
	}
	s.revoked.name = "revoked"
}

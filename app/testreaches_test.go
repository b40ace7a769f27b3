package app

import (
	"net/http"
	"slices"
	"strings"
)

// reach is a request of B's member about something of his own, which names
// something of A's in its body or query.
type reach struct {
	name string
	call
	ignored bool   // the attribute has no meaning: the thing becomes B's
	hides   string // B may ask, and is not told this
}

// refused fails unless a reach is answered as if the thing were not there.
func (s *seed) refused(c reach) {
	r := s.do(c.call)
	s.quiet(c.who, r)
	if c.hides != "" {
		if r.status >= 300 || strings.Contains(string(r.body), c.hides) {
			s.Errorf("%s; want it without %s", r, c.hides)
		}
		return
	}
	if c.ignored != (r.status < 300) || !c.ignored && !slices.Contains([]int{400, 401, 403, 404, 409}, r.status) {
		s.Errorf("%s", r)
	}
}

func (s *seed) reaches() []reach {
	var out []reach
	for _, part := range [][]reach{s.networkReaches(), s.computeReaches(), s.sharedReaches(), s.otherReaches()} {
		out = append(out, part...)
	}
	for i := range out {
		if out[i].who.token == "" {
			out[i].who = s.bMember
		}
	}
	return out
}

func (s *seed) networkReaches() []reach {
	a := s.aMember.project
	send := func(name, method, path string, body obj) reach {
		return reach{name: name, call: call{service: "network", method: method, path: "/v2.0/" + path, body: body}}
	}
	subnet := func(network string) obj {
		return obj{"subnet": obj{"network_id": network, "ip_version": 4, "cidr": "10.66.0.0/24"}}
	}
	return []reach{
		send("a port in A's network", "POST", "ports", obj{"port": obj{"network_id": s.network("networks")}}),
		send("a port in A's group", "POST", "ports", obj{"port": obj{"network_id": s.bNet, "security_groups": arr{s.network("security-groups")}}}),
		send("a port with an address of A's subnet", "POST", "ports", obj{"port": obj{"network_id": s.bNet, "fixed_ips": arr{obj{"subnet_id": s.network("subnets")}}}}),
		send("a port for A", "POST", "ports", obj{"port": obj{"network_id": s.bNet, "project_id": a}}),
		send("several ports, one for A", "POST", "ports", obj{"ports": arr{obj{"network_id": s.bNet}, obj{"network_id": s.bNet, "tenant_id": a}}}),
		send("own port into A's group", "PUT", "ports/"+s.bPort, obj{"port": obj{"security_groups": arr{s.network("security-groups")}}}),
		send("own port's address from A's subnet", "PUT", "ports/"+s.bPort, obj{"port": obj{"fixed_ips": arr{obj{"subnet_id": s.network("subnets")}}}}),
		send("own port on A's host", "PUT", "ports/"+s.bPort, obj{"port": obj{"binding:host_id": "sim0"}}),
		send("a subnet of A's network", "POST", "subnets", subnet(s.network("networks"))),
		send("a subnet of the external network", "POST", "subnets", subnet(s.external)),
		send("a network for A", "POST", "networks", obj{"network": obj{"project_id": a}}),
		send("several networks, one for A", "POST", "networks", obj{"networks": arr{obj{}, obj{"project_id": a}}}),
		send("a network shared with all", "POST", "networks", obj{"network": obj{"shared": true}}),
		send("own network shared with all", "PUT", "networks/"+s.bNet, obj{"network": obj{"shared": true}}),
		send("a network on A's segment", "POST", "networks", obj{"network": obj{"provider:network_type": "vxlan", "provider:segmentation_id": 1}}),
		send("a router for A", "POST", "routers", obj{"router": obj{"tenant_id": a}}),
		send("a router with A's network as gateway", "POST", "routers", obj{"router": obj{"external_gateway_info": obj{"network_id": s.network("networks")}}}),
		send("own router's gateway in A's network", "PUT", "routers/"+s.bRouter, obj{"router": obj{"external_gateway_info": obj{"network_id": s.network("networks")}}}),
		send("own router into A's subnet", "PUT", "routers/"+s.bRouter+"/add_router_interface", obj{"subnet_id": s.network("subnets")}),
		send("own router with A's port", "PUT", "routers/"+s.bRouter+"/add_router_interface", obj{"port_id": s.network("ports")}),
		send("own router out of A's subnet", "PUT", "routers/"+s.bRouter+"/remove_router_interface", obj{"subnet_id": s.network("subnets")}),
		send("a floating IP for A's port", "POST", "floatingips", obj{"floatingip": obj{"floating_network_id": s.external, "port_id": s.network("ports")}}),
		send("a floating IP of A's network", "POST", "floatingips", obj{"floatingip": obj{"floating_network_id": s.network("networks")}}),
		send("a floating IP for A", "POST", "floatingips", obj{"floatingip": obj{"floating_network_id": s.external, "tenant_id": a}}),
		send("own floating IP to A's port", "PUT", "floatingips/"+s.bFloating, obj{"floatingip": obj{"port_id": s.network("ports")}}),
		send("a rule of A's group", "POST", "security-group-rules", obj{"security_group_rule": obj{"security_group_id": s.network("security-groups"), "direction": "ingress"}}),
		send("a rule that names A's group", "POST", "security-group-rules", obj{"security_group_rule": obj{
			"security_group_id": s.bGroup, "direction": "ingress", "remote_group_id": s.network("security-groups"),
		}}),
		send("a rule for A", "POST", "security-group-rules", obj{"security_group_rule": obj{"security_group_id": s.bGroup, "direction": "ingress", "tenant_id": a}}),
	}
}

func (s *seed) computeReaches() []reach {
	send := func(name, method, path string, body obj) reach {
		return reach{name: name, call: call{service: "compute", method: method, path: "/v2.1/" + path, body: body}}
	}
	server := func(name string, more obj) reach {
		attributes := obj{"name": "reach", "flavorRef": s.roomy, "networks": "none"}
		hints := obj{}
		for k, v := range more {
			if k == "group" {
				hints[k] = v
				continue
			}
			attributes[k] = v
		}
		return send("a server "+name, "POST", "servers", obj{"server": attributes, "os:scheduler_hints": hints})
	}
	image := s.value("image", "image_id")
	device := func(source, id string) arr {
		return arr{obj{"boot_index": 0, "uuid": id, "source_type": source, "destination_type": "volume", "volume_size": 1}}
	}
	get := func(path string) reach { return send(path, http.MethodGet, path, nil) }
	return []reach{
		server("of A's image", obj{"imageRef": image}),
		server("of A's flavor", obj{"flavorRef": s.value("compute", "flavor_id"), "block_device_mapping_v2": device("volume", s.bVolume)}),
		server("in A's network", obj{"networks": arr{obj{"uuid": s.network("networks")}}, "block_device_mapping_v2": device("volume", s.bVolume)}),
		server("with A's port", obj{"networks": arr{obj{"port": s.network("ports")}}, "block_device_mapping_v2": device("volume", s.bVolume)}),
		server("of A's volume", obj{"block_device_mapping_v2": device("volume", s.value("volume", "volume_id"))}),
		server("of a volume of A's image", obj{"block_device_mapping_v2": device("image", image)}),
		server("with A's key", obj{"key_name": keyName, "block_device_mapping_v2": device("volume", s.bVolume)}),
		server("in A's server group", obj{"group": s.value("compute", "group_id"), "block_device_mapping_v2": device("volume", s.bVolume)}),
		server("in A's security group", obj{
			"security_groups": arr{obj{"name": s.network("security-groups")}}, "networks": arr{obj{"uuid": s.bNet}}, "block_device_mapping_v2": device("volume", s.bVolume),
		}),
		send("A's volume to own server", "POST", "servers/"+s.bServer+"/os-volume_attachments", obj{"volumeAttachment": obj{"volumeId": s.value("volume", "volume_id")}}),
		send("A's port to own server", "POST", "servers/"+s.bServer+"/os-interface", obj{"interfaceAttachment": obj{"port_id": s.network("ports")}}),
		send("A's network to own server", "POST", "servers/"+s.bServer+"/os-interface", obj{"interfaceAttachment": obj{"net_id": s.network("networks")}}),
		send("own server into A's group", "POST", "servers/"+s.bServer+"/action", obj{"addSecurityGroup": obj{"name": s.network("security-groups")}}),
		send("a key for A's member", "POST", "os-keypairs", obj{"keypair": obj{"name": "reach", "public_key": publicKey, "user_id": s.aMember.user}}),
		get("os-keypairs?user_id=" + s.aMember.user), get("os-keypairs/" + keyName + "?user_id=" + s.aMember.user),
		send("A's key away", http.MethodDelete, "os-keypairs/"+keyName+"?user_id="+s.aMember.user, nil),
		get("servers/detail?all_tenants=1"), get("limits?tenant_id=" + s.aMember.project), get(s.aMember.project + "/servers"),
		get("servers/" + s.bServer + "/os-volume_attachments/" + s.value("volume", "volume_id")),
		get("servers/" + s.bServer + "/os-interface/" + s.value("compute", "port_id")),
	}
}

// sharedReaches are about what B sees and does not own.
func (s *seed) sharedReaches() []reach {
	send := func(name, service, method, path string, body any) reach {
		return reach{name: name, call: call{service: service, method: method, path: path, body: body}}
	}
	image := "/v2/images/" + s.id(s.aMember, "image", "/v2/images", obj{"disk_format": "raw", "container_format": "bare", "visibility": "shared"}, "id")
	for _, project := range []string{s.bMember.project, s.nobody} {
		s.must(s.aMember, "image", "POST", image+"/members", obj{"member": project})
	}
	rename := send("a shared image's name", "image", "PATCH", image, arr{obj{"op": "replace", "path": "/name", "value": "reach"}})
	rename.header = map[string]string{"Content-Type": "application/openstack-images-v2.1-json-patch"}
	upload := send("a shared image's bytes", "image", "PUT", image+"/file", []byte("reach"))
	upload.header = map[string]string{"Content-Type": "application/octet-stream"}
	members := send("a shared image's members", "image", "GET", image+"/members", nil)
	members.hides = s.nobody
	return []reach{
		members, rename, upload,
		send("another member of a shared image", "image", "GET", image+"/members/"+s.nobody, nil),
		send("another member's answer", "image", "PUT", image+"/members/"+s.nobody, obj{"status": "accepted"}),
		send("another member away", "image", "DELETE", image+"/members/"+s.nobody, nil),
		send("sharing further", "image", "POST", image+"/members", obj{"member": absent}),
		send("a shared image's tag", "image", "PUT", image+"/tags/reach", nil),
		send("a shared image shut", "image", "POST", image+"/actions/deactivate", nil),
		send("a shared image away", "image", "DELETE", image, nil),
		send("the external network's name", "network", "PUT", "/v2.0/networks/"+s.external, obj{"network": obj{"name": "reach"}}),
		send("the external network's tag", "network", "PUT", "/v2.0/networks/"+s.external+"/tags/reach", nil),
		send("the external network away", "network", "DELETE", "/v2.0/networks/"+s.external, nil),
		send("a public flavor away", "compute", "DELETE", "/v2.1/flavors/"+s.roomy, nil),
	}
}

func (s *seed) otherReaches() []reach {
	a, image := s.aMember.project, s.value("image", "image_id")
	send := func(name, service, method, path string, body any) reach {
		return reach{name: name, call: call{service: service, method: method, path: path, body: body}}
	}
	volume := func(name string, more obj) reach {
		attributes := obj{"size": 1}
		for k, v := range more {
			attributes[k] = v
		}
		return send("a volume "+name, "volume", "POST", "/v3/volumes", obj{"volume": attributes})
	}
	out := []reach{
		volume("of A's image", obj{"imageRef": image}), volume("of A's volume", obj{"source_volid": s.value("volume", "volume_id")}),
		{name: "a volume for A", call: call{service: "volume", method: "POST", path: "/v3/volumes", body: obj{"volume": obj{"size": 1, "project_id": a}}}, ignored: true},
		send("what A uses", "placement", http.MethodGet, "/usages?project_id="+a, nil),
		send("A's volume attached", "volume", "POST", "/v3/attachments", obj{"attachment": obj{"volume_uuid": s.value("volume", "volume_id"), "instance_uuid": s.bServer}}),
		send("A's volumes by A's path", "volume", http.MethodGet, "/v3/"+a+"/volumes", nil),
		send("an image for A", "image", "POST", "/v2/images", obj{"name": "reach", "owner": a}),
		send("an image for all", "image", "POST", "/v2/images", obj{"name": "reach", "visibility": "public"}),
		send("an image with A's id", "image", "POST", "/v2/images", obj{"id": image}),
		send("a token for A", "identity", "POST", "/v3/auth/tokens", passwordBody("memberB", s.bPassword, "project-A")),
		send("a token for A by token", "identity", "POST", "/v3/auth/tokens", obj{"auth": obj{
			"identity": obj{"methods": arr{"token"}, "token": obj{"id": s.bMember.token}}, "scope": obj{"project": obj{"id": a}},
		}}),
	}
	for _, q := range []string{"role_assignments?scope.project.id=" + a, "role_assignments?user.id=" + s.aMember.user, "users?domain_id=default", "projects?domain_id=default", "groups?domain_id=default"} {
		out = append(out, send(q, "identity", http.MethodGet, "/v3/"+q, nil))
	}
	return out
}

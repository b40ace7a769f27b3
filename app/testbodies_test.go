package app

import (
	"slices"
	"strings"
)

// bodies are acceptable bodies of all operations that read one, by their
// key, with as many of the known attributes as go together: what is wrong
// with a request must be what the test made wrong.
func (s *seed) bodies() map[string]any {
	out := map[string]any{}
	for _, part := range []map[string]any{s.identityBodies(), s.delegationBodies(), s.imageBodies(), s.networkBodies(), s.volumeBodies(), s.serverBodies(), s.computeBodies(), s.placementBodies()} {
		for k, v := range part {
			out[k] = v
		}
	}
	return out
}

// bodiless are the operations by POST, PUT or PATCH that read no body.
func bodiless(o operation) bool {
	switch o.key() {
	case "image PUT /images/{image_id}/file", "image PUT /images/{image_id}/stage", "image PUT /images/{image_id}/tags/{tag}",
		"image POST /cache/clean", "image POST /cache/prune", "image PUT /cache/{image_id}", "image POST /metadefs/namespaces/{namespace_name}/tags/{tag_name}",
		"image POST /images/{image_id}/actions/deactivate", "image POST /images/{image_id}/actions/reactivate",
		"compute PUT /servers/{server_id}/tags/{tag}", "identity PUT /groups/{group_id}/users/{user_id}",
		"identity PUT /roles/{prior_id}/implies/{implied_id}", "placement PUT /resource_classes/{name}", "placement PUT /traits/{name}":
		return !o.route.HasBody()
	}
	grant := o.api.Service == "identity" && o.route.Method == "PUT" && hasSegment(o.route.Path, "{role_id}")
	// Ties between things that are there already, and what signs itself.
	if o.api.Service == "identity" && !o.route.HasBody() && slices.ContainsFunc([]string{"/OS-EP-FILTER/", "/OS-ENDPOINT-POLICY/", "/tags/{tag}", "/OS-OAUTH1/", "/OS-OAUTH2/", "/protocols/{protocol_id}/auth"},
		func(part string) bool { return strings.Contains(o.route.Path, part) }) {
		return true
	}
	networkTag := o.api.Service == "network" && hasSegment(o.route.Path, "{tag}")
	return grant || networkTag
}

func (s *seed) identityBodies() map[string]any {
	entity := func(more obj) obj {
		all := obj{"name": "new", "description": "text", "enabled": true}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	login := passwordBody("memberA", "wrong", "project-A")
	return map[string]any{
		"identity POST /auth/tokens":              login,
		"identity POST /domains":                  obj{"domain": entity(nil)},
		"identity PATCH /domains/{domain_id}":     obj{"domain": entity(nil)},
		"identity POST /projects":                 obj{"project": entity(obj{"domain_id": "default"})},
		"identity PATCH /projects/{project_id}":   obj{"project": entity(nil)},
		"identity POST /users":                    obj{"user": entity(obj{"domain_id": "default", "email": "a@b"})},
		"identity PATCH /users/{user_id}":         obj{"user": entity(obj{"email": "a@b"})},
		"identity POST /users/{user_id}/password": obj{"user": obj{"password": "new", "original_password": "wrong"}},
		"identity POST /groups":                   obj{"group": obj{"name": "new", "description": "text", "domain_id": "default"}},
		"identity PATCH /groups/{group_id}":       obj{"group": obj{"name": "new", "description": "text"}},
		"identity POST /regions":                  obj{"region": obj{"id": "new", "description": "text"}},
		"identity PATCH /regions/{region_id}":     obj{"region": obj{"description": "text"}},
		"identity POST /services":                 obj{"service": entity(obj{"type": "newtype"})},
		"identity PATCH /services/{service_id}":   obj{"service": entity(nil)},
		"identity POST /endpoints":                obj{"endpoint": obj{"service_id": s.value("identity", "service_id"), "interface": "public", "url": "http://192.0.2.2/", "enabled": true}},
		"identity PATCH /endpoints/{endpoint_id}": obj{"endpoint": obj{"url": "http://192.0.2.2/", "interface": "public", "enabled": false}},
		"identity POST /roles":                    obj{"role": obj{"name": "new", "description": "text"}},
		"identity PATCH /roles/{role_id}":         obj{"role": obj{"name": "new", "description": "text"}},
	}
}

func (s *seed) imageBodies() map[string]any {
	const ns = "/metadefs/namespaces/{namespace_name}"
	property := obj{"name": "new", "title": "text", "description": "text", "type": "integer", "minimum": 1, "maximum": 9, "readonly": false, "operators": arr{"<in>"}}
	object := obj{"name": "new", "description": "text", "required": arr{"p"}, "properties": obj{"p": obj{"title": "text", "type": "string"}}}
	namespace := obj{
		"namespace": "new", "display_name": "text", "description": "text", "visibility": "private", "protected": false, "owner": s.aMember.project,
		"properties": obj{"p": obj{"title": "text", "type": "string"}}, "objects": arr{object}, "tags": arr{obj{"name": "t"}},
		"resource_type_associations": arr{obj{"name": "OS::New", "prefix": "p_", "properties_target": "text"}},
	}
	return map[string]any{
		"image POST /images/{image_id}/import": obj{
			"method": obj{"name": "web-download", "uri": "http://192.0.2.1/image"}, "stores": arr{"file"}, "all_stores": false, "all_stores_must_succeed": true,
		},
		"image POST /images/{image_id}/locations": obj{
			"url": "http://192.0.2.1/image", "validation_data": obj{"os_hash_algo": "sha512", "os_hash_value": strings.Repeat("0", 128)},
		},
		"image POST /tasks": obj{"type": "import", "input": obj{
			"import_from": "http://192.0.2.1/image", "import_from_format": "raw", "image_properties": obj{"disk_format": "raw", "container_format": "bare"},
		}},
		"image POST /metadefs/namespaces":                 namespace,
		"image PUT " + ns:                                 namespace,
		"image POST " + ns + "/objects":                   object,
		"image PUT " + ns + "/objects/{object_name}":      object,
		"image POST " + ns + "/properties":                property,
		"image PUT " + ns + "/properties/{property_name}": property,
		"image POST " + ns + "/tags":                      obj{"tags": arr{obj{"name": "new"}}},
		"image PUT " + ns + "/tags/{tag_name}":            obj{"name": "new"},
		"image POST " + ns + "/resource_types":            obj{"name": "OS::New", "prefix": "p_", "properties_target": "text"},
		"image POST /images": obj{
			"name": "new", "disk_format": "raw", "container_format": "bare", "visibility": "private", "tags": arr{"t"}, "min_disk": 1, "min_ram": 1,
			"protected": false, "os_hidden": false, "property": "text",
		},
		"image PATCH /images/{image_id}":                   arr{obj{"op": "replace", "path": "/name", "value": "renamed"}},
		"image POST /images/{image_id}/members":            obj{"member": s.bMember.project},
		"image PUT /images/{image_id}/members/{member_id}": obj{"status": "accepted"},
	}
}

func (s *seed) networkBodies() map[string]any {
	out := map[string]any{
		"network POST /networks":     obj{"network": obj{"name": "new", "description": "text", "admin_state_up": true, "mtu": 1400, "port_security_enabled": true}},
		"network PUT /networks/{id}": obj{"network": obj{"name": "new", "description": "text", "admin_state_up": false}},
		"network POST /subnets": obj{"subnet": obj{
			"name": "new", "network_id": s.bNet, "ip_version": 4, "cidr": "10.7.0.0/24", "gateway_ip": "10.7.0.1", "enable_dhcp": true,
			"allocation_pools": arr{obj{"start": "10.7.0.10", "end": "10.7.0.20"}}, "dns_nameservers": arr{"192.0.2.53"},
			"host_routes": arr{obj{"destination": "192.0.2.0/24", "nexthop": "10.7.0.9"}},
		}},
		"network PUT /subnets/{id}": obj{"subnet": obj{"name": "new", "enable_dhcp": false, "dns_nameservers": arr{"192.0.2.53"}, "host_routes": arr{}}},
		"network POST /ports": obj{"port": obj{
			"name": "new", "network_id": s.bNet, "admin_state_up": true, "device_id": "d", "device_owner": "compute:nova",
			"security_groups": arr{s.bGroup}, "binding:vnic_type": "normal",
		}},
		"network PUT /ports/{id}":                           obj{"port": obj{"name": "new", "description": "text", "admin_state_up": false, "security_groups": arr{}}},
		"network POST /routers":                             obj{"router": obj{"name": "new", "admin_state_up": true, "external_gateway_info": obj{"network_id": s.external}}},
		"network PUT /routers/{id}":                         obj{"router": obj{"name": "new", "admin_state_up": false, "routes": arr{obj{"destination": "192.0.2.0/24", "nexthop": "10.9.0.9"}}}},
		"network PUT /routers/{id}/add_router_interface":    obj{"subnet_id": s.network("subnets")},
		"network PUT /routers/{id}/remove_router_interface": obj{"subnet_id": s.network("subnets")},
		"network POST /floatingips":                         obj{"floatingip": obj{"floating_network_id": s.external, "description": "text"}},
		"network PUT /floatingips/{id}":                     obj{"floatingip": obj{"description": "text", "port_id": nil}},
		"network POST /security-groups":                     obj{"security_group": obj{"name": "new", "description": "text"}},
		"network PUT /security-groups/{id}":                 obj{"security_group": obj{"name": "new", "description": "text"}},
		"network POST /security-group-rules": obj{"security_group_rule": obj{
			"security_group_id": s.bGroup, "direction": "ingress", "ethertype": "IPv4", "protocol": "udp", "port_range_min": 53, "port_range_max": 53,
			"remote_ip_prefix": "192.0.2.0/24", "description": "text",
		}},
		"network PUT /agents/{id}": obj{"agent": obj{"admin_state_up": true, "description": "text"}},
		"network PUT /quotas/{id}": obj{"quota": obj{"network": 7, "port": 70}},
	}
	for _, collection := range []string{"networks", "subnets", "ports", "routers", "floatingips", "security-groups"} {
		for _, method := range []string{"PUT", "POST"} {
			out["network "+method+" /"+collection+"/{id}/tags"] = obj{"tags": arr{"new"}}
		}
	}
	return out
}

func (s *seed) volumeBodies() map[string]any {
	const action = "volume POST /volumes/{volume_id}/action "
	metadata := obj{"metadata": obj{"new": "text"}}
	service := obj{"host": "nowhere", "binary": "cinder-volume"}
	return map[string]any{
		"volume POST /volumes":                                        obj{"volume": obj{"size": 1, "name": "new", "description": "text", "metadata": obj{"k": "v"}, "volume_type": "seedtype", "multiattach": false}},
		"volume PUT /volumes/{volume_id}":                             obj{"volume": obj{"name": "new", "description": "text", "metadata": obj{"k": "v"}}},
		"volume POST /volumes/{volume_id}/metadata":                   metadata,
		"volume PUT /volumes/{volume_id}/metadata":                    metadata,
		"volume PUT /volumes/{volume_id}/metadata/{key}":              obj{"meta": obj{metaKey: "text"}},
		action + "os-extend":                                          obj{"os-extend": obj{"new_size": 2}},
		action + "os-set_bootable":                                    obj{"os-set_bootable": obj{"bootable": true}},
		action + "os-update_readonly_flag":                            obj{"os-update_readonly_flag": obj{"readonly": true}},
		action + "os-show_image_metadata":                             obj{"os-show_image_metadata": nil},
		action + "os-set_image_metadata":                              obj{"os-set_image_metadata": metadata},
		action + "os-unset_image_metadata":                            obj{"os-unset_image_metadata": obj{"key": "k"}},
		action + "os-reset_status":                                    obj{"os-reset_status": obj{"status": "error"}},
		action + "os-force_delete":                                    obj{"os-force_delete": nil},
		action + "os-force_detach":                                    obj{"os-force_detach": obj{"attachment_id": absent}},
		action + "os-detach":                                          obj{"os-detach": obj{"attachment_id": absent}},
		"volume POST /attachments":                                    obj{"attachment": obj{"volume_uuid": s.bVolume, "instance_uuid": absent}},
		"volume PUT /attachments/{attachment_id}":                     obj{"attachment": obj{"connector": obj{"host": "sim0"}}},
		"volume POST /attachments/{attachment_id}/action os-complete": obj{"os-complete": nil},
		"volume POST /types":                                          obj{"volume_type": obj{"name": "new", "description": "text", "extra_specs": obj{"k": "v"}}},
		"volume PUT /types/{type_id}":                                 obj{"volume_type": obj{"name": "new", "description": "text", "is_public": true}},
		"volume POST /types/{type_id}/extra_specs":                    obj{"extra_specs": obj{"k": "v"}},
		"volume PUT /types/{type_id}/extra_specs/{key}":               obj{metaKey: "v"},
		"volume PUT /os-quota-sets/{target_id}":                       obj{"quota_set": obj{"volumes": 7, "gigabytes": 70}},
		"volume PUT /os-quota-class-sets/{quota_class_name}":          obj{"quota_class_set": obj{"volumes": 7, "gigabytes": 70}},
		"volume PUT /os-services/enable":                              service,
		"volume PUT /os-services/disable":                             service,
		"volume PUT /os-services/disable-log-reason":                  obj{"host": "nowhere", "binary": "cinder-volume", "disabled_reason": "text"},
	}
}

func (s *seed) serverBodies() map[string]any {
	const action = "compute POST /servers/{server_id}/action "
	const attachment = "/servers/{server_id}/os-volume_attachments"
	metadata := obj{"metadata": obj{"new": "text"}}
	return map[string]any{
		"compute POST /servers": obj{
			"server": obj{
				"name": "new", "flavorRef": s.roomy, "imageRef": s.value("image", "image_id"), "networks": arr{obj{"uuid": s.bNet, "tag": "nic"}}, "metadata": obj{"k": "v"},
				"description": "text", "tags": arr{"t"}, "security_groups": arr{obj{"name": "default"}}, "min_count": 1, "max_count": 1, "user_data": "dGV4dA==",
				"config_drive": false, "OS-DCF:diskConfig": "AUTO",
				"block_device_mapping_v2": arr{obj{"boot_index": 0, "uuid": s.value("image", "image_id"), "source_type": "image", "destination_type": "local", "delete_on_termination": true}},
			},
			"os:scheduler_hints": obj{"different_host": arr{absent}},
		},
		"compute PUT /servers/{server_id}":                  obj{"server": obj{"name": "new", "description": "text", "accessIPv4": "192.0.2.1"}},
		"compute POST /servers/{server_id}/metadata":        metadata,
		"compute PUT /servers/{server_id}/metadata":         metadata,
		"compute PUT /servers/{server_id}/metadata/{key}":   obj{"meta": obj{metaKey: "text"}},
		"compute PUT /servers/{server_id}/tags":             obj{"tags": arr{"new"}},
		"compute POST /os-server-external-events":           obj{"events": arr{obj{"name": "network-vif-plugged", "server_uuid": absent, "status": "completed", "tag": absent}}},
		"compute POST /os-server-groups":                    obj{"server_group": obj{"name": "new", "policy": "anti-affinity", "rules": obj{"max_server_per_host": 2}}},
		action + "os-start":                                 obj{"os-start": nil},
		action + "os-stop":                                  obj{"os-stop": nil},
		action + "reboot":                                   obj{"reboot": obj{"type": "HARD"}},
		action + "os-getConsoleOutput":                      obj{"os-getConsoleOutput": obj{"length": 10}},
		"compute POST /servers/{server_id}/remote-consoles": obj{"remote_console": obj{"protocol": "serial", "type": "serial"}},
		action + "os-getVNCConsole":                         obj{"os-getVNCConsole": obj{"type": "novnc"}},
		action + "os-getSerialConsole":                      obj{"os-getSerialConsole": obj{"type": "serial"}},
		action + "os-getSPICEConsole":                       obj{"os-getSPICEConsole": obj{"type": "spice-html5"}},
		action + "os-getRDPConsole":                         obj{"os-getRDPConsole": obj{"type": "rdp-html5"}},
		action + "lock":                                     obj{"lock": obj{"locked_reason": "text"}},
		action + "unlock":                                   obj{"unlock": nil},
		action + "os-resetState":                            obj{"os-resetState": obj{"state": "error"}},
		action + "addSecurityGroup":                         obj{"addSecurityGroup": obj{"name": s.bGroup}},
		action + "removeSecurityGroup":                      obj{"removeSecurityGroup": obj{"name": "default"}},
		"compute POST " + attachment:                        obj{"volumeAttachment": obj{"volumeId": s.bVolume, "device": "/dev/vdz", "tag": "disk", "delete_on_termination": false}},
		"compute PUT " + attachment + "/{volume_id}":        obj{"volumeAttachment": obj{"volumeId": s.value("volume", "volume_id"), "delete_on_termination": true}},
		"compute POST /servers/{server_id}/os-interface":    obj{"interfaceAttachment": obj{"net_id": s.bNet, "tag": "nic", "fixed_ips": arr{obj{"ip_address": "10.8.0.77"}}}},
	}
}

func (s *seed) computeBodies() map[string]any {
	const aggregate = "compute POST /os-aggregates/{aggregate_id}/action "
	service := obj{"host": "nowhere", "binary": "nova-compute"}
	with := func(k string, v any) obj { return obj{"host": "nowhere", "binary": "nova-compute", k: v} }
	return map[string]any{
		"compute POST /flavors": obj{"flavor": obj{
			"name": "new", "id": "newid", "ram": 64, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": 0, "rxtx_factor": 1.0,
			"os-flavor-access:is_public": true, "description": "text",
		}},
		"compute PUT /flavors/{flavor_id}":                            obj{"flavor": obj{"description": "text"}},
		"compute POST /flavors/{flavor_id}/action addTenantAccess":    obj{"addTenantAccess": obj{"tenant": s.bMember.project}},
		"compute POST /flavors/{flavor_id}/action removeTenantAccess": obj{"removeTenantAccess": obj{"tenant": s.aMember.project}},
		"compute POST /flavors/{flavor_id}/os-extra_specs":            obj{"extra_specs": obj{"k": "v"}},
		"compute PUT /flavors/{flavor_id}/os-extra_specs/{key}":       obj{specKey: "v"},
		"compute POST /os-keypairs":                                   obj{"keypair": obj{"name": "new", "public_key": publicKey, "type": "ssh"}},
		"compute POST /os-aggregates":                                 obj{"aggregate": obj{"name": "new", "availability_zone": "zone"}},
		"compute PUT /os-aggregates/{aggregate_id}":                   obj{"aggregate": obj{"name": "new", "availability_zone": "zone"}},
		aggregate + "add_host":                                        obj{"add_host": obj{"host": "nowhere"}},
		aggregate + "remove_host":                                     obj{"remove_host": obj{"host": "sim0"}},
		aggregate + "set_metadata":                                    obj{"set_metadata": obj{"metadata": obj{"k": "v"}}},
		"compute PUT /os-services/enable":                             service,
		"compute PUT /os-services/disable":                            service,
		"compute PUT /os-services/disable-log-reason":                 with("disabled_reason", "text"),
		"compute PUT /os-services/force-down":                         with("forced_down", true),
		"compute PUT /os-services/{service_id}":                       obj{"status": "disabled", "disabled_reason": "text", "forced_down": false},
		"compute PUT /os-quota-sets/{tenant_id}":                      obj{"quota_set": obj{"instances": 7, "cores": 7, "force": true}},
		"compute PUT /os-quota-class-sets/{id}":                       obj{"quota_class_set": obj{"instances": 7, "cores": 7}},
	}
}

func (s *seed) placementBodies() map[string]any {
	provider := s.value("placement", "uuid")
	inventory := obj{"total": 4, "reserved": 0, "min_unit": 1, "max_unit": 4, "step_size": 1, "allocation_ratio": 1.5}
	with := func(k string, v any) obj {
		out := obj{k: v}
		for key, value := range inventory {
			out[key] = value
		}
		return out
	}
	consumer := obj{
		"allocations": obj{provider: obj{"resources": obj{"VCPU": 1}}}, "project_id": s.aMember.project, "user_id": s.aMember.user,
		"consumer_generation": 1, "consumer_type": "SEED", "mappings": obj{"_seed": arr{provider}},
	}
	const of = " /resource_providers/{uuid}/"
	return map[string]any{
		"placement POST /resource_providers":                  obj{"name": "new", "uuid": "11111111-0000-4000-8000-000000000001", "parent_provider_uuid": nil},
		"placement PUT /resource_providers/{uuid}":            obj{"name": "new", "parent_provider_uuid": nil},
		"placement POST" + of + "inventories":                 with("resource_class", "DISK_GB"),
		"placement PUT" + of + "inventories":                  obj{"resource_provider_generation": 1, "inventories": obj{"VCPU": inventory}},
		"placement PUT" + of + "inventories/{resource_class}": with("resource_provider_generation", 1),
		"placement PUT" + of + "aggregates":                   obj{"aggregates": arr{absent}, "resource_provider_generation": 1},
		"placement PUT" + of + "traits":                       obj{"traits": arr{"CUSTOM_SEED"}, "resource_provider_generation": 1},
		"placement PUT /allocations/{consumer_uuid}":          consumer,
		"placement POST /allocations":                         obj{absent: consumer},
		"placement POST /reshaper": obj{
			"inventories": obj{provider: obj{"resource_provider_generation": 1, "inventories": obj{"VCPU": inventory}}}, "allocations": obj{absent: consumer},
		},
		"placement POST /resource_classes":       obj{"name": "CUSTOM_NEW"},
		"placement PUT /resource_classes/{name}": obj{"name": "CUSTOM_RENAMED"},
	}
}

package api

import (
	"slices"
	"strings"

	"nubo/internal/policy"
)

// The base checks of Neutron's defaults.
const (
	admin         = "rule:admin_only"
	serviceOnly   = "rule:service_api"
	service       = "rule:admin_only or rule:service_api"
	member        = "rule:admin_only or (role:member and project_id:%(project_id)s)"
	reader        = "rule:admin_only or (role:reader and project_id:%(project_id)s)"
	manager       = "rule:admin_only or (role:manager and project_id:%(project_id)s)"
	netOwner      = "rule:admin_only or (role:member and rule:network_owner)"
	netService    = netOwner + " or rule:service_api"
	memberService = member + " or rule:service_api"
	memberOrNet   = member + " or (role:member and rule:network_owner)"
	readerOrNet   = reader + " or (role:reader and rule:network_owner)"
	memberAnyOf   = memberOrNet + " or rule:service_api"
	anyReader     = "role:reader"
	// A device owner of this component's own is for those who own the network.
	ownDevice = "not rule:network_device or " + netService
)

// base are the checks that others are made of; they are asked of tokens of
// any scope.
var base = map[string]string{
	"context_is_admin": "role:admin", "admin_only": "rule:context_is_admin", "service_api": "role:service", "context_is_advsvc": "role:advsvc",
	"network_owner": "project_id:%(network:project_id)s", "sg_owner": "project_id:%(security_group:project_id)s",
	"network_device": "field:port:device_owner=~^network:",
	"shared":         "field:networks:shared=True", "external": "field:networks:router:external=True",
	"external_network": "field:subnets:router:external=True", "shared_security_group": "field:security_groups:shared=True",
	// What the original answers without asking.
	"get_api": "@", "get_extension": "@",
	// What is of all projects at once.
	"list_quotas": "rule:admin_only",
}

// checks are the defaults of the newest Neutron, for tokens of a project.
var checks = map[string]string{
	"get_service_provider": anyReader, "get_availability_zone": anyReader,

	"create_network": member, "get_network": reader + " or rule:service_api or rule:shared or rule:external or rule:context_is_advsvc",
	"update_network": member, "delete_network": member,
	"create_network:shared": admin, "create_network:router:external": admin, "create_network:is_default": admin,
	"create_network:provider:network_type": admin, "create_network:provider:physical_network": admin,
	"create_network:provider:segmentation_id": admin, "create_network:port_security_enabled": member,
	"update_network:shared": admin, "update_network:router:external": admin, "update_network:is_default": admin,
	"update_network:port_security_enabled": member,
	"get_network:provider:network_type":    admin, "get_network:provider:physical_network": admin,
	"get_network:provider:segmentation_id": admin,
	"get_network:tags":                     reader + " or rule:shared or rule:external or rule:context_is_advsvc",
	"update_network:tags":                  member, "delete_network:tags": member,

	"create_subnet": netOwner, "get_subnet": readerOrNet + " or rule:shared or rule:external_network or rule:service_api",
	"update_subnet": memberOrNet, "delete_subnet": memberOrNet,
	"get_subnet:tags": readerOrNet + " or rule:shared or rule:external_network", "update_subnet:tags": memberOrNet, "delete_subnet:tags": memberOrNet,

	"create_port": netService + " or rule:shared", "get_port": readerOrNet + " or rule:service_api", "update_port": memberService, "delete_port": memberAnyOf,
	"create_port:mac_address": netService, "create_port:fixed_ips": netService + " or rule:shared",
	"create_port:fixed_ips:ip_address": netService, "create_port:fixed_ips:subnet_id": netService + " or rule:shared",
	"create_port:port_security_enabled": netService, "create_port:allowed_address_pairs": netService, "create_port:device_owner": ownDevice,
	"create_port:binding:host_id": service, "create_port:binding:profile": serviceOnly, "create_port:binding:vnic_type": memberService,
	"update_port:mac_address": service + " or (role:manager and rule:network_owner)", "update_port:fixed_ips": netService,
	"update_port:fixed_ips:ip_address": netService, "update_port:fixed_ips:subnet_id": netService + " or rule:shared",
	"update_port:port_security_enabled": netService, "update_port:allowed_address_pairs": netService, "update_port:device_owner": ownDevice,
	"update_port:binding:host_id": service, "update_port:binding:profile": serviceOnly, "update_port:binding:vnic_type": memberService,
	"get_port:binding:host_id": service, "get_port:binding:profile": service, "get_port:binding:vif_type": service,
	"get_port:binding:vif_details": service,
	"get_port:tags":                readerOrNet + " or rule:context_is_advsvc", "update_port:tags": member + " or rule:context_is_advsvc",
	"delete_port:tags": memberOrNet + " or rule:context_is_advsvc",

	"create_router": member, "get_router": reader, "update_router": member, "delete_router": member,
	"create_router:external_gateway_info:enable_snat": admin, "create_router:external_gateway_info:external_fixed_ips": admin,
	"update_router:external_gateway_info:enable_snat": admin, "update_router:external_gateway_info:external_fixed_ips": admin,
	"add_router_interface": member, "remove_router_interface": member,
	"get_router:tags": reader, "update_router:tags": member, "delete_router:tags": member,

	"create_floatingip": member, "create_floatingip:floating_ip_address": manager, "get_floatingip": reader,
	"update_floatingip": member, "delete_floatingip": member,
	"get_floatingip:tags": reader, "update_floatingip:tags": member, "delete_floatingip:tags": member,

	"create_security_group": member, "get_security_group": reader + " or rule:shared_security_group",
	"update_security_group": member, "delete_security_group": member,
	"get_security_group:tags": reader + " or rule:shared_security_group", "update_security_group:tags": member, "delete_security_group:tags": member,
	"create_security_group_rule": "rule:admin_only or (role:member and rule:sg_owner)",
	"get_security_group_rule":    "rule:admin_only or (role:reader and rule:sg_owner)",
	"delete_security_group_rule": "rule:admin_only or (role:member and rule:sg_owner)",

	"get_agent": admin, "update_agent": admin, "delete_agent": admin,
	"get_quota": manager, "update_quota": admin, "delete_quota": admin,
	"get_network_ip_availability": service,
}

// Rules are the policy rules of the API, with the newest Neutron's defaults.
func Rules() []policy.Rule {
	var out []policy.Rule
	for name, check := range base {
		out = append(out, policy.Rule{Name: name, Check: check})
	}
	for name, check := range checks {
		out = append(out, policy.Rule{Name: name, Check: check, Scopes: []string{"project"}})
	}
	slices.SortFunc(out, func(a, b policy.Rule) int { return strings.Compare(a.Name, b.Name) })
	return out
}

package api

import (
	"slices"

	"nubo/internal/policy"
)

// The base checks of Neutron's defaults.
const (
	admin        = "rule:admin_only"
	service      = "rule:admin_only or rule:service_api"
	member       = "rule:admin_only or (role:member and project_id:%(project_id)s)"
	reader       = "rule:admin_only or (role:reader and project_id:%(project_id)s)"
	netOwner     = "rule:admin_only or (role:member and project_id:%(network:project_id)s)"
	ownerService = "rule:admin_only or rule:service_api or (role:member and project_id:%(network:project_id)s)"
	memberOrNet  = member + " or (role:member and project_id:%(network:project_id)s)"
	readerOrNet  = reader + " or (role:reader and project_id:%(network:project_id)s)"
	// A device owner of this component's own is for those who own the network.
	ownDevice = "not rule:network_device or " + ownerService
)

// checks are the defaults of the newest Neutron.
var checks = map[string]string{
	"context_is_admin": "role:admin",
	"admin_only":       "rule:context_is_admin",
	"service_api":      "role:service",
	"network_device":   "field:port:device_owner=~^network:",

	"get_api": "@", "get_extension": "@", "get_service_provider": "@", "get_availability_zone": "@",

	"create_network": member, "get_network": reader, "update_network": member, "delete_network": member,
	"create_network:shared": admin, "create_network:router:external": admin, "create_network:is_default": admin,
	"create_network:provider:network_type": admin, "create_network:provider:physical_network": admin,
	"create_network:provider:segmentation_id": admin, "create_network:port_security_enabled": member,
	"update_network:shared": admin, "update_network:router:external": admin, "update_network:is_default": admin,
	"update_network:port_security_enabled": member,
	"get_network:provider:network_type":    admin, "get_network:provider:physical_network": admin,
	"get_network:provider:segmentation_id": admin,
	"get_networks_tags":                    reader, "update_networks_tags": member, "delete_networks_tags": member,

	"create_subnet": netOwner,
	"get_subnet":    readerOrNet, "update_subnet": memberOrNet, "delete_subnet": memberOrNet,
	"get_subnets_tags": readerOrNet, "update_subnets_tags": memberOrNet, "delete_subnets_tags": memberOrNet,

	"create_port": member, "get_port": readerOrNet, "update_port": service + " or (role:member and project_id:%(project_id)s)",
	"delete_port":             service + " or (role:member and project_id:%(project_id)s) or (role:member and project_id:%(network:project_id)s)",
	"create_port:mac_address": ownerService, "create_port:fixed_ips": ownerService + " or rule:shared",
	"create_port:fixed_ips:ip_address": ownerService, "create_port:fixed_ips:subnet_id": ownerService + " or rule:shared",
	"create_port:port_security_enabled": ownerService, "create_port:allowed_address_pairs": netOwner, "create_port:device_owner": ownDevice,
	"create_port:binding:host_id": service, "create_port:binding:profile": service, "create_port:binding:vnic_type": member,
	"update_port:mac_address": service, "update_port:fixed_ips": ownerService + " or rule:shared",
	"update_port:fixed_ips:ip_address": ownerService, "update_port:fixed_ips:subnet_id": ownerService + " or rule:shared",
	"update_port:port_security_enabled": ownerService, "update_port:allowed_address_pairs": netOwner, "update_port:device_owner": ownDevice,
	"update_port:binding:host_id": service, "update_port:binding:profile": service, "update_port:binding:vnic_type": service + " or (role:member and project_id:%(project_id)s)",
	"get_port:binding:host_id": service, "get_port:binding:profile": service, "get_port:binding:vif_type": service,
	"get_port:binding:vif_details": service,
	"get_ports_tags":               readerOrNet, "update_ports_tags": memberOrNet, "delete_ports_tags": memberOrNet,
	"shared": "field:networks:shared=True",

	"create_router": member, "get_router": reader, "update_router": member, "delete_router": member,
	"create_router:external_gateway_info:enable_snat": admin, "create_router:external_gateway_info:external_fixed_ips": admin,
	"update_router:external_gateway_info:enable_snat": admin, "update_router:external_gateway_info:external_fixed_ips": admin,
	"add_router_interface": member, "remove_router_interface": member,
	"get_routers_tags": reader, "update_routers_tags": member, "delete_routers_tags": member,

	"create_floatingip": member, "create_floatingip:floating_ip_address": admin, "get_floatingip": reader,
	"update_floatingip": member, "delete_floatingip": member,
	"get_floatingips_tags": reader, "update_floatingips_tags": member, "delete_floatingips_tags": member,

	"create_security_group": member, "get_security_group": reader, "update_security_group": member, "delete_security_group": member,
	"get_security_groups_tags": reader, "update_security_groups_tags": member, "delete_security_groups_tags": member,
	"create_security_group_rule": member, "get_security_group_rule": reader, "delete_security_group_rule": member,

	"get_agent": admin, "update_agent": admin, "delete_agent": admin,
	"get_quota": reader, "list_quotas": admin, "update_quota": admin, "delete_quota": admin,
	"get_network_ip_availability": admin,
}

// Rules are the policy rules of the API, with the newest Neutron's defaults.
func Rules() []policy.Rule {
	var out []policy.Rule
	for name, check := range checks {
		out = append(out, policy.Rule{Name: name, Check: check})
	}
	slices.SortFunc(out, func(a, b policy.Rule) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

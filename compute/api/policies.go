package api

import "nubo/internal/policy"

// The base checks of Nova's defaults.
const (
	admin         = "rule:context_is_admin"
	member        = "rule:project_member_or_admin"
	reader        = "rule:project_reader_or_admin"
	anyone        = "@"
	keyOwnerRule  = "(rule:context_is_admin) or user_id:%(user_id)s"
	serviceOrRoot = "rule:service_api or rule:context_is_admin"
)

// prefix is what Nova's rules begin with.
const prefix = "os_compute_api:"

// checks are the defaults of the newest Nova, without the prefix.
var checks = map[string]string{
	"extensions": anyone,

	"servers:index": reader, "servers:index:get_all_tenants": admin,
	"servers:detail": reader, "servers:detail:get_all_tenants": admin, "servers:allow_all_filters": admin,
	"servers:show": reader, "servers:show:flavor-extra-specs": reader,
	"servers:show:host_status": admin,
	"servers:create":           member, "servers:create:forced_host": admin, "servers:create:zero_disk_flavor": admin,
	"servers:create:attach_volume": member, "servers:create:attach_network": member,
	"servers:update": member, "servers:delete": member,
	"servers:start": member, "servers:stop": member, "servers:reboot": member,
	"os-extended-server-attributes": admin, "os-console-output": member,
	"os-remote-consoles": member, "os-console-auth-tokens": admin,
	"os-lock-server:lock": member, "os-lock-server:unlock": member, "os-lock-server:unlock:unlock_override": admin,
	"os-admin-actions:reset_state": admin,

	"server-metadata:index": reader, "server-metadata:show": reader, "server-metadata:create": member,
	"server-metadata:update": member, "server-metadata:update_all": member, "server-metadata:delete": member,
	"os-server-tags:index": reader, "os-server-tags:show": reader, "os-server-tags:update": member,
	"os-server-tags:update_all": member, "os-server-tags:delete": member, "os-server-tags:delete_all": member,
	"ips:index": reader, "ips:show": reader,
	"os-instance-actions:list": reader, "os-instance-actions:show": reader,
	"os-instance-actions:events": admin, "os-instance-actions:events:details": admin,
	"nubo-decisions:list": reader, "nubo-decisions:list:hosts": admin,
	"os-security-groups:list": reader, "os-security-groups:add": member, "os-security-groups:remove": member,
	"os-server-external-events:create": serviceOrRoot,

	"os-volumes-attachments:index": reader, "os-volumes-attachments:show": reader, "os-volumes-attachments:create": member,
	"os-volumes-attachments:update": member, "os-volumes-attachments:swap": "rule:service_api", "os-volumes-attachments:delete": member,
	"os-attach-interfaces:list": reader, "os-attach-interfaces:show": reader, "os-attach-interfaces:create": member,
	"os-attach-interfaces:delete": member,

	"flavors:index": anyone, "flavors:detail": anyone, "flavors:show": anyone,
	"os-flavor-manage:create": admin, "os-flavor-manage:update": admin, "os-flavor-manage:delete": admin,
	"os-flavor-access": admin, "os-flavor-access:add_tenant_access": admin, "os-flavor-access:remove_tenant_access": admin,
	"os-flavor-extra-specs:index": reader, "os-flavor-extra-specs:show": reader, "os-flavor-extra-specs:create": admin,
	"os-flavor-extra-specs:update": admin, "os-flavor-extra-specs:delete": admin,

	"os-keypairs:index": keyOwnerRule, "os-keypairs:show": keyOwnerRule, "os-keypairs:create": keyOwnerRule, "os-keypairs:delete": keyOwnerRule,

	"os-aggregates:index": admin, "os-aggregates:show": admin, "os-aggregates:create": admin, "os-aggregates:update": admin,
	"os-aggregates:delete": admin, "os-aggregates:add_host": admin, "os-aggregates:remove_host": admin, "os-aggregates:set_metadata": admin,
	"os-availability-zone:list": anyone, "os-availability-zone:detail": admin,
	"os-services:list": admin, "os-services:update": admin, "os-services:delete": admin,
	"os-hypervisors:list": admin, "os-hypervisors:list-detail": admin, "os-hypervisors:show": admin, "os-hypervisors:statistics": admin,

	"os-server-groups:index": reader, "os-server-groups:index:all_projects": admin, "os-server-groups:show": reader,
	"os-server-groups:create": member, "os-server-groups:delete": member,

	"limits": anyone, "limits:other_project": admin,
	"os-quota-sets:show": reader, "os-quota-sets:defaults": anyone, "os-quota-sets:detail": reader,
	"os-quota-sets:update": admin, "os-quota-sets:delete": admin,
	"os-quota-class-sets:show": admin, "os-quota-class-sets:update": admin,
	"os-simple-tenant-usage:list": admin, "os-simple-tenant-usage:show": reader,
}

// Rules are compute's policy rules with their defaults.
func Rules() []policy.Rule {
	project := []string{"project"}
	rules := []policy.Rule{
		{Name: "context_is_admin", Check: "role:admin", Description: "Who counts as an administrator."},
		{Name: "service_api", Check: "role:service", Description: "What only services may ask for."},
		{Name: "project_member_api", Check: "role:member and project_id:%(project_id)s", Description: "A member of the project."},
		{Name: "project_reader_api", Check: "role:reader and project_id:%(project_id)s", Description: "A reader of the project."},
		{Name: "project_member_or_admin", Check: "rule:project_member_api or rule:context_is_admin", Description: "A member, or an administrator."},
		{Name: "project_reader_or_admin", Check: "rule:project_reader_api or rule:context_is_admin", Description: "A reader, or an administrator."},
	}
	operations := operationsByRule()
	for name, check := range checks {
		rules = append(rules, policy.Rule{Name: prefix + name, Check: check, Scopes: project, Operations: operations[prefix+name]})
	}
	return rules
}

// operationsByRule says which routes a rule guards, for documents.
func operationsByRule() map[string][]policy.Operation {
	out := map[string][]policy.Operation{}
	for _, r := range (&handler{}).routes() {
		path := r.Path
		if r.Action != "" {
			path += " (" + r.Action + ")"
		}
		out[r.Rule] = append(out[r.Rule], policy.Operation{Method: r.Method, Path: path})
	}
	return out
}

package api

import "nubo/internal/policy"

// The base checks of Cinder's defaults.
const (
	admin   = "rule:admin_api"
	member  = "rule:xena_system_admin_or_project_member"
	reader  = "rule:xena_system_admin_or_project_reader"
	anyone  = "@"
	service = "rule:service_api"
)

// checks are the defaults of the newest Cinder.
var checks = map[string]string{
	"volume:create": member, "volume:create_from_image": member, "volume:get": reader, "volume:get_all": reader,
	"volume:update": member, "volume:delete": member, "volume:extend": member, "volume:update_readonly_flag": member,
	"volume:create_for_project":  service,
	"volume:get_volume_metadata": reader, "volume:create_volume_metadata": member, "volume:update_volume_metadata": member,
	"volume:delete_volume_metadata":               member,
	"volume_extension:volume_image_metadata:show": reader, "volume_extension:volume_image_metadata:set": member,
	"volume_extension:volume_image_metadata:remove":      member,
	"volume_extension:volume_host_attribute":             admin,
	"volume_extension:volume_tenant_attribute":           reader,
	"volume_extension:volume_mig_status_attribute":       admin,
	"volume_extension:volume_admin_actions:reset_status": admin,
	"volume_extension:volume_admin_actions:force_delete": admin,
	"volume_extension:volume_admin_actions:force_detach": admin,
	"volume_extension:volume_actions:detach":             member,

	"volume:attachment_create": member, "volume:attachment_update": member, "volume:attachment_delete": member,
	"volume:attachment_complete": member,

	"volume_extension:type_get": reader, "volume_extension:type_get_all": reader, "volume_extension:type_create": admin,
	"volume_extension:type_update": admin, "volume_extension:type_delete": admin,
	"volume_extension:access_types_extra_specs": reader, "volume_extension:access_types_qos_specs_id": admin,
	"volume_extension:types_extra_specs:index": reader, "volume_extension:types_extra_specs:show": reader,
	"volume_extension:types_extra_specs:read_sensitive": admin,
	"volume_extension:types_extra_specs:create":         admin, "volume_extension:types_extra_specs:update": admin,
	"volume_extension:types_extra_specs:delete": admin,

	"volume:get_all_snapshots": reader, "volume:get_snapshot": reader, "backup:get_all": reader, "backup:get": reader,
	"message:get_all": reader, "message:get": reader, "message:delete": member,

	"volume_extension:quotas:show": reader, "volume_extension:quotas:update": admin, "volume_extension:quotas:delete": admin,
	"volume_extension:quota_classes:get": admin, "volume_extension:quota_classes:update": admin,
	"limits_extension:used_limits": reader, "volume:availability_zone_list": anyone, "volume_extension:extensions": anyone,
	"volume_extension:services:index": admin, "volume_extension:services:update": admin,
	"scheduler_extension:scheduler_stats:get_pools": admin, "volume_extension:qos_specs_manage:get_all": admin,
}

// Rules are volume's policy rules with their defaults. As the original's they
// ask for no scope.
func Rules() []policy.Rule {
	rules := []policy.Rule{
		{Name: "context_is_admin", Check: "role:admin", Description: "Who counts as an administrator."},
		{Name: "admin_api", Check: "rule:context_is_admin", Description: "What only administrators may ask for."},
		{Name: "service_api", Check: "role:service", Description: "What only services may ask for."},
		{Name: "xena_system_admin_or_project_member", Check: "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
			Description: "A member of the project, or an administrator."},
		{Name: "xena_system_admin_or_project_reader", Check: "rule:context_is_admin or (role:reader and project_id:%(project_id)s)",
			Description: "A reader of the project, or an administrator."},
	}
	operations := operationsByRule()
	for name, check := range checks {
		rules = append(rules, policy.Rule{Name: name, Check: check, Operations: operations[name]})
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

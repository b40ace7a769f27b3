package api

import "nubo/internal/policy"

// Rules are the policy defaults of every route: placement serves admins and
// the other services; a project's reader may ask what his project uses.
func Rules() []policy.Rule {
	project := []string{"project"}
	rules := []policy.Rule{
		{Name: "context_is_admin", Check: "rule:admin_api"},
		{Name: "admin_api", Check: "role:admin", Scopes: project},
		{Name: "service_api", Check: "role:service", Scopes: project},
		{Name: "admin_or_service_api", Check: "role:admin or role:service", Scopes: project},
		{Name: "project_reader_api", Check: "role:reader and project_id:%(project_id)s"},
		{Name: "admin_or_project_reader_or_service_api", Check: "role:admin or rule:project_reader_api or role:service", Scopes: project},
		{Name: "placement:reshaper:reshape", Check: "rule:service_api", Scopes: project},
		{Name: "placement:usages", Check: "rule:admin_or_project_reader_or_service_api", Scopes: project},
	}
	for _, name := range []string{
		"resource_providers:list", "resource_providers:create", "resource_providers:show", "resource_providers:update", "resource_providers:delete",
		"resource_providers:inventories:list", "resource_providers:inventories:create", "resource_providers:inventories:show",
		"resource_providers:inventories:update", "resource_providers:inventories:delete",
		"resource_providers:usages", "resource_providers:aggregates:list", "resource_providers:aggregates:update",
		"resource_providers:traits:list", "resource_providers:traits:update", "resource_providers:traits:delete",
		"resource_providers:allocations:list",
		"allocations:list", "allocations:update", "allocations:delete", "allocations:manage", "allocation_candidates:list",
		"resource_classes:list", "resource_classes:create", "resource_classes:show", "resource_classes:update", "resource_classes:delete",
		"traits:list", "traits:show", "traits:update", "traits:delete",
	} {
		rules = append(rules, policy.Rule{Name: "placement:" + name, Check: "rule:admin_or_service_api", Scopes: project})
	}
	return rules
}

package api

import "nubo/internal/policy"

// The checks of the newest release, by who they let in.
const (
	owner           = "role:admin or (role:member and project_id:%(project_id)s)"
	ownerReader     = "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))"
	namespaceReader = "role:admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))"
	projectReader   = "role:admin or (role:reader and project_id:%(project_id)s)"
	reader          = "role:admin or role:reader"
	admin           = "role:admin"
	metadefAdmin    = "rule:metadef_admin"
)

// Rules are the policy defaults of every route.
func Rules() []policy.Rule {
	rules := []policy.Rule{{Name: "context_is_admin", Check: "role:admin"}, {Name: "metadef_admin", Check: "role:admin"}}
	for _, g := range []struct {
		check string
		names []string
	}{
		{"role:admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)", []string{"add_image"}},
		{owner, []string{
			"modify_image", "delete_image", "upload_image", "communitize_image", "deactivate", "reactivate", "add_member", "delete_member",
		}},
		{owner + " or role:service", []string{"add_image_location"}},
		{admin, []string{
			"publicize_image", "copy_image", "delete_image_location", "tasks_api_access",
			"cache_image", "cache_list", "cache_delete", "cache_clean", "cache_prune",
		}},
		{ownerReader, []string{"get_image", "get_members", "get_member"}},
		{"role:admin or (role:member and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))", []string{"download_image", "download_from_store"}},
		{"role:admin or (role:member and project_id:%(member_id)s)", []string{"modify_member"}},
		{"role:admin or role:service or service_roles:service", []string{"fetch_image_location"}},
		{"role:admin or role:service", []string{"stores_info_detail"}},
		{projectReader, []string{"get_images", "get_metadef_namespaces", "list_metadef_resource_types"}},
		{reader, []string{"get_schema", "get_info"}}, // the original serves them without asking
		{namespaceReader, []string{
			"get_metadef_namespace", "get_metadef_object", "get_metadef_objects", "get_metadef_resource_type", "get_metadef_property",
			"get_metadef_properties", "get_metadef_tag", "get_metadef_tags",
		}},
		{metadefAdmin, []string{
			"modify_metadef_namespace", "add_metadef_namespace", "delete_metadef_namespace", "modify_metadef_object", "add_metadef_object", "delete_metadef_object",
			"add_metadef_resource_type_association", "remove_metadef_resource_type_association", "modify_metadef_property", "add_metadef_property",
			"remove_metadef_property", "modify_metadef_tag", "add_metadef_tag", "add_metadef_tags", "delete_metadef_tag", "delete_metadef_tags",
		}},
	} {
		for _, name := range g.names {
			rules = append(rules, policy.Rule{Name: name, Check: g.check, Scopes: []string{"project"}})
		}
	}
	return rules
}

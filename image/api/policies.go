package api

import "nubo/internal/policy"

// The checks of the newest release, by who they let in.
const (
	owner       = "role:admin or (role:member and project_id:%(project_id)s)"
	ownerReader = "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))"
	reader      = "role:admin or role:reader"
	admin       = "role:admin"
)

// Rules are the policy defaults of every route.
func Rules() []policy.Rule {
	rules := []policy.Rule{{Name: "context_is_admin", Check: "role:admin"}}
	for _, g := range []struct {
		check string
		names []string
	}{
		{"role:admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)", []string{"add_image"}},
		{owner, []string{"modify_image", "delete_image", "upload_image", "communitize_image", "deactivate", "reactivate", "add_member", "delete_member"}},
		{admin, []string{"publicize_image"}},
		{ownerReader, []string{"get_image", "get_members", "get_member"}},
		{"role:admin or (role:member and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s)) or role:service", []string{"download_image"}},
		{"role:admin or (role:member and project_id:%(member_id)s)", []string{"modify_member"}},
		{reader, []string{"get_images", "get_schema", "get_info"}},
	} {
		for _, name := range g.names {
			rules = append(rules, policy.Rule{Name: name, Check: g.check, Scopes: []string{"project"}})
		}
	}
	return rules
}

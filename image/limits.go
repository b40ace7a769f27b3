package image

import (
	"context"
	"net/url"

	"nubo/sdk/rest"
)

// KeystoneLimits reads a project's limits of image resources where identity
// keeps them: registered limits are everyone's, a project's own come before
// them, and what is in neither is 0, as for other services.
func KeystoneLimits(identity *rest.Client) func(ctx context.Context, project string) (map[string]int64, error) {
	return func(ctx context.Context, project string) (map[string]int64, error) {
		type limit struct {
			Resource string `json:"resource_name"`
			Default  int64  `json:"default_limit"`
			Limit    int64  `json:"resource_limit"`
		}
		out := map[string]int64{}
		for _, r := range QuotaResources {
			out[r] = 0
		}
		var registered struct {
			List []limit `json:"registered_limits"`
		}
		if err := identity.Get(ctx, "/registered_limits", &registered); err != nil {
			return nil, err
		}
		for _, l := range registered.List {
			if _, ours := out[l.Resource]; ours {
				out[l.Resource] = l.Default
			}
		}
		var own struct {
			List []limit `json:"limits"`
		}
		if err := identity.Get(ctx, "/limits?project_id="+url.QueryEscape(project), &own); err != nil {
			return nil, err
		}
		for _, l := range own.List {
			if _, ours := out[l.Resource]; ours {
				out[l.Resource] = l.Limit
			}
		}
		return out, nil
	}
}

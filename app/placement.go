package app

import (
	"context"

	"nubo/internal/clock"
	"nubo/internal/service"
	"nubo/placement"
	placementapi "nubo/placement/api"
	placementstore "nubo/placement/store"
)

// buildPlacement is the placement service.
func (c *cloud) buildPlacement(ctx context.Context) (service.Service, error) {
	url, err := c.database("placement")
	if err != nil {
		return nil, err
	}
	st, err := placementstore.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	svc, err := placement.New(c.set.placement, placement.Deps{Store: st, Clock: clock.System})
	if err != nil {
		return nil, err
	}
	rules, err := c.enforcer("placement", placementapi.Rules())
	if err != nil {
		return nil, err
	}
	api, err := c.api(portPlacement, placementapi.New(svc, c.validator("placement"), rules, c.module("placement.api")))
	if err != nil {
		return nil, err
	}
	return closing(api, st.Close), nil
}

package app

import (
	"context"
	"crypto/sha256"
	"errors"

	"golang.org/x/sync/errgroup"

	"nubo/dashboard"
	"nubo/internal/clock"
	"nubo/internal/httpx"
	"nubo/internal/service"
	"nubo/sdk/volume"
	"nubo/web"
)

// buildDashboard is the web page.
func (c *cloud) buildDashboard(context.Context) (service.Service, error) {
	own, err := c.enforcer("dashboard", dashboard.Rules())
	if err != nil {
		return nil, err
	}
	broker, err := c.managementAPI()
	if err != nil {
		return nil, err
	}
	choices, err := c.set.sso.Choices()
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256([]byte("dashboard:" + c.sec.Dashboard))
	d, err := dashboard.New(dashboard.Config{
		Services: map[string]dashboard.Endpoint{
			"identity":  {Endpoint: c.set.url(portIdentity, "/v3")},
			"image":     {Endpoint: c.set.url(portImage, "")},
			"compute":   {Endpoint: c.set.url(portCompute, "/v2.1"), Version: "compute 2.96"},
			"placement": {Endpoint: c.set.url(portPlacement, ""), Version: "placement 1.39"},
			"network":   {Endpoint: c.set.url(portNetwork, "/v2.0")},
			"volume":    {Endpoint: c.set.url(portVolume, "/v3"), Version: volume.APIVersion},
			"messaging": broker,
		},
		Choices: choices, HTTP: c.http, Key: key[:], Policies: func() []dashboard.Explainer { return append(c.policies(), own) }, Traces: c.trace, UI: web.Files(), Clock: clock.System, Log: c.module("dashboard"),
	})
	if err != nil {
		return nil, err
	}
	pages := httpService{c, portDashboard, d.Handler()}
	return service.Func(func(ctx context.Context, ready func()) error {
		g, ctx := errgroup.WithContext(ctx)
		listening := make(chan struct{})
		g.Go(func() error {
			err := d.Listen(ctx, c.bus, "dashboard-"+c.set.def.Host, func() { close(listening) })
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		})
		g.Go(func() error {
			d.WatchBroker(ctx)
			return nil
		})
		g.Go(func() error { return c.bus.ReceiveTraces(ctx, c.trace, func() {}) })
		g.Go(func() error {
			<-ctx.Done()
			d.Close()
			return nil
		})
		g.Go(func() error {
			select {
			case <-listening:
			case <-ctx.Done():
				return nil
			}
			return pages.Run(ctx, ready)
		})
		return g.Wait()
	}), nil
}

// policies are those of the components this process serves.
func (c *cloud) policies() []dashboard.Explainer {
	var out []dashboard.Explainer
	c.apis.Range(func(_, api any) bool {
		if e, ok := api.(*httpx.API).Policy.(dashboard.Explainer); ok {
			out = append(out, e)
		}
		return true
	})
	return out
}

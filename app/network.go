package app

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sync/errgroup"

	"nubo/internal/clock"
	"nubo/internal/service"
	"nubo/network"
	networkagent "nubo/network/agent"
	networkapi "nubo/network/api"
	networkdriver "nubo/network/driver"
	"nubo/network/driver/linux"
	simulatednetwork "nubo/network/driver/simulated"
	networkstore "nubo/network/store"
	"nubo/sdk/compute"
)

// networkService opens the component's state for one module.
func (c *cloud) networkService(ctx context.Context) (*network.Service, *networkstore.Store, error) {
	url, err := c.database("network")
	if err != nil {
		return nil, nil, err
	}
	st, err := networkstore.Open(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	svc, err := network.New(c.set.network, network.Deps{
		Store: st, Bus: c.bus, Clock: clock.System, Log: c.module("network"),
		Nova: compute.Client{Client: c.client(portCompute, "/v2.1", "neutron", compute.Version)},
	})
	return svc, st, err
}

// buildNetworkAPI is the network service's HTTP door, with the relay of what
// its transactions tell.
func (c *cloud) buildNetworkAPI(ctx context.Context) (service.Service, error) {
	svc, st, err := c.networkService(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := c.enforcer("network", networkapi.Rules())
	if err != nil {
		return nil, err
	}
	api, err := c.api(portNetwork, networkapi.New(svc, c.validator("neutron"), rules, c.module("network.api")))
	if err != nil {
		return nil, err
	}
	return closing(together(api, svc.Relay(), svc.PluginServer(c.set.def.Host)), st.Close), nil
}

// buildNetworkAgent is the agents of this process's hosts.
func (c *cloud) buildNetworkAgent(context.Context) (service.Service, error) {
	meta := networkagent.NewMetadata(networkagent.MetadataDeps{
		Bus: c.bus, URL: c.set.url(portCompute, ""), Secret: c.sec.Metadata, HTTP: c.http, Clock: clock.System,
	})
	var agents []service.Service
	for _, host := range c.set.hosts() {
		d, err := c.networkDriver(meta.Handler)
		if err != nil {
			return nil, err
		}
		cfg := c.set.netagent
		cfg.Host = host
		a, err := networkagent.New(cfg, networkagent.Deps{Bus: c.bus, Driver: networkdriver.Traced(d), Log: c.module("network.agent")})
		if err != nil {
			return nil, err
		}
		agents = append(agents, a)
	}
	return together(agents...), nil
}

func (c *cloud) networkDriver(meta networkdriver.Metadata) (networkdriver.Driver, error) {
	if c.set.host.Virt == "simulated" {
		return simulatednetwork.New(simulatednetwork.Config{}), nil
	}
	cfg, err := linuxConfigOf(c.set)
	if err != nil {
		return nil, err
	}
	cfg.Metadata, cfg.Log = meta, c.module("network.driver")
	return linux.New(cfg)
}

// linuxConfigOf is the Linux driver's configuration.
func linuxConfigOf(s *settings) (linux.Config, error) {
	cfg := linux.Config{StateDir: s.path("network"), PhysicalInterfaces: map[string]string{}}
	for _, m := range s.linux.BridgeMappings {
		if m == "" {
			continue
		}
		physical, iface, ok := strings.Cut(m, ":")
		if !ok {
			return cfg, usageError{fmt.Errorf("bridge mapping %q is not PHYSICAL_NETWORK:INTERFACE", m)}
		}
		cfg.PhysicalInterfaces[physical] = iface
	}
	if s.netagent.TunnelIP != "" {
		ip, err := netip.ParseAddr(s.netagent.TunnelIP)
		if err != nil {
			return cfg, usageError{fmt.Errorf("tunnel_ip: %w", err)}
		}
		cfg.TunnelIP = ip
	}
	return cfg, nil
}

// together runs several services as one: it is ready when all are, and ends
// with the first that fails.
func together(services ...service.Service) service.Service {
	return service.Func(func(ctx context.Context, ready func()) error {
		g, ctx := errgroup.WithContext(ctx)
		up := make(chan struct{}, len(services))
		for _, s := range services {
			g.Go(func() error {
				if err := s.Run(ctx, func() { up <- struct{}{} }); err != nil {
					return err
				}
				return ctx.Err()
			})
		}
		g.Go(func() error {
			for range services {
				select {
				case <-up:
				case <-ctx.Done():
					return nil
				}
			}
			ready()
			return nil
		})
		return g.Wait()
	})
}

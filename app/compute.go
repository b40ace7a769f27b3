package app

import (
	"context"
	"log/slog"
	"net/netip"

	"nubo/compute"
	computeapi "nubo/compute/api"
	"nubo/compute/driver/libvirt"
	computestore "nubo/compute/store"
	"nubo/internal/clock"
	"nubo/internal/service"
	"nubo/sdk/image"
	"nubo/sdk/network"
	"nubo/sdk/volume"
)

func (c *cloud) computeStore(ctx context.Context) (*computestore.Store, error) {
	url, err := c.database("compute")
	if err != nil {
		return nil, err
	}
	return computestore.Open(ctx, url)
}

// buildComputeAPI is the compute service's HTTP door, with the relay of its
// casts. Guests' metadata is served on the same port.
func (c *cloud) buildComputeAPI(ctx context.Context) (service.Service, error) {
	st, err := c.computeStore(ctx)
	if err != nil {
		return nil, err
	}
	cfg := c.set.compute
	if cfg.Neutron.MetadataProxySharedSecret == "" {
		cfg.Neutron.MetadataProxySharedSecret = c.sec.Metadata
	}
	svc, err := compute.New(cfg, compute.Deps{
		Store: st, Bus: c.bus, Clock: clock.System, Log: c.module("compute"),
		Network: compute.NetworkPeer{Client: network.Client{Client: c.client(portNetwork, "", "nova", "")}},
		Image:   compute.ImagePeer{Client: image.Client{Client: c.client(portImage, "", "nova", "")}},
		Volume:  compute.VolumePeer{Client: volume.Client{Client: c.client(portVolume, "/v3", "nova", volume.APIVersion)}},
	})
	if err != nil {
		return nil, err
	}
	rules, err := c.enforcer("compute", computeapi.Rules())
	if err != nil {
		return nil, err
	}
	api, err := c.api(portCompute, computeapi.New(svc, c.validator("nova"), rules, c.module("compute.api")), nil)
	if err != nil {
		return nil, err
	}
	return closing(together(api, &compute.Relay{Store: st, Bus: c.bus}), st.Close), nil
}

// libvirtConfigOf is the libvirt driver's configuration.
func libvirtConfigOf(s *settings, log *slog.Logger) libvirt.Config {
	host, err := netip.ParseAddr(s.def.Listen)
	if err != nil { // complete has looked at it
		host = netip.IPv4Unspecified()
	}
	return libvirt.Config{
		Socket: s.libvirt.Socket, ManageDaemon: s.libvirt.ManageDaemon, StateDir: s.path("libvirt"), InstancesPath: s.path("instances"),
		ImageCachePath: s.path("image-cache"), VirtType: s.libvirt.VirtType, CPUMode: s.libvirt.CPUMode, Hostname: s.def.Host, HostIP: host, Log: log,
	}
}

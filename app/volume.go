package app

import (
	"context"
	"log/slog"
	"net/netip"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/service"
	"nubo/sdk/image"
	"nubo/volume"
	volumeapi "nubo/volume/api"
	volumedriver "nubo/volume/driver"
	"nubo/volume/driver/file"
	simulatedvolume "nubo/volume/driver/simulated"
	"nubo/volume/manager"
	volumestore "nubo/volume/store"
)

// volumeService opens the component's state for one module, which calls what
// it also gives at its end.
func (c *cloud) volumeService(ctx context.Context) (*volume.Volumes, *volumestore.Store, func() error, error) {
	st, done, err := c.volumeState.use(func() (*volumestore.Store, error) {
		url, err := c.database("volume")
		if err != nil {
			return nil, err
		}
		return volumestore.Open(ctx, url)
	})
	if err != nil {
		return nil, nil, nil, err
	}
	return volume.New(c.set.volume, volume.Deps{Store: st, Bus: c.bus, Images: c.volumeImages(), Clock: clock.System, Log: c.module("volume")}), st, done, nil
}

func (c *cloud) volumeImages() volume.Images {
	return volume.ImagePeer{Client: image.Client{Client: c.client(portImage, "", "cinder", "")}}
}

// buildVolumeAPI is the volume service's HTTP door, with the relay of its casts.
func (c *cloud) buildVolumeAPI(ctx context.Context) (service.Service, error) {
	svc, _, done, err := c.volumeService(ctx)
	if err != nil {
		return nil, err
	}
	if err := svc.EnsureDefaultType(auth.Admin(ctx)); err != nil {
		return nil, err
	}
	rules, err := c.enforcer("volume", volumeapi.Rules())
	if err != nil {
		return nil, err
	}
	api, err := c.api(portVolume, volumeapi.New(svc, c.validator("cinder"), rules, c.module("volume.api")))
	if err != nil {
		return nil, err
	}
	return closing(together(api, service.Func(svc.Relay)), done), nil
}

// buildVolumeScheduler is cinder-scheduler.
func (c *cloud) buildVolumeScheduler(ctx context.Context) (service.Service, error) {
	svc, st, done, err := c.volumeService(ctx)
	if err != nil {
		return nil, err
	}
	s := &manager.Scheduler{Host: c.set.def.Host, Volumes: svc, Store: st, Bus: c.bus, Log: c.module("volume.scheduler")}
	return closing(s, done), nil
}

// buildVolumeManager is cinder-volume.
func (c *cloud) buildVolumeManager(ctx context.Context) (service.Service, error) {
	svc, st, done, err := c.volumeService(ctx)
	if err != nil {
		return nil, err
	}
	d := volumeDriver(c.set, c.module("volume.driver"))
	m := manager.New(c.set.def.Host, manager.Deps{Volumes: svc, Store: st, Images: c.volumeImages(), Driver: volumedriver.Traced(d), Bus: c.bus, Log: c.module("volume.manager")})
	return closing(m, done), nil
}

func volumeDriver(s *settings, log *slog.Logger) volumedriver.Driver {
	if s.host.Virt == "simulated" {
		return simulatedvolume.New(simulatedvolume.Config{File: s.path("simulated", "volumes.json"), CapacityGB: s.host.SimDiskGB * s.host.Hosts})
	}
	address, err := netip.ParseAddr(s.def.Listen)
	if err != nil { // complete has looked at it
		address = netip.IPv4Unspecified()
	}
	return file.New(file.Config{
		Name: "file", Dir: s.file.VolumesDir, StateDir: s.path("volume"), Host: s.def.Host, Address: address, Port: s.file.NBDPort + s.def.PortOffset, Log: log,
	})
}

package app

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"

	"nubo/compute"
	"nubo/compute/agent"
	computeapi "nubo/compute/api"
	"nubo/compute/conductor"
	"nubo/compute/console"
	"nubo/compute/driver"
	"nubo/compute/driver/libvirt"
	"nubo/compute/driver/simulated"
	"nubo/compute/scheduler"
	computestore "nubo/compute/store"
	"nubo/internal/clock"
	"nubo/internal/service"
	"nubo/sdk/image"
	"nubo/sdk/network"
	"nubo/sdk/placement"
	"nubo/sdk/volume"
	"nubo/web"
)

// computeStore opens the component's state for one module, which calls what
// it also gives at its end.
func (c *cloud) computeStore(ctx context.Context) (*computestore.Store, func() error, error) {
	return c.computeState.use(func() (*computestore.Store, error) {
		url, err := c.database("compute")
		if err != nil {
			return nil, err
		}
		return computestore.Open(ctx, url)
	})
}

// buildComputeAPI is the compute service's HTTP door, with the relay of its
// casts. Guests' metadata is served on the same port.
func (c *cloud) buildComputeAPI(ctx context.Context) (service.Service, error) {
	st, done, err := c.computeStore(ctx)
	if err != nil {
		return nil, err
	}
	cfg := c.set.compute
	cfg.VNC.NovncproxyBaseURL = cmp.Or(cfg.VNC.NovncproxyBaseURL, c.set.url(cfg.VNC.NovncproxyPort, "/vnc_auto.html"))
	cfg.Serial.BaseURL = cmp.Or(cfg.Serial.BaseURL, "ws://"+c.set.endpoint(cfg.VNC.NovncproxyPort)+"/")
	if cfg.Neutron.MetadataProxySharedSecret == "" {
		cfg.Neutron.MetadataProxySharedSecret = c.sec.Metadata
	}
	svc, err := compute.New(cfg, compute.Deps{
		Store: st, Bus: c.bus, Clock: clock.System, Log: c.module("compute"),
		Network: compute.NetworkPeer{Client: c.networkClient("nova")},
		Image:   compute.ImagePeer{Client: image.Client{Client: c.client(portImage, "", "nova", "")}},
		Volume:  compute.VolumePeer{Client: c.volumeClient("nova")},
	})
	if err != nil {
		return nil, err
	}
	rules, err := c.enforcer("compute", computeapi.Rules())
	if err != nil {
		return nil, err
	}
	api, err := c.api(portCompute, computeapi.New(svc, c.validator("nova"), rules, c.module("compute.api")))
	if err != nil {
		return nil, err
	}
	return closing(together(api, &compute.Relay{Store: st, Bus: c.bus}), done), nil
}

// buildConductor is nova-conductor.
func (c *cloud) buildConductor(ctx context.Context) (service.Service, error) {
	st, done, err := c.computeStore(ctx)
	if err != nil {
		return nil, err
	}
	svc := conductor.New(c.set.conductor, conductor.Deps{
		Store: st, Bus: c.bus, Clock: clock.System, Log: c.module("compute.conductor"), Host: c.set.def.Host,
		Placement: c.placementClient(), Network: c.networkClient("nova"), Volume: c.volumeClient("nova"),
	})
	return closing(svc, done), nil
}

// buildScheduler is nova-scheduler.
func (c *cloud) buildScheduler(ctx context.Context) (service.Service, error) {
	st, done, err := c.computeStore(ctx)
	if err != nil {
		return nil, err
	}
	svc := scheduler.New(c.set.scheduler, scheduler.Deps{
		Store: st, Bus: c.bus, Placement: c.placementClient(), Clock: clock.System, Log: c.module("compute.scheduler"), Host: c.set.def.Host,
	})
	return closing(svc, done), nil
}

// buildComputeAgent is nova-compute of this process's hosts.
func (c *cloud) buildComputeAgent(context.Context) (service.Service, error) {
	deps := agent.Deps{
		Bus: c.bus, Clock: clock.System, Log: c.module("compute.agent"), Placement: c.placementClient(), Network: c.networkClient("nova"),
		Volume: c.volumeClient("nova"), Image: image.Client{Client: c.client(portImage, "", "nova", "")},
		Consoles: agent.Consoles{
			Listen:  net.JoinHostPort(cmp.Or(c.set.compute.VNC.ServerListen, c.set.def.Listen), strconv.Itoa(c.set.compute.VNC.ServerPort)),
			Address: cmp.Or(c.set.compute.VNC.ServerProxyclientAddress, c.set.ownAddress()),
		},
	}
	for _, name := range c.set.hosts() {
		deps.Hosts = append(deps.Hosts, agent.Host{Name: name, Driver: driver.Traced(c.computeDriver(name), c.set.host.Virt)})
	}
	return agent.New(c.set.nova, deps), nil
}

// buildConsoleProxy is nova-novncproxy and nova-serialproxy.
func (c *cloud) buildConsoleProxy(ctx context.Context) (service.Service, error) {
	st, done, err := c.computeStore(ctx)
	if err != nil {
		return nil, err
	}
	proxy := console.New(console.Config{
		Store: st, Origins: append([]string{c.set.endpoint(portDashboard)}, c.set.compute.Console.AllowedOrigins...), UI: web.Files(),
		Clock: clock.System, Log: c.module("compute.console"),
	})
	pages := httpService{c, c.set.compute.VNC.NovncproxyPort, proxy}
	return closing(service.Func(func(ctx context.Context, ready func()) error {
		stop := context.AfterFunc(ctx, proxy.Close)
		defer stop()
		return pages.Run(ctx, ready)
	}), done), nil
}

// ownAddress is where other hosts find this one: the address it listens on,
// or if that is any, the one it has on the way to the controller.
func (s *settings) ownAddress() string {
	if ip := net.ParseIP(s.def.Listen); !ip.IsUnspecified() {
		return s.def.Listen
	}
	conn, err := net.Dial("udp", s.endpoint(portIdentity)) // sends nothing
	if err != nil {
		return "127.0.0.1"
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}

func (c *cloud) computeDriver(host string) driver.Driver {
	if c.set.host.Virt != "simulated" {
		return libvirt.New(libvirtConfigOf(c.set, c.module("compute.driver")))
	}
	h := c.set.host
	return simulated.New(simulated.Config{
		Hostname: host, File: c.set.path("simulated", host+".guests"), HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}),
		VCPUs: h.SimVCPUs, MemoryMB: h.SimMemoryMB, DiskGB: h.SimDiskGB, Spawn: h.SimSpawn, Step: h.SimSpawn / 2, Log: c.module("compute.driver"),
	})
}

func (c *cloud) placementClient() placement.Client {
	return placement.Client{Client: c.client(portPlacement, "", "nova", "")}
}

func (c *cloud) networkClient(user string) network.Client {
	return network.Client{Client: c.client(portNetwork, "", user, "")}
}

func (c *cloud) volumeClient(user string) volume.Client {
	return volume.Client{Client: c.client(portVolume, "/v3", user, volume.APIVersion)}
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

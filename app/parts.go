package app

import (
	"fmt"
	"net/netip"
	"time"

	"nubo/compute"
	"nubo/compute/agent"
	"nubo/compute/conductor"
	"nubo/compute/scheduler"
	"nubo/image"
	"nubo/image/driver/s3"
	"nubo/internal/config"
	"nubo/network"
	networkagent "nubo/network/agent"
	"nubo/placement"
	"nubo/volume"
)

// hostConfig is the part of section [compute] that says what runs here.
type hostConfig struct {
	Virt        string        `default:"libvirt" help:"What runs the servers: libvirt, or simulated."`
	Hosts       int           `default:"1" help:"How many simulated hosts there are."`
	SimVCPUs    int           `toml:"simulated_vcpus" default:"64" help:"Virtual CPUs of a simulated host."`
	SimMemoryMB int           `toml:"simulated_memory_mb" default:"262144" help:"MiB of memory of a simulated host."`
	SimDiskGB   int           `toml:"simulated_disk_gb" default:"10000" help:"GiB of disk of a simulated host."`
	SimSpawn    time.Duration `toml:"simulated_spawn" default:"2ms" help:"How long a simulated server takes to start, about."`
}

// libvirtConfig is section [libvirt].
type libvirtConfig struct {
	Socket       string `default:"" help:"libvirtd's socket; empty for the system's."`
	ManageDaemon bool   `default:"true" help:"Start a libvirtd where none answers."`
	VirtType     string `default:"auto" help:"kvm, qemu, or auto: KVM where it works."`
	CPUMode      string `default:"" help:"libvirt's CPU mode; empty for the best there is."`
}

// linuxConfig is section [linux]: the network driver's.
type linuxConfig struct {
	BridgeMappings []string `default:"" help:"Interfaces of this host by physical network: extnet:eth1. A physical network without one is a bridge of which the host is the gateway."`
}

// fileConfig is section [file]: the volume driver's.
type fileConfig struct {
	VolumesDir string `default:"" help:"Folder of the volumes; empty for volumes under the data directory."`
	NBDPort    int    `default:"10809" help:"TCP port on which volumes are exported to other hosts."`
}

// parts are the components' own configuration.
type parts struct {
	image     image.Config
	s3        s3.Config
	placement placement.Config
	compute   compute.Config
	conductor conductor.Config
	scheduler scheduler.Config
	nova      agent.Config
	network   network.Config
	netagent  networkagent.Config
	volume    volume.Config
	host      hostConfig
	libvirt   libvirtConfig
	linux     linuxConfig
	file      fileConfig
}

func (p *parts) sections() []config.Section {
	return append([]config.Section{
		{Name: "image", Ptr: &p.image}, {Name: "s3", Ptr: &p.s3}, {Name: "placement", Ptr: &p.placement},
		{Name: "compute", Ptr: &p.host}, {Name: "compute", Ptr: &p.compute.Default}, {Name: "compute", Ptr: &p.nova}, {Name: "quota", Ptr: &p.compute.Quota}, {Name: "neutron", Ptr: &p.compute.Neutron},
		{Name: "vnc", Ptr: &p.compute.VNC}, {Name: "serial_console", Ptr: &p.compute.Serial}, {Name: "consoleauth", Ptr: &p.compute.ConsoleAuth}, {Name: "console", Ptr: &p.compute.Console},
		{Name: "conductor", Ptr: &p.conductor}, {Name: "scheduler", Ptr: &p.scheduler},
		{Name: "network_agent", Ptr: &p.netagent}, {Name: "volume", Ptr: &p.volume},
		{Name: "libvirt", Ptr: &p.libvirt}, {Name: "linux", Ptr: &p.linux}, {Name: "file", Ptr: &p.file},
	}, p.network.Sections()...)
}

// complete fills in what depends on the rest of the configuration.
func (p *parts) complete(s *settings) error {
	switch p.host.Virt {
	case "libvirt", "simulated":
	default:
		return usageError{fmt.Errorf("virt is libvirt or simulated, not %q", p.host.Virt)}
	}
	if p.host.Hosts < 1 || p.host.Hosts > 10000 {
		return usageError{fmt.Errorf("hosts is a number from 1 to 10000, not %d", p.host.Hosts)}
	}
	if p.host.Hosts > 1 && p.host.Virt != "simulated" {
		return usageError{fmt.Errorf("only simulated hosts can be several in one process; real ones run nubo node each")}
	}
	for dir, name := range map[*string]string{
		&p.image.FilesystemStoreDatadir: "images", &p.image.NodeStagingDir: "staging", &p.image.ImageCacheDir: "image-cache", &p.file.VolumesDir: "volumes",
	} {
		if *dir == "" {
			*dir = s.path(name)
		}
	}
	if p.netagent.TunnelIP == "" {
		if a, err := netip.ParseAddr(s.def.Listen); err == nil && !a.IsUnspecified() && !a.IsLoopback() {
			p.netagent.TunnelIP = s.def.Listen
		}
	}
	p.netagent.Host = s.def.Host
	return nil
}

// hosts are the names of the compute and network hosts of this process.
func (s *settings) hosts() []string {
	if s.host.Hosts == 1 {
		return []string{s.def.Host}
	}
	names := make([]string, s.host.Hosts)
	for i := range names {
		names[i] = fmt.Sprintf("%s-sim%d", s.def.Host, i)
	}
	return names
}

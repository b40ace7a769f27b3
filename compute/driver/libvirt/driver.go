// Package libvirt runs servers as QEMU guests under libvirt.
//
//	driver.go    the driver, what the host is, which guests it has
//	daemon.go    libvirtd as nubo's own process, where the host runs none
//	connection.go  the connection, renewed when libvirtd went away
//	kvm.go       whether KVM works here
//	domain.go    a server's domain XML
//	disks.go     image cache, system disk, ephemeral and swap disks, config drive
//	power.go     spawn, destroy, start, stop, reboot
//	hotplug.go   volumes and ports of a running server
//	console.go   the serial console's log; screens and serial ports
//	events.go    power changes
//
// A domain is nubo's when its metadata names this driver's instances
// directory; all others are left alone. The domain, that directory and the
// image cache hold everything the driver knows.
package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"
	"libvirt.org/go/libvirtxml"

	"nubo/compute/driver"
	"nubo/internal/fault"
)

// Config is the host's part of a libvirt driver.
type Config struct {
	// Socket is libvirtd's; "" means DefaultSocket.
	Socket string
	// ManageDaemon starts a libvirtd when none answers on Socket, which then
	// must be DefaultSocket or PrivateSocket(StateDir).
	ManageDaemon   bool
	StateDir       string // the managed libvirtd's files
	InstancesPath  string // one directory a server
	ImageCachePath string // images as downloaded, the base of system disks
	VirtType       string // "kvm", "qemu" or "auto": KVM where it works
	CPUMode        string // libvirt's CPU mode; "" means the best for VirtType
	Hostname       string
	HostIP         netip.Addr
	Log            *slog.Logger
}

const gib = 1 << 30

// concurrentStarts is how many emulated guests start at once: each takes a
// core for seconds.
const concurrentStarts = 2

// Driver implements driver.Driver.
type Driver struct {
	cfg    Config
	log    *slog.Logger
	conn   *connection
	daemon *daemon
	cache  imageCache

	// virtType, cpuMode and secModels are set by Setup and only read after.
	virtType  string
	cpuMode   string
	secModels []string

	starts chan struct{} // a place for each guest that may start at once; nil: no limit
	states powerStates

	stop context.CancelFunc // ends the caretaker, nil before Setup
	done chan struct{}      // closed when it has ended
	once sync.Once          // guards stop against a second Close
}

var _ driver.Driver = (*Driver)(nil)

// New makes the driver; Setup connects it.
func New(cfg Config) *Driver {
	if cfg.Socket == "" {
		cfg.Socket = DefaultSocket
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Driver{cfg: cfg, log: cfg.Log}
	if cfg.ManageDaemon {
		d.daemon = newDaemon(cfg.StateDir, cfg.Socket)
	}
	d.conn = &connection{socket: cfg.Socket, daemon: d.daemon}
	d.cache = imageCache{dir: cfg.ImageCachePath}
	return d
}

// Setup connects to libvirtd, starting it where it is to be managed, and
// finds out how guests can run here.
func (d *Driver) Setup(ctx context.Context) error {
	for _, dir := range []string{d.cfg.InstancesPath, d.cfg.ImageCachePath} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("prepare the instances directory: %w", err)
		}
	}
	if err := d.cache.clean(); err != nil {
		return fmt.Errorf("clean the image cache: %w", err)
	}
	virtType, reason, err := chooseVirtType(d.cfg.VirtType, hostKVM)
	if err != nil {
		return err
	}
	d.log.InfoContext(ctx, "virtualization chosen", slog.String("virt_type", virtType), slog.String("reason", reason))
	d.virtType, d.cpuMode = virtType, d.cfg.CPUMode
	if d.cpuMode == "" {
		d.cpuMode = map[string]string{"kvm": "host-model", "qemu": "maximum"}[virtType]
	}
	if virtType == "qemu" && d.starts == nil {
		d.starts = make(chan struct{}, concurrentStarts)
	}
	caps, err := d.capabilities(ctx)
	if err != nil {
		return err
	}
	d.secModels = nil
	for _, m := range caps.Host.SecModel {
		d.secModels = append(d.secModels, m.Name)
	}
	if d.stop == nil {
		careCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		d.stop, d.done = stop, make(chan struct{})
		go d.takeCare(careCtx)
	}
	return nil
}

// Close leaves the guests running, and a managed libvirtd with them.
func (d *Driver) Close() error {
	d.once.Do(func() {
		if d.stop != nil {
			d.stop()
			<-d.done
		}
	})
	return d.conn.close()
}

// Purge ends every server of the driver and removes its domain, and then
// stops a libvirtd that nubo started. The servers' disks stay: Start makes
// the domains anew. It works without Setup, after a kill of nubo.
func (d *Driver) Purge(ctx context.Context) error {
	if d.conn.answers() {
		guests, err := d.domains(ctx)
		if err != nil {
			return err
		}
		for _, g := range guests {
			if err := d.removeDomain(ctx, g.ID); err != nil {
				return err
			}
		}
	}
	if err := d.Close(); err != nil {
		return err
	}
	if d.daemon == nil {
		return nil
	}
	return d.daemon.stop(ctx)
}

func (d *Driver) capabilities(ctx context.Context) (*libvirtxml.Caps, error) {
	var text string
	err := d.conn.do(ctx, func(lv *golibvirt.Libvirt) (err error) {
		text, err = lv.ConnectGetCapabilities()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read libvirt's capabilities: %w", err)
	}
	caps := &libvirtxml.Caps{}
	if err := caps.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("read libvirt's capabilities: %w", err)
	}
	return caps, nil
}

// Hypervisor describes the host as it is now.
func (d *Driver) Hypervisor(ctx context.Context) (driver.Hypervisor, error) {
	h := driver.Hypervisor{Hostname: d.cfg.Hostname, HostIP: d.cfg.HostIP, Type: "QEMU", VirtType: d.virtType}
	err := d.conn.do(ctx, func(lv *golibvirt.Libvirt) error {
		version, err := lv.ConnectGetVersion()
		if err != nil {
			return err
		}
		_, _, cpus, _, _, _, _, _, err := lv.NodeGetInfo()
		h.Version, h.VCPUs = int(version), int(cpus)
		return err
	})
	if err != nil {
		return h, fmt.Errorf("describe the hypervisor: %w", err)
	}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err == nil {
		h.MemoryMB, h.UsedMemoryMB, err = memory(meminfo)
	}
	if err != nil {
		return h, fmt.Errorf("read the host's memory: %w", err)
	}
	caps, err := d.capabilities(ctx)
	if err != nil {
		return h, err
	}
	if h.CPUInfo, err = cpuInfo(caps); err != nil {
		return h, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(d.cfg.InstancesPath, &st); err != nil {
		return h, fmt.Errorf("read the free space of %s: %w", d.cfg.InstancesPath, err)
	}
	size := uint64(st.Bsize)
	h.DiskGB, h.FreeDiskGB = int(st.Blocks*size/gib), int(st.Bavail*size/gib)
	return h, nil
}

// memory gives the host's total and used memory in MiB. libvirt would add up
// NUMA nodes, which leave memory out on machines whose memory grew.
func memory(meminfo []byte) (total, used int, err error) {
	kib := map[string]int{}
	for line := range strings.Lines(string(meminfo)) {
		if f := strings.Fields(line); len(f) >= 2 {
			kib[strings.TrimSuffix(f[0], ":")], _ = strconv.Atoi(f[1])
		}
	}
	total, available := kib["MemTotal"], kib["MemAvailable"]
	if total == 0 || available == 0 {
		return 0, 0, errors.New("/proc/meminfo tells no memory")
	}
	return total >> 10, (total - available) >> 10, nil
}

// cpuInfo is Nova's cpu_info document.
func cpuInfo(caps *libvirtxml.Caps) (string, error) {
	info := map[string]any{"arch": "", "model": "", "vendor": "", "features": []string{}, "topology": map[string]int{}}
	if cpu := caps.Host.CPU; cpu != nil {
		features := []string{}
		for _, f := range cpu.FeatureFlags {
			features = append(features, f.Name)
		}
		slices.Sort(features)
		info["arch"], info["model"], info["vendor"], info["features"] = cpu.Arch, cpu.Model, cpu.Vendor, features
		if t := cpu.Topology; t != nil {
			info["topology"] = map[string]int{"sockets": t.Sockets, "cores": t.Cores, "threads": t.Threads}
		}
	} else {
		info["arch"] = runtime.GOARCH
	}
	text, err := json.Marshal(info)
	return string(text), err
}

// List gives nubo's domains, and the servers of which a kill left only the
// directory.
func (d *Driver) List(ctx context.Context) ([]driver.Guest, error) {
	guests, err := d.domains(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.cfg.InstancesPath)
	if err != nil {
		return nil, fmt.Errorf("list the instances: %w", err)
	}
	for _, e := range entries {
		known := slices.ContainsFunc(guests, func(g driver.Guest) bool { return g.ID == e.Name() })
		if !known && idForm.MatchString(e.Name()) {
			guests = append(guests, driver.Guest{ID: e.Name(), State: driver.NoState})
		}
	}
	return guests, nil
}

// domains gives nubo's domains.
func (d *Driver) domains(ctx context.Context) ([]driver.Guest, error) {
	var guests []driver.Guest
	err := d.conn.do(ctx, func(lv *golibvirt.Libvirt) error {
		list, _, err := lv.ConnectListAllDomains(1, 0)
		if err != nil {
			return err
		}
		for _, dom := range list {
			ours, err := d.owns(lv, dom)
			if err != nil {
				return err
			}
			if !ours {
				continue
			}
			g, err := guest(lv, dom)
			if golibvirt.IsNotFound(err) {
				continue // gone meanwhile
			}
			if err != nil {
				return err
			}
			guests = append(guests, g)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the domains: %w", err)
	}
	return guests, nil
}

// Get gives one server, or ErrNoGuest.
func (d *Driver) Get(ctx context.Context, id string) (driver.Guest, error) {
	var g driver.Guest
	err := d.withDomain(ctx, id, func(lv *golibvirt.Libvirt, dom golibvirt.Domain) (err error) {
		g, err = guest(lv, dom)
		return err
	})
	if err != nil {
		return driver.Guest{}, fmt.Errorf("look for server %s: %w", id, err)
	}
	return g, nil
}

func guest(lv *golibvirt.Libvirt, dom golibvirt.Domain) (driver.Guest, error) {
	state, _, err := lv.DomainGetState(dom, 0)
	return driver.Guest{ID: formatUUID(dom.UUID), Name: dom.Name, State: powerState(state)}, err
}

// powerState translates libvirt's. A guest that shuts down still runs.
func powerState(state int32) driver.PowerState {
	switch golibvirt.DomainState(state) {
	case golibvirt.DomainRunning, golibvirt.DomainBlocked, golibvirt.DomainShutdown:
		return driver.Running
	case golibvirt.DomainPaused:
		return driver.Paused
	case golibvirt.DomainShutoff:
		return driver.Shutdown
	case golibvirt.DomainCrashed:
		return driver.Crashed
	case golibvirt.DomainPmsuspended:
		return driver.Suspended
	default:
		return driver.NoState
	}
}

// withDomain calls use with the server's domain. Where there is none, or one
// that is not nubo's, the error is driver.ErrNoGuest.
func (d *Driver) withDomain(ctx context.Context, id string, use func(*golibvirt.Libvirt, golibvirt.Domain) error) error {
	uuid, err := parseUUID(id)
	if err != nil {
		return err
	}
	return d.conn.do(ctx, func(lv *golibvirt.Libvirt) error {
		dom, err := lv.DomainLookupByUUID(uuid)
		if golibvirt.IsNotFound(err) {
			return driver.ErrNoGuest
		}
		if err != nil {
			return err
		}
		ours, err := d.owns(lv, dom)
		if err != nil {
			return err
		}
		if !ours {
			return driver.ErrNoGuest
		}
		if err := use(lv, dom); golibvirt.IsNotFound(err) {
			return driver.ErrNoGuest // removed meanwhile
		} else {
			return err
		}
	})
}

// owns reports whether the domain's metadata names this driver.
func (d *Driver) owns(lv *golibvirt.Libvirt, dom golibvirt.Domain) (bool, error) {
	text, err := lv.DomainGetMetadata(dom, int32(golibvirt.DomainMetadataElement), golibvirt.OptString{metadataNS}, 0)
	switch {
	case hasCode(err, golibvirt.ErrNoDomainMetadata), golibvirt.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return metadataHome(text) == d.cfg.InstancesPath, nil
}

// idForm is a server's id: it becomes a directory's name.
var idForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func parseUUID(id string) (golibvirt.UUID, error) {
	var u golibvirt.UUID
	if !idForm.MatchString(id) {
		return u, fault.Invalidf("Invalid server id %q.", id)
	}
	pos := 0
	for i := range u {
		if id[pos] == '-' {
			pos++
		}
		u[i] = unhex(id[pos])<<4 | unhex(id[pos+1])
		pos += 2
	}
	return u, nil
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

func formatUUID(u golibvirt.UUID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// dir is where a server's files are.
func (d *Driver) dir(id string) string { return filepath.Join(d.cfg.InstancesPath, id) }

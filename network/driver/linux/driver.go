package linux

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"

	"nubo/internal/fault"
	"nubo/network/driver"
)

// Config says where the driver works.
type Config struct {
	// StateDir holds the list of namespaces this cloud made. Its path also
	// tells this cloud's interfaces and tables from another's.
	StateDir string
	// PhysicalInterfaces are the host's interfaces by physical network. They
	// must carry no address: the bridge takes them over whole.
	PhysicalInterfaces map[string]string
	// TunnelIP is the host's address for VXLAN. Without it there are no
	// overlays to other hosts, which a single host does not need.
	TunnelIP netip.Addr
	// Metadata makes the handlers of the metadata address; nil: not served.
	Metadata driver.Metadata
	// Log takes what no caller can be told.
	Log *slog.Logger
}

// Driver is the Linux network driver.
type Driver struct {
	cfg   Config
	owner string // what aliases and tables of this cloud begin with
	host  *space
	guard *guard

	// mu guards the servers, which are keyed by network or router id.
	mu       sync.Mutex
	dhcp     map[string]*dhcpServer
	metadata map[string]*metadataServer
}

var _ driver.Driver = (*Driver)(nil)

// New makes a driver for the network namespace that the caller is in.
func New(cfg Config) (*Driver, error) {
	dir, err := filepath.Abs(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", cfg.StateDir, err)
	}
	cfg.StateDir = dir
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	host, err := hostSpace()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(dir))
	owner := "nubo_" + hex.EncodeToString(sum[:4])
	return &Driver{cfg: cfg, owner: owner, host: host, guard: newGuard(host, owner),
		dhcp: map[string]*dhcpServer{}, metadata: map[string]*metadataServer{}}, nil
}

// Name is the back end's name.
func (d *Driver) Name() string { return "linux" }

// Setup prepares the host: br_netfilter and the shared rules. What an earlier
// process left stays in force.
func (d *Driver) Setup(ctx context.Context) error {
	if err := os.MkdirAll(d.namespaceDir(), 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	// Without br_netfilter the rules would be loaded and never asked.
	const sysctls = "/proc/sys/net/bridge"
	if _, err := os.Stat(sysctls); err != nil {
		if out, err := exec.CommandContext(ctx, "modprobe", "br_netfilter").CombinedOutput(); err != nil {
			return fmt.Errorf("security groups need the kernel module br_netfilter: %w: %s", err, firstLine(string(out)))
		}
		if _, err := os.Stat(sysctls); err != nil {
			return fmt.Errorf("security groups need br_netfilter, which this kernel lacks: %w", err)
		}
	}
	return d.guard.prime(ctx)
}

// Kinds of interfaces, told by their alias "OWNER:KIND:ID".
const (
	kindNetwork = "network" // a bridge, and what hangs on it for the network itself
	kindPort    = "port"
	kindDHCP    = "dhcp"   // the id is the network's
	kindRouter  = "router" // the id is the router's
)

func (d *Driver) alias(kind, id string) string { return d.owner + ":" + kind + ":" + id }

// ownedLinks lists the interfaces of a kind and id.
func (d *Driver) ownedLinks(kind, id string) ([]netlink.Link, error) {
	all, err := d.host.links()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	alias := d.alias(kind, id)
	return slices.DeleteFunc(all, func(l netlink.Link) bool { return l.Attrs().Alias != alias }), nil
}

// Namespaces have no alias, so each has a file in the state directory, made
// before it and removed after it.

func (d *Driver) namespaceDir() string { return filepath.Join(d.cfg.StateDir, "namespaces") }

func (d *Driver) ensureNamespace(name string) (*space, error) {
	f, err := os.OpenFile(filepath.Join(d.namespaceDir(), name), os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("note namespace %s: %w", name, err)
	}
	f.Close()
	return ensureNamed(name)
}

func (d *Driver) removeNamespace(name string) error {
	note := filepath.Join(d.namespaceDir(), name)
	if _, err := os.Stat(note); errors.Is(err, os.ErrNotExist) {
		return nil // not this cloud's
	}
	if err := deleteNamed(name); err != nil {
		return err
	}
	if err := os.Remove(note); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget namespace %s: %w", name, err)
	}
	return nil
}

// namespaceIDs lists the ids of the noted namespaces with the prefix.
func (d *Driver) namespaceIDs(prefix string) ([]string, error) {
	notes, err := os.ReadDir(d.namespaceDir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	var ids []string
	for _, n := range notes {
		if id, ok := strings.CutPrefix(n.Name(), prefix); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Inventory lists what of this cloud exists on the host, whole or in parts.
func (d *Driver) Inventory(context.Context) (driver.Inventory, error) {
	all, err := d.host.links()
	if err != nil {
		return driver.Inventory{}, fmt.Errorf("list interfaces: %w", err)
	}
	routers, err := d.namespaceIDs(routerPrefix)
	if err != nil {
		return driver.Inventory{}, err
	}
	networks, err := d.namespaceIDs(dhcpPrefix)
	if err != nil {
		return driver.Inventory{}, err
	}
	var ports []string
	for _, l := range all {
		parts := strings.SplitN(l.Attrs().Alias, ":", 3)
		if len(parts) != 3 || parts[0] != d.owner {
			continue
		}
		switch parts[1] {
		case kindNetwork, kindDHCP:
			networks = append(networks, parts[2])
		case kindPort:
			ports = append(ports, parts[2])
		case kindRouter:
			routers = append(routers, parts[2])
		}
	}
	return driver.Inventory{Networks: unique(networks), Ports: unique(ports), Routers: unique(routers)}, nil
}

func unique(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Close stops DHCP and metadata and leaves the data path standing.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, s := range d.dhcp {
		s.stop()
		delete(d.dhcp, id)
	}
	for id, s := range d.metadata {
		s.stop()
		delete(d.metadata, id)
	}
	d.host.close()
	return nil
}

// Purge removes everything of this cloud from the host.
func (d *Driver) Purge(ctx context.Context) error {
	inv, err := d.Inventory(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range inv.Routers {
		errs = append(errs, d.RemoveRouter(ctx, id))
	}
	for _, id := range inv.Ports {
		errs = append(errs, d.RemovePort(ctx, id))
	}
	for _, id := range inv.Networks {
		errs = append(errs, d.RemoveNetwork(ctx, id))
	}
	tables, err := d.host.tables(ctx, d.owner)
	errs = append(errs, err)
	for _, t := range tables {
		errs = append(errs, d.host.load(ctx, "delete table "+t+"\n"))
	}
	return errors.Join(errs...)
}

// idForm is what an id must look like before it becomes part of names of
// interfaces, files and nft objects.
var idForm = regexp.MustCompile(`^[0-9a-zA-Z][0-9a-zA-Z-]{10,63}$`)

func checkID(kind, id string) error {
	if !idForm.MatchString(id) {
		return fault.Invalidf("%q is no id of a %s", id, kind)
	}
	return nil
}

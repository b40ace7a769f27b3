package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"nubo/dashboard"
	"nubo/identity"
	"nubo/identity/driver/oidc"
	"nubo/internal/config"
)

// options are the flags that every command which runs a part of the cloud
// takes; each is a key of the configuration, too.
type options struct {
	DataDir    string `placeholder:"DIR" help:"Where all state is (default: /var/lib/nubo as root, else under the user's data directory)."`
	Listen     string `placeholder:"ADDR" help:"Address to listen on (default 127.0.0.1)."`
	PortOffset *int   `placeholder:"N" help:"Added to every port, so that several clouds fit on one machine."`
	Virt       string `placeholder:"libvirt|simulated" help:"What runs the servers (default libvirt)."`
	Hosts      *int   `placeholder:"N" help:"How many simulated hosts there are (default 1)."`
	Config     string `placeholder:"FILE" help:"Configuration file; see: nubo config sample."`
	Debug      bool   `help:"Log much more."`
}

// overrides are the flags that were given, by configuration key.
func (o options) overrides() map[string]string {
	m := map[string]string{}
	for key, value := range map[string]string{
		"DEFAULT.data_dir": o.DataDir, "DEFAULT.listen": o.Listen, "compute.virt": o.Virt,
	} {
		if value != "" {
			m[key] = value
		}
	}
	for key, value := range map[string]*int{"DEFAULT.port_offset": o.PortOffset, "compute.hosts": o.Hosts} {
		if value != nil {
			m[key] = strconv.Itoa(*value)
		}
	}
	if o.Debug {
		m["DEFAULT.debug"] = "true"
	}
	return m
}

// defaultConfig is section [DEFAULT].
type defaultConfig struct {
	DataDir      string `default:"" help:"Where all state is; empty for /var/lib/nubo as root, else a folder of the user's."`
	Listen       string `default:"127.0.0.1" help:"Address that every service listens on."`
	EndpointHost string `default:"" help:"Name or address in the catalog's URLs; empty for the listen address."`
	PortOffset   int    `default:"0" help:"Added to every port."`
	Host         string `default:"" help:"This host's name among the compute and network hosts; empty for the machine's."`
	Region       string `default:"RegionOne" help:"Name of the region."`
	Debug        bool   `default:"false" help:"Log at debug level."`
	LogJSON      bool   `default:"false" help:"Log as JSON, one object a line."`
	LogFile      string `default:"" help:"File the log goes to; empty for log/nubo.log under the data directory, - for standard error."`
}

// databaseConfig is section [database].
type databaseConfig struct {
	URL string `default:"" help:"postgres://user:password@host/nubo, where each component gets a database of its own (nubo_compute …); empty for SQLite files under the data directory." secret:"true"`
}

// messagingConfig is section [messaging].
type messagingConfig struct {
	URL               string        `default:"" help:"rabbit://user:password@host:5672,host2:5672/ of a RabbitMQ; empty for the embedded broker." secret:"true"`
	ManagementURL     string        `default:"" help:"http://host:15672 of that RabbitMQ's management API, which the dashboard shows; empty for port 15672 of the first host."`
	CallTimeout       time.Duration `default:"60s" help:"How long an RPC call waits for its reply."`
	AMQPDurableQueues bool          `default:"false" help:"Declare queues and exchanges durable."`
}

// policyConfig is section [policy].
type policyConfig struct {
	Dir string `default:"" help:"Folder of policy files, one a service (compute.yaml); empty for policy.d under the data directory."`
}

// settings is the whole configuration.
type settings struct {
	def       defaultConfig
	database  databaseConfig
	messaging messagingConfig
	policy    policyConfig
	identity  identity.Config
	security  identity.SecurityConfig
	openid    oidc.Config
	fed       identity.FederationConfig
	sso       dashboard.SSOConfig
	parts
	loaded *config.Loaded
}

func (s *settings) sections() []config.Section {
	return append([]config.Section{
		{Name: "DEFAULT", Ptr: &s.def}, {Name: "database", Ptr: &s.database}, {Name: "messaging", Ptr: &s.messaging},
		{Name: "policy", Ptr: &s.policy}, {Name: "identity", Ptr: &s.identity},
		{Name: "security_compliance", Ptr: &s.security}, {Name: "openid", Ptr: &s.openid},
		{Name: "federation", Ptr: &s.fed}, {Name: "dashboard", Ptr: &s.sso},
	}, s.parts.sections()...)
}

// load reads the configuration: default, file, environment, flags.
func load(o options) (*settings, error) { return loadWith(o.Config, o.overrides()) }

func loadWith(file string, overrides map[string]string) (*settings, error) {
	s := &settings{}
	loaded, err := config.Load(s.sections(), file, os.Environ(), overrides)
	if err != nil {
		return nil, usageError{err}
	}
	s.loaded = loaded
	return s, s.complete()
}

// complete fills in what depends on the machine, and refuses what cannot be.
func (s *settings) complete() error {
	if s.def.DataDir == "" {
		if os.Geteuid() == 0 {
			s.def.DataDir = "/var/lib/nubo"
		} else {
			home, err := os.UserHomeDir()
			if err != nil {
				return usageError{errors.New("there is no home directory for the data: give --data-dir")}
			}
			s.def.DataDir = filepath.Join(home, ".local", "share", "nubo")
		}
	}
	dir, err := filepath.Abs(s.def.DataDir)
	if err != nil {
		return err
	}
	s.def.DataDir = dir
	if s.def.Host == "" {
		if s.def.Host, err = os.Hostname(); err != nil {
			return fmt.Errorf("the machine has no name: set [DEFAULT] host: %w", err)
		}
	}
	if net.ParseIP(s.def.Listen) == nil {
		return usageError{fmt.Errorf("listen address %q is no IP address", s.def.Listen)}
	}
	if s.def.EndpointHost == "" {
		s.def.EndpointHost = s.def.Listen
		if ip := net.ParseIP(s.def.Listen); ip.IsUnspecified() {
			s.def.EndpointHost = "127.0.0.1"
		}
	}
	if s.def.PortOffset < 0 || s.def.PortOffset > 40000 {
		return usageError{fmt.Errorf("port offset %d is not between 0 and 40000", s.def.PortOffset)}
	}
	return s.parts.complete(s)
}

// path is a place under the data directory.
func (s *settings) path(elem ...string) string {
	return filepath.Join(append([]string{s.def.DataDir}, elem...)...)
}

// Ports are OpenStack's.
const (
	portIdentity  = 5000
	portImage     = 9292
	portCompute   = 8774
	portPlacement = 8778
	portNetwork   = 9696
	portVolume    = 8776
	portAMQP      = 5672
	portDashboard = 9999
)

// address is where this process listens for a port.
func (s *settings) address(port int) string {
	return net.JoinHostPort(s.def.Listen, strconv.Itoa(port+s.def.PortOffset))
}

// endpoint is host and port as other processes and users write it.
func (s *settings) endpoint(port int) string {
	return net.JoinHostPort(s.def.EndpointHost, strconv.Itoa(port+s.def.PortOffset))
}

// url is a service's address with a path.
func (s *settings) url(port int, path string) string { return "http://" + s.endpoint(port) + path }

type configCommand struct {
	Sample configSample `cmd:"" help:"Print every key with its default and a line of help."`
	Print  configPrint  `cmd:"" help:"Print what is in force, and where each value comes from; secrets are masked."`
}

type configSample struct{}

// Run prints the sample.
func (configSample) Run(o output) error {
	return config.Sample(o.out, (&settings{}).sections())
}

type configPrint struct {
	options `embed:""`
}

// Run prints the effective configuration.
func (c configPrint) Run(o output) error {
	s, err := load(c.options)
	if err != nil {
		return err
	}
	return s.loaded.Print(io.Writer(o.out))
}

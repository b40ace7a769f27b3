package compute

import "time"

// Config is what the component's settings are, by section of the file.
type Config struct {
	Default     Default
	Quota       Quota
	Neutron     Neutron
	VNC         VNC
	Serial      SerialConsole
	ConsoleAuth ConsoleAuth
	Console     Console
}

// Default is the section [compute].
type Default struct {
	DefaultAvailabilityZone string        `default:"nova" help:"Zone of hosts that are in no aggregate with one."`
	DefaultScheduleZone     string        `default:"" help:"Zone of servers whose owner asks for none; empty for any."`
	InternalServiceZone     string        `default:"internal" help:"Zone shown for services that are no compute hosts."`
	ServiceDownTime         time.Duration `default:"60s" help:"A service not heard of for so long is down."`
	ForceConfigDrive        bool          `default:"false" help:"Give every server a config drive."`
	PasswordLength          int           `default:"12" help:"Length of generated admin passwords."`
	ConsoleTimeout          time.Duration `default:"30s" help:"How long to wait for a host to send a console's text."`
}

// Quota is the section [quota].
type Quota struct {
	Instances          int64 `default:"10" help:"Servers per project; -1 is unlimited, here and below."`
	Cores              int64 `default:"20" help:"Virtual CPUs per project."`
	RAM                int64 `default:"51200" help:"MiB of memory per project."`
	MetadataItems      int64 `default:"128" help:"Metadata items per server."`
	KeyPairs           int64 `default:"100" help:"Key pairs per user."`
	ServerGroups       int64 `default:"10" help:"Server groups per project."`
	ServerGroupMembers int64 `default:"10" help:"Servers per server group."`
}

// Neutron is the section [neutron].
type Neutron struct {
	MetadataProxySharedSecret string `default:"" secret:"true" help:"Shared with the metadata proxies of the network agents, which sign with it."`
}

// DefaultConfig is the configuration nobody changed.
func DefaultConfig() Config {
	return Config{
		Default: Default{
			DefaultAvailabilityZone: "nova", InternalServiceZone: "internal", ServiceDownTime: time.Minute,
			PasswordLength: 12, ConsoleTimeout: 30 * time.Second,
		},
		Quota:       Quota{Instances: 10, Cores: 20, RAM: 51200, MetadataItems: 128, KeyPairs: 100, ServerGroups: 10, ServerGroupMembers: 10},
		VNC:         VNC{Enabled: true, NovncproxyPort: 6080},
		Serial:      SerialConsole{Enabled: true},
		ConsoleAuth: ConsoleAuth{TokenTTL: 10 * time.Minute},
	}
}

// limits are the defaults of the quota resources.
func (q Quota) limits() map[string]int64 {
	return map[string]int64{
		"instances": q.Instances, "cores": q.Cores, "ram": q.RAM, "metadata_items": q.MetadataItems, "key_pairs": q.KeyPairs,
		"server_groups": q.ServerGroups, "server_group_members": q.ServerGroupMembers,
		"injected_files": 5, "injected_file_content_bytes": 10240, "injected_file_path_bytes": 255,
		"fixed_ips": -1, "floating_ips": -1, "security_groups": -1, "security_group_rules": -1,
	}
}

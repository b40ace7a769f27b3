package compute

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"nubo/internal/auth"
	"nubo/internal/config"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/sdk/network"
	"nubo/sdk/rest"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vm   VMState
		task TaskState
		want string
	}{
		{Building, Scheduling, "BUILD"}, {Building, NoTask, "BUILD"}, {Active, NoTask, "ACTIVE"}, {Active, PoweringOff, "ACTIVE"},
		{Active, Rebooting, "REBOOT"}, {Active, RebootStarted, "REBOOT"}, {Active, RebootingHard, "HARD_REBOOT"},
		{Stopped, NoTask, "SHUTOFF"}, {Stopped, RebootStartedHard, "HARD_REBOOT"}, {Stopped, PoweringOn, "SHUTOFF"},
		{Errored, NoTask, "ERROR"}, {Errored, RebootingHard, "HARD_REBOOT"}, {Errored, Deleting, "ERROR"},
		{Deleted, NoTask, "DELETED"}, {Paused, NoTask, "PAUSED"}, {"odd", NoTask, "UNKNOWN"},
	} {
		if got := Status(c.vm, c.task); got != c.want {
			t.Errorf("%s/%s: %s, want %s", c.vm, c.task, got, c.want)
		}
	}
	// What a filter asks SQL for shows as that status.
	for _, status := range []string{"BUILD", "ACTIVE", "REBOOT", "HARD_REBOOT", "SHUTOFF", "ERROR", "DELETED", "PAUSED"} {
		vm, tasks, ok := StatusStates(status)
		testx.Equal(t, ok, true)
		if tasks == nil {
			tasks = []TaskState{NoTask}
		}
		for _, v := range vm {
			for _, task := range tasks {
				testx.Equal(t, Status(v, task), status)
			}
		}
	}
	if _, _, ok := StatusStates("NONSENSE"); ok {
		t.Error("NONSENSE is no status")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"web": "web", "Web Server_1": "web-server-1", "-x.": "x", "ünïcode": "ncode", "日本": "", strings.Repeat("a", 70): strings.Repeat("a", 63),
	} {
		testx.Equal(t, hostname("", in), want)
	}
	testx.Equal(t, hostname("asked", "name"), "asked")
	for n, want := range map[int]string{0: "a", 1: "b", 25: "z", 26: "aa", 27: "ab", 51: "az", 52: "ba"} {
		testx.Equal(t, letters(n), want)
	}
	testx.Equal(t, freeDevice([]string{"/dev/vda", "/dev/vdb", "/dev/vdd"}), "/dev/vdc")
	testx.Equal(t, (&Server{Num: 42}).InstanceName(), "instance-0000002a")
	p := password(12)
	testx.Equal(t, len(p), 12)
	testx.Equal(t, p == password(12), false)
}

func TestRules(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := rule{action: "stop", vm: []VMState{Active}, tasks: []TaskState{NoTask}}
	member := auth.With(t.Context(), &auth.Context{})
	admin := auth.With(t.Context(), &auth.Context{IsAdmin: true})
	for name, c := range map[string]struct {
		s       Server
		asAdmin bool
		want    string
	}{
		"fine":     {Server{State: Active, LaunchedAt: &now}, false, ""},
		"state":    {Server{ID: "x", State: Stopped, LaunchedAt: &now}, false, "Cannot 'stop' instance x while it is in vm_state stopped"},
		"task":     {Server{ID: "x", State: Active, TaskState: Deleting, LaunchedAt: &now}, false, "Cannot 'stop' instance x while it is in task_state deleting"},
		"launched": {Server{ID: "x", State: Active}, false, "Cannot 'stop' instance x while it has never been launched"},
		"locked":   {Server{ID: "x", State: Active, LaunchedAt: &now, Locked: true}, false, "Instance x is locked"},
		"override": {Server{ID: "x", State: Active, LaunchedAt: &now, Locked: true}, true, ""},
	} {
		ctx := member
		if c.asAdmin {
			ctx = admin
		}
		err := r.check(ctx, &c.s)
		if got := errText(err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if err != nil && !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: no conflict", name)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMatchGroup(t *testing.T) {
	t.Parallel()
	groups := []network.SecurityGroup{{ID: "1", Name: "web"}, {ID: "2", Name: "db"}, {ID: "3", Name: "db"}, {ID: "web", Name: "odd"}}
	for want, kind := range map[string]fault.Kind{"db": fault.Conflict, "none": fault.Invalid} {
		_, err := matchGroup(groups, want)
		testx.Equal(t, fault.KindOf(err), kind)
	}
	g, err := matchGroup(groups, "web") // an id goes before a name
	testx.NoErr(t, err)
	testx.Equal(t, g, SecurityGroup{ID: "web", Name: "odd"})
}

func TestPeerFaults(t *testing.T) {
	t.Parallel()
	gone := fault.Invalidf("gone")
	for status, want := range map[int]fault.Kind{
		400: fault.Invalid, 403: fault.Forbidden, 404: fault.Invalid, 409: fault.Conflict, 413: fault.OverQuota, 500: fault.Unavailable, 503: fault.Unavailable,
	} {
		testx.Equal(t, fault.KindOf(peerFault(&rest.Error{Status: status, Message: "m"}, "network", gone)), want)
	}
	testx.Equal(t, fault.KindOf(peerFault(&rest.Error{Status: 404}, "network", nil)), fault.NotFound)
}

func TestNetworkData(t *testing.T) {
	t.Parallel()
	s := &Server{VIFs: []VIF{{
		PortID: "0123456789abcdef", NetworkID: "n", MAC: "fa:16:3e:00:00:01", MTU: 1450,
		FixedIPs: []FixedIP{{IP: "10.0.0.3", SubnetID: "dhcp"}, {IP: "10.1.0.3", SubnetID: "static"}, {IP: "fd00::3", SubnetID: "six"}},
		Subnets: []Subnet{
			{ID: "dhcp", CIDR: "10.0.0.0/24", DHCP: true, DNS: []string{"192.0.2.53"}},
			{ID: "static", CIDR: "10.1.0.0/22", Gateway: "10.1.0.1", DNS: []string{"192.0.2.53"}},
			{ID: "six", CIDR: "fd00::/64", Gateway: "fd00::1"},
		},
	}}}
	b, err := s.NetworkData()
	testx.NoErr(t, err)
	var got any
	testx.NoErr(t, json.Unmarshal(b, &got))
	link := "tap0123456789a"
	testx.Equal(t, got, any(map[string]any{
		"links": []any{map[string]any{"id": link, "vif_id": "0123456789abcdef", "type": "bridge", "mtu": 1450.0, "ethernet_mac_address": "fa:16:3e:00:00:01"}},
		"networks": []any{
			map[string]any{"id": "network0", "type": "ipv4_dhcp", "link": link, "network_id": "n"},
			map[string]any{"id": "network1", "type": "ipv4", "link": link, "network_id": "n", "ip_address": "10.1.0.3", "netmask": "255.255.252.0",
				"routes": []any{map[string]any{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.1.0.1"}}},
			map[string]any{"id": "network2", "type": "ipv6", "link": link, "network_id": "n", "ip_address": "fd00::3", "netmask": "ffff:ffff:ffff:ffff::",
				"routes": []any{map[string]any{"network": "::", "netmask": "::", "gateway": "fd00::1"}}},
		},
		"services": []any{map[string]any{"type": "dns", "address": "192.0.2.53"}},
	}))
}

func TestServiceUp(t *testing.T) {
	t.Parallel()
	now := time.Now()
	old := now.Add(-2 * time.Minute)
	testx.Equal(t, (&ComputeService{LastSeen: &now}).Up(now, time.Minute), true)
	testx.Equal(t, (&ComputeService{LastSeen: &old}).Up(now, time.Minute), false)
	testx.Equal(t, (&ComputeService{LastSeen: &now, ForcedDown: true}).Up(now, time.Minute), false)
	testx.Equal(t, (&ComputeService{}).Up(now, time.Minute), false)
}

// TestDefaultConfig holds the tags, which the configuration kit reads, and
// DefaultConfig together.
func TestDefaultConfig(t *testing.T) {
	t.Parallel()
	var read Config
	_, err := config.Load([]config.Section{
		{Name: "compute", Ptr: &read.Default}, {Name: "quota", Ptr: &read.Quota}, {Name: "neutron", Ptr: &read.Neutron},
		{Name: "vnc", Ptr: &read.VNC}, {Name: "serial_console", Ptr: &read.Serial}, {Name: "consoleauth", Ptr: &read.ConsoleAuth}, {Name: "console", Ptr: &read.Console},
	}, "", nil, nil)
	testx.NoErr(t, err)
	testx.Equal(t, read, DefaultConfig())
}

package ctl

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nubo/broker"
	"nubo/broker/conn"
)

func statusCommands() []command {
	const section = "Monitoring, observability and health checks"
	unit := map[string]kind{"unit": text}
	return []command{
		{
			name: "status", section: section, usage: "[--unit <unit>] [--timeout <timeout>]", in: everywhere, more: unit, check: unitOption,
			about:  "Displays status of a node",
			banner: func(c *call) string { return fmt.Sprintf("Status of node %s ...", nameOf(c)) },
			run: func(_ context.Context, c *call) (result, error) {
				text, value := status(c)
				return result{text: text, value: value}, nil
			},
		},
		{
			name: "cluster_status", section: "Cluster", usage: "[--timeout <timeout>]", in: everywhere,
			about:  "Displays the nodes of the cluster, of which there is one",
			banner: func(c *call) string { return fmt.Sprintf("Cluster status of node %s ...", nameOf(c)) },
			run:    clusterStatus,
		},
		{
			name: "report", section: section, in: everywhere, about: "Generates a report of all that the list commands tell",
			banner: func(c *call) string { return fmt.Sprintf("Reporting server status of node %s ...\n", nameOf(c)) },
			run:    report,
		},
		{
			name: "memory_breakdown", section: section, usage: "[--unit <unit>]", in: diagnostics, more: unit, check: unitOption,
			about:  "Provides a memory usage breakdown on the target node",
			banner: func(c *call) string { return fmt.Sprintf("Reporting memory breakdown on node %s...", nameOf(c)) },
			run: func(_ context.Context, c *call) (result, error) {
				m := memoryOf(c.broker())
				var value object
				var lines strings.Builder
				for _, p := range m.parts {
					share := percent(p.octets, m.total)
					value = append(value, field{p.name, object{{"bytes", p.octets}, {"percentage", share}}})
					fmt.Fprintf(&lines, "%s: %s (%s%%)\n", p.name, inUnit(c, p.octets), formatFloat(share))
				}
				return result{text: lines.String(), value: value}, nil
			},
		},
		{
			name: "server_version", section: section, in: diagnostics, about: "Displays the version of RabbitMQ whose behaviour the node has",
			banner: func(c *call) string { return fmt.Sprintf("Asking node %s for its RabbitMQ version...", nameOf(c)) },
			run:    func(context.Context, *call) (result, error) { return message("%s", broker.Compatible) },
		},
		{
			name: "log_location", section: "Configuration and Environment", in: diagnostics, about: "Shows log file location(s) on target node",
			banner: func(c *call) string { return fmt.Sprintf("Log file location(s) on node %s ...", nameOf(c)) },
			run: func(_ context.Context, c *call) (result, error) {
				return message("%s", c.node.Facts().LogFile)
			},
		},
		{
			name: "listeners", section: section, in: diagnostics, about: "Lists active connection listeners (bound interface, port, protocol) on the target node",
			banner: func(c *call) string {
				return fmt.Sprintf("Asking node %s to report its protocol listeners ...", nameOf(c))
			},
			run: func(_ context.Context, c *call) (result, error) {
				lines := make([]string, 0, 4)
				for _, l := range c.broker().Listeners() {
					lines = append(lines, describeListener(l))
				}
				return result{text: strings.Join(lines, "\n"), value: object{{"listeners", listenersJSON(c)}, {"node", nameOf(c)}, {"result", "ok"}}}, nil
			},
		},
	}
}

// The units memory and disk are shown in.
var showUnits = map[string]float64{"bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}

func unitOption(c *call) error {
	if u := c.or("unit", "gb"); showUnits[strings.ToLower(u)] == 0 {
		return badArgument("unknown unit %s", u)
	}
	return nil
}

// inUnit is an amount in the unit asked for.
func inUnit(c *call, octets int64) string {
	unit := strings.ToLower(c.or("unit", "gb"))
	v := strconv.FormatFloat(float64(octets)/showUnits[unit], 'f', 4, 64)
	v = strings.TrimRight(v, "0")
	if strings.HasSuffix(v, ".") {
		v += "0"
	}
	return v + " " + unit
}

func percent(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	f, _ := strconv.ParseFloat(strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 2, 64), 64)
	return f
}

// memory is what the process uses.
type memory struct {
	total int64 // resident
	parts []memoryPart
}

type memoryPart struct {
	name   string
	octets int64
}

func memoryOf(b *broker.Broker) memory {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	messages := b.Stats().MemoryUsed
	m := memory{total: Resident()}
	heap := int64(s.HeapInuse)                                                                               //nolint:gosec // no machine has that much
	stacks, other := int64(s.StackInuse), int64(s.MSpanInuse+s.MCacheInuse+s.BuckHashSys+s.GCSys+s.OtherSys) //nolint:gosec // see above
	m.parts = []memoryPart{
		{"messages", messages}, {"other_heap", max(heap-messages, 0)}, {"stacks", stacks}, {"runtime", other},
		{"code_and_unused", max(m.total-heap-stacks-other, 0)},
	}
	return m
}

// Resident is the memory this process has of the machine's.
func Resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if f := strings.Fields(string(text)); err == nil && len(f) > 1 {
		if pages, err := strconv.ParseInt(f[1], 10, 64); err == nil {
			return pages * int64(os.Getpagesize())
		}
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.Sys - s.HeapReleased) //nolint:gosec // no machine has that much
}

// files is how many files the process has open, sockets among them, and how
// many it may have.
func files() (open, sockets, limit int64) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, 0, 0
	}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			sockets++
		}
	}
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) == nil {
		limit = int64(r.Cur) //nolint:gosec // no system allows that many
	}
	return int64(len(entries)), sockets, limit
}

// alarmTexts are the alarms in effect, in words.
func alarmTexts(c *call) []string {
	var texts []string
	on := c.broker().Alarms()
	if on&conn.MemoryAlarm != 0 {
		texts = append(texts, "Memory alarm on node "+nameOf(c))
	}
	if on&conn.DiskAlarm != 0 {
		texts = append(texts, "Free disk space alarm on node "+nameOf(c))
	}
	return texts
}

func orNone(lines []string) []string {
	if len(lines) == 0 {
		return []string{"(none)"}
	}
	return lines
}

// purposes are what listeners are for, by protocol.
var purposes = map[string]string{
	"amqp": "AMQP 0-9-1", "amqp/ssl": "AMQP 0-9-1 over TLS", "http": "HTTP API", "http/prometheus": "Prometheus exporter API over HTTP",
}

func purpose(protocol string) string {
	if p := purposes[protocol]; p != "" {
		return p
	}
	return protocol
}

func inBrackets(ip string) string {
	if strings.Contains(ip, ":") {
		return "[" + ip + "]"
	}
	return ip
}

func describeListener(l broker.Listener) string {
	return fmt.Sprintf("Interface: %s, port: %d, protocol: %s, purpose: %s", inBrackets(l.IP), l.Port, l.Protocol, purpose(l.Protocol))
}

func listenersJSON(c *call) []any {
	var list []any
	for _, l := range c.broker().Listeners() {
		list = append(list, object{
			{"interface", inBrackets(l.IP)}, {"node", nameOf(c)}, {"port", l.Port}, {"protocol", l.Protocol}, {"purpose", purpose(l.Protocol)},
		})
	}
	return list
}

// page gathers sections with headings.
type page struct{ strings.Builder }

func (p *page) section(heading string, lines ...string) {
	if p.Len() > 0 {
		p.WriteString("\n\n")
	}
	p.WriteString(bold + heading + plain + "\n\n" + strings.Join(lines, "\n"))
}

func listed(items []string) []string {
	lines := make([]string, len(items))
	for i, item := range items {
		lines[i] = " * " + item
	}
	return lines
}

func status(c *call) (string, object) {
	b, facts := c.broker(), c.node.Facts()
	uptime := int64(time.Since(b.Started()).Seconds())
	m := memoryOf(b)
	setting, limit := c.node.MemoryLimit()
	open, sockets, maxOpen := files()
	connections := b.Connections()
	queues := 0
	for _, v := range b.VHosts() {
		if h, err := b.VHost(v.Name); err == nil {
			_, n := h.Len()
			queues += n
		}
	}
	var listeners, memoryLines, configs []string
	for _, l := range b.Listeners() {
		listeners = append(listeners, describeListener(l))
	}
	var breakdown object
	for _, part := range m.parts {
		memoryLines = append(memoryLines, fmt.Sprintf("%s: %s (%s %%)", part.name, inUnit(c, part.octets), formatFloat(percent(part.octets, m.total))))
		breakdown = append(breakdown, field{part.name, part.octets})
	}
	if facts.ConfigFile != "" {
		configs = append(configs, facts.ConfigFile)
	}
	watermark := fmt.Sprintf("Memory high watermark setting: %s of available memory, computed to: %s", setting, inUnit(c, limit))
	if _, err := strconv.ParseFloat(setting, 64); err != nil {
		watermark = fmt.Sprintf("Memory high watermark setting: %s (absolute), computed to: %s", setting, inUnit(c, limit))
	}
	running := withImplied(c.node.Plugins())

	var p page
	p.section("Runtime",
		fmt.Sprintf("OS PID: %d", os.Getpid()), "OS: Linux", fmt.Sprintf("Uptime (seconds): %d", uptime), "Is under maintenance?: false",
		"RabbitMQ version: "+broker.Compatible, "Node name: "+nameOf(c), "nubo version: "+facts.Version,
		fmt.Sprintf("Go configuration: %s %s/%s, %d processors", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0)),
		fmt.Sprintf("Goroutines: %d", runtime.NumGoroutine()))
	p.section("Plugins", append([]string{"Enabled plugin file: " + facts.PluginsFile, "Enabled plugins:", ""}, listed(running)...)...)
	p.section("Data directory", "Node data directory: "+facts.DataDir)
	p.section("Config files", orNone(listed(configs))...)
	p.section("Log file(s)", listed([]string{facts.LogFile})...)
	p.section("Alarms", orNone(alarmTexts(c))...)
	p.section("Memory", append([]string{"Total memory used: " + inUnit(c, m.total), "Calculation strategy: rss", watermark, ""}, memoryLines...)...)
	p.section("File Descriptors", fmt.Sprintf("Total: %d, limit: %d", open, maxOpen), fmt.Sprintf("Sockets: %d, limit: %d", sockets, maxOpen))
	p.section("Free Disk Space", "Low free disk space watermark: "+inUnit(c, b.DiskFreeLimit()), "Free disk space: "+inUnit(c, b.DiskFree()))
	p.section("Totals", fmt.Sprintf("Connection count: %d", len(connections)), fmt.Sprintf("Queue count: %d", queues), fmt.Sprintf("Virtual host count: %d", len(b.VHosts())))
	p.section("Listeners", orNone(listeners)...)

	return p.String(), object{
		{"active_plugins", atoms(running)}, {"alarms", alarmTexts(c)}, {"config_files", atoms(configs)}, {"data_directory", facts.DataDir},
		{"disk_free", b.DiskFree()}, {"disk_free_limit", b.DiskFreeLimit()}, {"enabled_plugin_file", facts.PluginsFile},
		{"file_descriptors", object{{"sockets_limit", maxOpen}, {"sockets_used", sockets}, {"total_limit", maxOpen}, {"total_used", open}}},
		{"is_under_maintenance", false}, {"listeners", listenersJSON(c)}, {"log_files", atoms{facts.LogFile}},
		{"memory", append(breakdown, field{"strategy", "rss"}, field{"total", object{{"rss", m.total}}})},
		{"nubo_version", facts.Version}, {"os", "Linux"}, {"pid", os.Getpid()}, {"processes", object{{"used", runtime.NumGoroutine()}}},
		{"rabbitmq_version", broker.Compatible}, {"totals", object{{"connection_count", len(connections)}, {"queue_count", queues}, {"virtual_host_count", len(b.VHosts())}}},
		{"uptime", uptime}, {"vm_memory_calculation_strategy", "rss"}, {"vm_memory_high_watermark_limit", limit}, {"vm_memory_high_watermark_setting", setting},
	}
}

func clusterStatus(_ context.Context, c *call) (result, error) {
	b, name := c.broker(), nameOf(c)
	var listeners, flags []string
	for _, l := range b.Listeners() {
		listeners = append(listeners, "Node: "+name+", i"+strings.TrimPrefix(describeListener(l), "I"))
	}
	var flagsJSON []any
	for _, f := range featureFlags {
		flags = append(flags, "Flag: "+f.name+", state: enabled")
		flagsJSON = append(flagsJSON, object{
			{"desc", f.about}, {"doc_url", ""}, {"name", f.name}, {"provided_by", "rabbit"}, {"stability", "stable"}, {"state", "enabled"},
		})
	}
	var p page
	p.section("Basics", "Cluster name: "+b.ClusterName())
	p.section("Disk Nodes", name)
	p.section("Running Nodes", name)
	p.section("Versions", fmt.Sprintf("%s: RabbitMQ %s as nubo %s on %s", name, broker.Compatible, c.node.Facts().Version, runtime.Version()))
	p.section("Maintenance status", "Node: "+name+", status: not under maintenance")
	p.section("Alarms", orNone(alarmTexts(c))...)
	p.section("Network Partitions", "(none)")
	p.section("Listeners", orNone(listeners)...)
	p.section("Feature flags", flags...)
	return result{text: p.String(), value: object{
		{"alarms", alarmTexts(c)}, {"cluster_name", b.ClusterName()}, {"disk_nodes", atoms{name}}, {"feature_flags", flagsJSON},
		{"listeners", object{{name, listenersJSON(c)}}}, {"maintenance_status", object{{name, "not under maintenance"}}},
		{"partitions", object{}}, {"ram_nodes", atoms{}}, {"running_nodes", atoms{name}},
		{"versions", object{{name, object{{"rabbitmq_version", broker.Compatible}, {"nubo_version", c.node.Facts().Version}}}}},
	}}, nil
}

// report puts what the commands that list tell into one text.
func report(ctx context.Context, c *call) (result, error) {
	var text strings.Builder
	play := func(name string, vhost string) error {
		args := []string{name}
		if vhost != "" {
			args = append(args, "-p", vhost)
		}
		sub, err := parse(RabbitMQCtl, args)
		if err != nil {
			return err
		}
		sub.node = c.node
		r := execute(sub, func() (result, error) { return sub.cmd.run(ctx, sub) })
		text.WriteString(r.Stdout + r.Stderr + "\n")
		return nil
	}
	for _, name := range []string{"status", "cluster_status", "environment", "list_connections", "list_channels"} {
		if err := play(name, ""); err != nil {
			return result{}, err
		}
	}
	for _, v := range c.broker().VHosts() {
		for _, name := range []string{"list_queues", "list_exchanges", "list_bindings", "list_consumers", "list_permissions", "list_policies", "list_parameters"} {
			if err := play(name, v.Name); err != nil {
				return result{}, err
			}
		}
	}
	return result{text: strings.TrimSuffix(text.String(), "\n")}, nil
}

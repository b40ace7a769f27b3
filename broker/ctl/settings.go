package ctl

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

func settingCommands() []command {
	const section = "Configuration and Environment"
	return []command{
		{
			name: "environment", section: section, in: everywhere, needs: always,
			about:  "Displays the name and value of each setting of the running broker",
			banner: func(c *call) string { return fmt.Sprintf("Application environment of node %s ...", nameOf(c)) },
			run: func(_ context.Context, c *call) (result, error) {
				var settings object
				for _, s := range c.node.Facts().Settings {
					settings = append(settings, field{s.Name, s.Value})
				}
				var text strings.Builder
				for i, s := range settings {
					if i > 0 {
						text.WriteString(",\n      ")
					}
					text.WriteString("{" + erlangAtom(s.key) + "," + toErlang(s.value) + "}")
				}
				return result{text: "[{rabbit,\n     [" + text.String() + "]}]", value: object{{"rabbit", settings}}}, nil
			},
		},
		{
			name: "set_cluster_name", section: section, usage: "<name>", min: 1, max: 1, about: "Sets the cluster name",
			banner: func(c *call) string { return fmt.Sprintf("Setting cluster name to %s ...", c.args[0]) },
			run: func(_ context.Context, c *call) (result, error) {
				return done(c.broker().SetClusterName(c.args[0]))
			},
		},
		{
			name: "set_vm_memory_high_watermark", section: section, usage: "<fraction> | absolute <value>", min: 1, max: 2,
			about: "Sets how much memory may be used before publishers must wait",
			check: func(c *call) error { _, err := memoryLimit(c); return err },
			banner: func(c *call) string {
				unit := ""
				if c.args[0] == "absolute" {
					unit = " bytes"
				}
				return fmt.Sprintf("Setting memory threshold on %s to %s%s ...", nameOf(c), c.args[len(c.args)-1], unit)
			},
			run: func(_ context.Context, c *call) (result, error) {
				octets, err := memoryLimit(c)
				if err == nil {
					c.node.SetMemoryLimit(c.args[len(c.args)-1], octets)
				}
				return done(err)
			},
		},
		{
			name: "set_disk_free_limit", section: section, usage: "<disk_limit> | mem_relative <fraction>", min: 1, max: 2,
			about: "Sets how much disk must be free; publishers wait while it is not",
			check: func(c *call) error { _, err := diskLimit(c); return err },
			banner: func(c *call) string {
				unit := " bytes"
				if c.args[0] == "mem_relative" {
					unit = " times the total RAM"
				}
				return fmt.Sprintf("Setting disk free limit on %s to %s%s ...", nameOf(c), c.args[len(c.args)-1], unit)
			},
			run: func(_ context.Context, c *call) (result, error) {
				octets, err := diskLimit(c)
				if err == nil {
					c.broker().SetDiskFreeLimit(octets)
				}
				return done(err)
			},
		},
		{
			name: "set_log_level", section: section, usage: "<log_level>", min: 1, max: 1, about: "Sets log level in the running node",
			check: func(c *call) error {
				if _, ok := logLevels[c.args[0]]; !ok {
					return failed(exitUnavailable, "level %s is not supported. Try one of debug, info, warning, error, critical, none", c.args[0])
				}
				return nil
			},
			banner: func(c *call) string { return fmt.Sprintf(`Setting log level to "%s" ...`, c.args[0]) },
			run: func(_ context.Context, c *call) (result, error) {
				return done(c.node.SetLogLevel(logLevels[c.args[0]]))
			},
		},
	}
}

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn,
	"error": slog.LevelError, "critical": slog.LevelError, "none": math.MaxInt,
}

var amount = regexp.MustCompile(`^([0-9]+)([A-Za-z]*)$`)

var units = map[string]int64{
	"": 1, "k": 1 << 10, "kiB": 1 << 10, "kb": 1000, "kB": 1000, "KB": 1000, "K": 1 << 10, "KiB": 1 << 10,
	"M": 1 << 20, "MiB": 1 << 20, "MB": 1e6, "G": 1 << 30, "GiB": 1 << 30, "GB": 1e9, "T": 1 << 40, "TiB": 1 << 40, "TB": 1e12,
}

// ParseOctets reads an amount of memory or disk: 512MB, 2GiB, 1000000.
func ParseOctets(s string) (int64, error) {
	m := amount.FindStringSubmatch(s)
	if m == nil {
		return 0, badArgument("Invalid units.")
	}
	unit, ok := units[m[2]]
	n, err := strconv.ParseInt(m[1], 10, 64)
	if !ok || err != nil || n > math.MaxInt64/unit {
		return 0, badArgument("Invalid units.")
	}
	return n * unit, nil
}

// memoryLimit is what set_vm_memory_high_watermark asks for.
func memoryLimit(c *call) (int64, error) {
	if c.args[0] == "absolute" {
		if len(c.args) < 2 {
			return 0, errTooFew
		}
		return ParseOctets(c.args[1])
	}
	if len(c.args) > 1 {
		return 0, errTooMany
	}
	fraction, err := strconv.ParseFloat(c.args[0], 64)
	if err != nil {
		return 0, &usageError{"Bad argument.", exitData, true}
	}
	if !(fraction >= 0 && fraction <= 1) {
		return 0, badArgument("The threshold should be a fraction between 0.0 and 1.0")
	}
	return int64(fraction * float64(TotalMemory())), nil
}

// diskLimit is what set_disk_free_limit asks for.
func diskLimit(c *call) (int64, error) {
	if c.args[0] != "mem_relative" {
		if len(c.args) > 1 {
			return 0, errTooMany
		}
		octets, err := ParseOctets(c.args[0])
		if err != nil {
			return 0, &usageError{"Bad argument.", exitData, true}
		}
		return octets, nil
	}
	if len(c.args) < 2 {
		return 0, errTooFew
	}
	fraction, err := strconv.ParseFloat(c.args[1], 64)
	if err != nil || !(fraction >= 0) || fraction > 1000 {
		return 0, &usageError{"Bad argument.", exitData, true}
	}
	return int64(fraction * float64(TotalMemory())), nil
}

// TotalMemory is how much memory the machine has, or what of it the process
// may use; 0 if that cannot be found out.
func TotalMemory() int64 {
	total := int64(0)
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				total = n << 10
			}
		}
	}
	text, _ = os.ReadFile("/sys/fs/cgroup/memory.max")
	if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && (total == 0 || n < total) {
		total = n
	}
	return total
}

package broker

import (
	"bytes"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"syscall"
)

// Process is what the broker's process takes.
type Process struct {
	// RSS is what it has of the memory, Heap what is in use of that, Idle what
	// was freed and not given back.
	RSS, Heap, Idle int64
	// Machine is how much memory there is, 0 if that is not known.
	Machine             int64
	Files, MaxFiles     int
	Goroutines          int
	GCs, Freed          uint64 // how often garbage was collected, and how many bytes in all
	VoluntarySwitches   int64
	InvoluntarySwitches int64
}

// Process measures the process.
func (b *Broker) Process() Process {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/frees:bytes"}, {Name: "/memory/classes/total:bytes"},
	}
	metrics.Read(samples)
	p := Process{
		RSS: pages("/proc/self/statm", 1), Heap: int64(samples[0].Value.Uint64()), Idle: int64(samples[1].Value.Uint64()),
		GCs: samples[2].Value.Uint64(), Freed: samples[3].Value.Uint64(),
		Machine: machineMemory(), Goroutines: runtime.NumGoroutine(),
	}
	if p.RSS == 0 {
		p.RSS = int64(samples[4].Value.Uint64())
	}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.Files = len(list)
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		p.MaxFiles = int(min(limit.Cur, 1<<31))
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		p.VoluntarySwitches, p.InvoluntarySwitches = int64(usage.Nvcsw), int64(usage.Nivcsw)
	}
	return p
}

// pages reads a field of a file of /proc that counts pages; 0 if there is none.
func pages(file string, field int) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) <= field {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[field]), 10, 64)
	return n * int64(os.Getpagesize())
}

// machineMemory is the memory of the machine; 0 if that is not known.
func machineMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("MemTotal:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10
}

// NodeMetrics are what a node takes, and what it did.
func (p *Process) NodeMetrics(connections int, diskFree int64) []Metric {
	return []Metric{
		metric("mem_used", p.RSS), metric("fd_used", p.Files), metric("sockets_used", connections),
		metric("proc_used", p.Goroutines), metric("disk_free", diskFree),
		metric("gc_num", p.GCs), metric("gc_bytes_reclaimed", p.Freed),
		metric("context_switches", p.VoluntarySwitches+p.InvoluntarySwitches),
	}
}

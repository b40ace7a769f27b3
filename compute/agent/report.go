package agent

import (
	"context"
	"crypto/sha1" //nolint:gosec // what RFC 9562 makes UUIDs of names with
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"nubo/compute"
	"nubo/compute/driver"
	"nubo/sdk/placement"
)

// inventoryInterval is how often placement is told what a host has, in case
// it has forgotten.
const inventoryInterval = time.Minute

// nodeSpace is the name space of hypervisors' ids.
const nodeSpace = "nubo compute node "

// NodeID is a hypervisor's id, and its resource provider's: always the same
// for the same host, so that none has to be kept.
func NodeID(host, hostname string) string {
	sum := sha1.Sum([]byte(nodeSpace + host + "/" + hostname)) //nolint:gosec // see above
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x50 // version 5
	b[8] = b[8]&0x3f | 0x80
	x := hex.EncodeToString(b)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// reportAll says that all hosts live and what they have, as an agent does
// that starts: until it is heard.
func (a *Agent) reportAll(ctx context.Context) error {
	for {
		err := a.inventories(ctx)
		if err == nil {
			err = a.report(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		a.log.WarnContext(ctx, "the hosts cannot be reported yet", "error", err)
		if err := pause(ctx, firstWait); err != nil {
			return err
		}
	}
}

// reportAlways says so again and again.
func (a *Agent) reportAlways(ctx context.Context) {
	last := time.Now()
	for pause(ctx, compute.ReportInterval) == nil {
		if err := a.report(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "a heartbeat was lost", "error", err)
		}
		if time.Since(last) < inventoryInterval {
			continue
		}
		last = time.Now()
		if err := a.inventories(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "placement was not told what hosts have", "error", err)
		}
	}
}

// report is the heartbeat of all hosts of the process.
func (a *Agent) report(ctx context.Context) error {
	var r compute.Report
	for _, h := range a.hosts {
		hv, err := h.driver.Hypervisor(ctx)
		if err != nil { // a host whose hypervisor is away is down
			a.log.WarnContext(ctx, "a hypervisor does not answer", "host", h.name, "error", err)
			continue
		}
		r.Services = append(r.Services, compute.ServiceReport{Host: h.name, Binary: compute.BinaryCompute, Topic: compute.TopicCompute})
		r.Nodes = append(r.Nodes, nodeOf(h.name, &hv))
	}
	ctx, cancel := context.WithTimeout(ctx, compute.ReportInterval)
	defer cancel()
	return a.conductor.Report(ctx, r)
}

func nodeOf(host string, hv *driver.Hypervisor) compute.ComputeNode {
	n := compute.ComputeNode{
		ID: NodeID(host, hv.Hostname), Host: host, Hostname: hv.Hostname, HypervisorType: hv.Type, Version: hv.Version,
		CPUInfo: hv.CPUInfo, VCPUs: hv.VCPUs, MemoryMB: hv.MemoryMB, LocalGB: hv.DiskGB, FreeDiskGB: hv.FreeDiskGB,
	}
	if hv.HostIP.IsValid() {
		n.HostIP = hv.HostIP.String()
	}
	return n
}

// inventoryWorkers is how many hosts are told of at a time.
const inventoryWorkers = 4

// inventories tells placement what the hosts have.
func (a *Agent) inventories(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(a.hosts))
	slots := make(chan struct{}, inventoryWorkers)
	for _, h := range a.hosts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := h.inventory(ctx); err != nil {
				errs <- fmt.Errorf("inventory of %s: %w", h.name, err)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func (h *host) inventory(ctx context.Context) error {
	hv, err := h.driver.Hypervisor(ctx)
	if err != nil {
		return err
	}
	id := NodeID(h.name, hv.Hostname)
	if _, err := h.deps.Placement.EnsureProvider(ctx, placement.Provider{UUID: id, Name: hv.Hostname}); err != nil {
		return err
	}
	want := map[string]placement.Inventory{
		placement.VCPU:     {Total: hv.VCPUs, Reserved: min(h.cfg.ReservedHostCPUs, hv.VCPUs), AllocationRatio: h.cfg.CPUAllocationRatio},
		placement.MemoryMB: {Total: hv.MemoryMB, Reserved: min(h.cfg.ReservedHostMemoryMB, hv.MemoryMB), AllocationRatio: h.cfg.RAMAllocationRatio},
	}
	if hv.DiskGB > 0 {
		want[placement.DiskGB] = placement.Inventory{Total: hv.DiskGB, Reserved: min(h.cfg.ReservedHostDiskGB, hv.DiskGB), AllocationRatio: h.cfg.DiskAllocationRatio}
	}
	return h.deps.Placement.PutInventories(ctx, id, want)
}

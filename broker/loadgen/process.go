package loadgen

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Process is what the broker's process, with its children, took during a run.
type Process struct {
	CPU    float64 `json:"cpu_seconds"`
	Before float64 `json:"rss_before_mb"`
	Peak   float64 `json:"rss_peak_mb"`
	After  float64 `json:"rss_after_mb"`
}

// observe watches a process until the returned function is called, which tells
// what it took. Both do nothing without a process.
func (r *run) observe(ctx context.Context) (func() error, error) {
	if r.PID == 0 {
		return func() error { return nil }, nil
	}
	before, cpu, err := usage(r.PID)
	if err != nil {
		return nil, err
	}
	p := &Process{Before: before, Peak: before}
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				if rss, _, err := usage(r.PID); err == nil {
					p.Peak = max(p.Peak, rss)
				}
			}
		}
	})
	return func() error {
		stop()
		wg.Wait()
		after, end, err := usage(r.PID)
		p.After, p.Peak, p.CPU = after, max(p.Peak, after), end-cpu
		r.result.Process = p
		return err
	}, nil
}

// usage adds up resident memory in MB and processor time in seconds of a
// process and its children.
func usage(pid int) (rss, cpu float64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	// Fields are counted from the third, after the name in parentheses.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const utime, stime, resident, hertz = 11, 12, 21, 100
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
		}
		cpu += n / hertz
	}
	pages, err := strconv.ParseFloat(fields[resident], 64)
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	rss = pages * float64(os.Getpagesize()) / (1 << 20)
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	for _, t := range threads {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for _, c := range strings.Fields(string(children)) {
			id, err := strconv.Atoi(c)
			if err != nil {
				continue
			}
			if r, t, err := usage(id); err == nil { // it may have ended
				rss, cpu = rss+r, cpu+t
			}
		}
	}
	return rss, cpu, nil
}

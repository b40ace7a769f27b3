package broker

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"nubo/broker/conn"
	"nubo/broker/store"
)

// defaultDiskFree is RabbitMQ's disk_free_limit.
const defaultDiskFree = 50_000_000

// disk is the one the data directory is on.
type disk struct {
	dir         string // empty if nothing is kept
	limit, free atomic.Int64
}

// Alarms are the resources the broker is short of. Publishers wait while there
// are any.
func (b *Broker) Alarms() conn.Alarm { return b.env.Alarms.On() }

// MemoryWatermark is how many bytes of messages may gather in memory; 0 is no
// limit.
func (b *Broker) MemoryWatermark() int64 { return b.env.Alarms.Watermark() }

// SetMemoryWatermark changes MemoryWatermark; from two fifths of it on, long
// queues leave their messages on disk.
func (b *Broker) SetMemoryWatermark(bytes int64) {
	var spill int64
	if _, none := b.store.(store.Memory); !none {
		if spill = defaultSpill; bytes > 0 {
			spill = bytes * 2 / 5
		}
	}
	b.env.Alarms.SetMarks(bytes, spill)
}

// DiskFree is how much is free on the data directory's disk, as of the last
// second; 0 if the broker has none.
func (b *Broker) DiskFree() int64 { return b.disk.free.Load() }

// DiskFreeLimit is how much must be free.
func (b *Broker) DiskFreeLimit() int64 { return b.disk.limit.Load() }

// SetDiskFreeLimit changes DiskFreeLimit.
func (b *Broker) SetDiskFreeLimit(bytes int64) {
	b.disk.limit.Store(bytes)
	b.watchDisk()
}

// watchDisk sets the alarm of the disk, or ends it.
func (b *Broker) watchDisk() {
	if b.disk.dir == "" {
		return
	}
	free, err := freeSpace(b.disk.dir)
	if err != nil {
		b.env.Log.Warn("free space is not known", "error", err)
		return
	}
	b.disk.free.Store(free)
	b.env.Alarms.Set(conn.DiskAlarm, free < b.disk.limit.Load() || b.store.Full())
}

// freeSpace is what an ordinary user may still write on a directory's disk.
func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

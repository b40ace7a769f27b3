package conn

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
)

// Alarm is something the broker is short of.
type Alarm uint32

// The alarms.
const (
	MemoryAlarm Alarm = 1 << iota
	DiskAlarm
)

// Names lists what is in a set of alarms, in RabbitMQ's words.
func (a Alarm) Names() []string {
	var names []string
	if a&MemoryAlarm != 0 {
		names = append(names, "memory")
	}
	if a&DiskAlarm != 0 {
		names = append(names, "disk")
	}
	return names
}

// Alarms adds up what the queues' messages take, and makes publishers wait
// while that is over the watermark or anything else is short.
type Alarms struct {
	log       *slog.Logger
	watermark atomic.Int64 // of memory; 0 is none
	spill     atomic.Int64 // from where on long queues leave messages in the store; 0 is never
	used      atomic.Int64
	on        atomic.Uint32 // a set of Alarm, changed with mu held

	mu    sync.Mutex
	clear chan struct{} // guarded by mu; closed when the last alarm goes
}

// NewAlarms makes a gauge with no watermark and no mark to spill from.
func NewAlarms(log *slog.Logger) *Alarms {
	return &Alarms{log: log, clear: make(chan struct{})}
}

// SetMarks sets the watermark and from where on long queues spill; 0 is never.
func (a *Alarms) SetMarks(watermark, spill int64) {
	a.watermark.Store(watermark)
	a.spill.Store(spill)
	a.weigh()
}

// Watermark is how much messages may take.
func (a *Alarms) Watermark() int64 { return a.watermark.Load() }

// Used is what the messages take.
func (a *Alarms) Used() int64 { return a.used.Load() }

// Spill implements queue.Gauge.
func (a *Alarms) Spill() bool {
	mark := a.spill.Load()
	return mark > 0 && a.used.Load() >= mark
}

// Add implements queue.Gauge.
func (a *Alarms) Add(delta int64) {
	used, mark := a.used.Add(delta), a.watermark.Load()
	if mark > 0 && a.on.Load()&uint32(MemoryAlarm) == 0 == (used >= mark) {
		a.weigh()
	}
}

// weigh sets the alarm when use has reached the watermark, and ends it when
// use has fallen an eighth below, so that publishers do not go on for a
// message each.
func (a *Alarms) weigh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	used, mark := a.used.Load(), a.watermark.Load()
	switch {
	case mark > 0 && used >= mark:
		a.set(MemoryAlarm, true)
	case mark == 0 || used < mark-mark/8:
		a.set(MemoryAlarm, false)
	}
}

// Set sets an alarm or ends it.
func (a *Alarms) Set(alarm Alarm, on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set(alarm, on)
}

// set is Set. mu is held.
func (a *Alarms) set(alarm Alarm, on bool) {
	was := a.On()
	switch {
	case on == (was&alarm != 0):
		return
	case on:
		a.on.Store(uint32(was | alarm))
		a.log.Warn("resource limit alarm set, publishers have to wait", "source", alarm.Names()[0])
		return
	}
	a.on.Store(uint32(was &^ alarm))
	a.log.Warn("resource limit alarm cleared", "source", alarm.Names()[0])
	if a.On() == 0 {
		close(a.clear)
		a.clear = make(chan struct{})
	}
}

// On are the alarms that are set.
func (a *Alarms) On() Alarm { return Alarm(a.on.Load()) }

// reason is what publishers are told.
func (a *Alarms) reason() string { return "low on " + strings.Join(a.On().Names(), " & ") }

// wait returns when no alarm is set, or something is closed.
func (a *Alarms) wait(dead, left <-chan struct{}) {
	for {
		a.mu.Lock()
		clear := a.clear
		a.mu.Unlock()
		if a.On() == 0 {
			return
		}
		select {
		case <-clear:
		case <-dead:
			return
		case <-left:
			return
		}
	}
}

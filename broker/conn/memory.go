package conn

import (
	"sync"
	"sync/atomic"
)

// Memory adds up what the queues' messages take and makes publishers wait
// while that is over the watermark.
type Memory struct {
	watermark int64
	spill     int64 // from where on long queues leave messages in the store; 0 is never
	used      atomic.Int64
	waiting   atomic.Int64

	mu   sync.Mutex
	free chan struct{} // guarded by mu; closed when publishers may go on
}

// NewMemory makes a gauge. A watermark of 0 is none, and so is a mark from
// which queues spill.
func NewMemory(watermark, spill int64) *Memory {
	return &Memory{watermark: watermark, spill: spill, free: make(chan struct{})}
}

// Spill implements queue.Gauge.
func (m *Memory) Spill() bool { return m.spill > 0 && m.used.Load() >= m.spill }

// Add implements queue.Gauge.
func (m *Memory) Add(delta int64) {
	used := m.used.Add(delta)
	if delta < 0 && m.waiting.Load() > 0 && used < m.watermark {
		m.mu.Lock()
		close(m.free)
		m.free = make(chan struct{})
		m.mu.Unlock()
	}
}

// Used is what the messages take.
func (m *Memory) Used() int64 { return m.used.Load() }

// over tells whether publishers must wait.
func (m *Memory) over() bool { return m.watermark > 0 && m.used.Load() >= m.watermark }

// wait returns when use is below the watermark, or false when done is closed.
func (m *Memory) wait(done <-chan struct{}) bool {
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	for {
		m.mu.Lock()
		free := m.free
		m.mu.Unlock()
		if !m.over() {
			return true
		}
		select {
		case <-free:
		case <-done:
			return false
		}
	}
}

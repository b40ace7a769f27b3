package wal_test

import (
	"slices"
	"testing"
	"time"

	"nubo/broker/message"
	"nubo/broker/store"
	"nubo/broker/wal"
	"nubo/internal/testx"
)

// waiter is told of one message at a time.
type waiter chan error

// Stored implements store.Waiter.
func (w waiter) Stored(_ []uint64, err error) { w <- err }

// BenchmarkOneAtATime puts a message of 1 KiB into the log and waits until it
// is durable, and the next; beside it is what the disk alone takes for that.
func BenchmarkOneAtATime(b *testing.B) {
	body := make([]byte, 1024)
	b.Run("log", func(b *testing.B) {
		fs, err := wal.Dir(b.TempDir())
		testx.NoErr(b, err)
		l, err := wal.Open(fs, wal.Options{})
		testx.NoErr(b, err)
		defer func() { testx.NoErr(b, l.Close()) }()
		w := make(waiter)
		q := l.NewQueue()
		var took []time.Duration
		for seq := uint64(1); b.Loop(); seq++ {
			begin := time.Now()
			if l.Put(store.Place{Queue: q, Seq: seq}, &message.Message{Body: body, Persistent: true}, true, w, seq) {
				b.Fatal("the message is durable at once")
			}
			testx.NoErr(b, <-w)
			took = append(took, time.Since(begin))
			l.Remove(q, seq)
		}
		median(b, took)
	})
	b.Run("disk", func(b *testing.B) {
		fs, err := wal.Dir(b.TempDir())
		testx.NoErr(b, err)
		f, err := fs.Open("floor")
		testx.NoErr(b, err)
		defer f.Close()
		testx.NoErr(b, f.Allocate(64<<20))
		var took []time.Duration
		for at := int64(0); b.Loop(); at = (at + 1100) % (60 << 20) {
			begin := time.Now()
			_, err := f.WriteAt(body, at)
			testx.NoErr(b, err)
			testx.NoErr(b, f.Datasync())
			took = append(took, time.Since(begin))
		}
		median(b, took)
	})
}

// median reports it: others use the machine and the disk too.
func median(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-µs")
}

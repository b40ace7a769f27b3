package broker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sys/unix"

	"nubo/broker"
	"nubo/broker/wal"
	"nubo/internal/testx"
)

// fullFS is a directory on a disk that can be full.
type fullFS struct {
	wal.FS
	full *atomic.Bool
}

type fullFile struct {
	wal.File
	full *atomic.Bool
}

func (d fullFS) Open(name string) (wal.File, error) {
	f, err := d.FS.Open(name)
	return fullFile{f, d.full}, err
}

func (f fullFile) Allocate(size int64) error {
	if f.full.Load() {
		return unix.ENOSPC
	}
	return f.File.Allocate(size)
}

// TestDiskFull publishes until the disk is full: publishers are told and wait,
// what is not stored is not confirmed, consumers go on, and when there is
// space all is stored and confirmed.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{DataDir: t.TempDir(), DiskFreeLimit: 1}
	dir, err := wal.Dir(cfg.DataDir)
	testx.NoErr(t, err)
	fs := fullFS{dir, new(atomic.Bool)}
	with := cfg
	with.Store, err = wal.Open(fs, wal.Options{SegmentSize: 64 << 10})
	testx.NoErr(t, err)
	b, stop := openBroker(t, with)

	c := dial(t, b)
	told := notices(c)
	pub, err := c.Channel()
	testx.NoErr(t, err)
	_, err = pub.QueueDeclare("q", true, false, false, false, nil)
	testx.NoErr(t, err)
	testx.NoErr(t, pub.Confirm(false))
	con := channel(t, b)
	testx.NoErr(t, con.Qos(10, 0, false))
	d := consume(t, con, "q", false)
	fs.full.Store(true)
	var last *rabbit.DeferredConfirmation
	send := func(from, n int) {
		for i := from; i < from+n; i++ {
			last, err = pub.PublishWithDeferredConfirm("", "q", false, false, rabbit.Publishing{DeliveryMode: 2, Body: fmt.Appendf(nil, "%01024d", i)})
			testx.NoErr(t, err)
		}
	}
	send(0, 100)
	m := next(t, d)
	testx.NoErr(t, m.Ack(false))
	testx.Eventually(t, "the alarm is set", func() bool { return b.Alarms().Names() != nil })
	testx.Equal(t, last.Acked(), false)
	send(100, 1)
	testx.Equal(t, told(t), "low on disk")
	testx.Equal(t, string(next(t, d).Body), fmt.Sprintf("%01024d", 1))
	fs.full.Store(false)
	testx.Equal(t, told(t), "unblocked")
	testx.Equal(t, last.Wait(), true)
	stop()

	b, _ = openBroker(t, cfg)
	testx.Equal(t, b.Stats().VHosts[0].Queues[0].Ready, 100)
}

// TestDamagedLog flips a bit of what had been durable: the broker says where,
// and does not start without it.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{DataDir: t.TempDir(), DiskFreeLimit: 1}
	b, stop := openBroker(t, cfg)
	fillBig(t, b, 100, 1024)
	stop()
	logs, err := filepath.Glob(filepath.Join(cfg.DataDir, "*.wal"))
	testx.NoErr(t, err)
	f, err := os.OpenFile(logs[0], os.O_RDWR, 0)
	testx.NoErr(t, err)
	defer f.Close()
	flip := func() {
		octet := make([]byte, 1)
		_, err := f.ReadAt(octet, 50_000)
		testx.NoErr(t, err)
		_, err = f.WriteAt([]byte{octet[0] ^ 4}, 50_000)
		testx.NoErr(t, err)
	}
	flip()
	_, err = broker.Open(cfg)
	if err == nil || !strings.Contains(err.Error(), "the log is corrupt: segment 0000000000000001 is damaged at ") {
		t.Errorf("opened a damaged log: %v", err)
	}
	flip()
	b, _ = openBroker(t, cfg)
	testx.Equal(t, b.Stats().VHosts[0].Queues[0].Ready, 100)
}

package wal

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"nubo/broker/message"
	"nubo/broker/store"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tells is a Waiter that remembers what it was told.
type tells struct {
	mu     sync.Mutex
	stored map[uint64]error
}

func (t *tells) Stored(tags []uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tag := range tags {
		t.stored[tag] = err
	}
}

func newTells() *tells { return &tells{stored: make(map[uint64]error)} }

func open(t testing.TB, fs FS, opt Options) *Log {
	t.Helper()
	if opt.SegmentSize == 0 {
		opt.SegmentSize = 4096
	}
	l, err := Open(fs, opt)
	testx.NoErr(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func body(s string) *message.Message {
	return &message.Message{Exchange: "x", RoutingKey: "key", Props: []byte{0, 0}, Body: []byte(s), Persistent: true, Priority: 7}
}

// contents reads a queue back, as seq and body.
func contents(t testing.TB, l *Log, queue uint64) []string {
	t.Helper()
	list := []string{}
	after := uint64(0)
	for {
		rs, err := l.Read(queue, after, 7, 1<<20)
		testx.NoErr(t, err)
		if len(rs) == 0 {
			return list
		}
		for _, r := range rs {
			list = append(list, fmt.Sprintf("%d %s", r.Seq, r.Msg.Body))
			after = r.Seq
		}
	}
}

// TestReopen stores, removes and defines, and finds it again; everything of a
// message comes back.
func TestReopen(t *testing.T) {
	t.Parallel()
	for _, sync := range []Sync{Always, Write, Interval} {
		t.Run(string(sync), func(t *testing.T) {
			t.Parallel()
			fs, err := Dir(t.TempDir())
			testx.NoErr(t, err)
			l := open(t, fs, Options{Sync: sync})
			a, b, spilled := l.NewQueue(), l.NewQueue(), l.NewQueue()
			w := newTells()
			for i := range 100 {
				m := body(fmt.Sprint("m", i))
				testx.Equal(t, l.Put(store.Place{Queue: a, Seq: uint64(i + 1), Expires: int64(i)}, m, true, w, uint64(2*i)), false)
				testx.Equal(t, l.Put(store.Place{Queue: b, Seq: uint64(i + 1)}, m, true, w, uint64(2*i+1)), false)
			}
			testx.Equal(t, l.Put(store.Place{Queue: spilled, Seq: 1}, body("lost"), false, nil, 0), true)
			for i := range 98 {
				l.Remove(a, uint64(i+1))
			}
			l.Remove(b, 50)
			l.Returned(a, 99, 3)
			l.Define("key", []byte("old"))
			l.Define("gone", []byte("x"))
			l.Define("key", []byte("new"))
			l.Undefine("gone")
			l.Delivered(a, 99)
			testx.NoErr(t, l.Sync())
			testx.Equal(t, contents(t, l, spilled), []string{"1 lost"})
			_, err = Open(fs, Options{})
			testx.Equal(t, err != nil, true) // it is in use
			testx.NoErr(t, l.Close())
			testx.NoErr(t, l.Close())
			testx.Equal(t, len(w.stored), 200)

			l = open(t, fs, Options{Sync: sync})
			testx.Equal(t, l.Recovered(spilled+5), store.Summary{}) // declared, and never used
			testx.Equal(t, l.Definitions(), map[string][]byte{"key": []byte("new")})
			testx.Equal(t, l.Recovered(a), store.Summary{Count: 2, Bytes: 6, Last: 100, Delivered: 99})
			testx.Equal(t, l.Recovered(b).Count, 99)
			l.Started()
			testx.Equal(t, contents(t, l, spilled), []string{})
			rs, err := l.Read(a, 0, 10, 1<<20)
			testx.NoErr(t, err)
			for i := range rs {
				rs[i].Msg.Log = 0
			}
			testx.Equal(t, rs, []store.Record{{Seq: 99, Expires: 98, Deliveries: 3, Msg: body("m98")}, {Seq: 100, Expires: 99, Msg: body("m99")}})
			testx.Equal(t, len(contents(t, l, b)), 99)
			if n := l.NewQueue(); n <= spilled+5 {
				t.Errorf("queue number %d was given before", n)
			}
			l.Drop(b)
			testx.Equal(t, contents(t, l, b), []string{})
		})
	}
}

// TestReclaim keeps a few old messages and definitions among many that go: the
// log stays small and they stay.
func TestReclaim(t *testing.T) {
	t.Parallel()
	fs := newFaultFS()
	l := open(t, fs, Options{})
	w := newTells()
	l.Define("old", []byte("definition"))
	old := body("old")
	l.Put(store.Place{Queue: 1, Seq: 1}, old, true, w, 0)
	l.Put(store.Place{Queue: 2, Seq: 1, Expires: 5}, old, true, w, 0)
	l.Put(store.Place{Queue: 3, Seq: 1}, old, true, w, 0)
	l.Remove(1, 1)
	for i := uint64(2); i < 3000; i++ {
		l.Put(store.Place{Queue: 1, Seq: i}, body(fmt.Sprint("message ", i)), true, w, i)
		l.Remove(1, i-1)
		if i%50 == 0 {
			testx.NoErr(t, l.Sync())
		}
	}
	testx.Eventually(t, "segments are freed", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.segments) <= 6
	})
	check := func(l *Log) {
		t.Helper()
		testx.Equal(t, contents(t, l, 1), []string{"2999 message 2999"})
		testx.Equal(t, contents(t, l, 2), []string{"1 old"})
		testx.Equal(t, contents(t, l, 3), []string{"1 old"})
		testx.Equal(t, string(l.Definitions()["old"]), "definition")
	}
	check(l)
	testx.NoErr(t, l.Close())
	l = open(t, fs, Options{})
	check(l)
	rs, err := l.Read(2, 0, 1, 1)
	testx.NoErr(t, err)
	testx.Equal(t, rs[0].Expires, int64(5))
}

// model is what the log must hold.
type model struct {
	put     map[string]bool // all that was put and not removed for sure
	durable map[string]bool // of those, what was told to be durable
	maybe   map[string]bool // removed, not for sure
}

// TestCrash turns the machine off at random and compares what is found.
func TestCrash(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 7))
			fs := newFaultFS()
			m := model{map[string]bool{}, map[string]bool{}, map[string]bool{}}
			seqs := make([]uint64, 4)
			for range 12 {
				l, err := Open(fs, Options{SegmentSize: 4096})
				testx.NoErr(t, err)
				found := map[string]bool{}
				for q := range seqs {
					l.Recovered(uint64(q + 1))
					for _, s := range contents(t, l, uint64(q+1)) {
						found[fmt.Sprint(q+1, " ", s)] = true
					}
				}
				l.Started()
				for k := range m.durable {
					if !found[k] && !m.maybe[k] {
						t.Fatalf("%s is lost", k)
					}
				}
				for k := range found {
					if !m.put[k] && !m.maybe[k] {
						t.Fatalf("%s is back", k)
					}
				}
				m = model{found, maps.Clone(found), map[string]bool{}}
				fs = crashRound(t, l, fs, rnd, &m, seqs)
			}
		})
	}
}

// crashRound works with the log until the machine is turned off.
func crashRound(t *testing.T, l *Log, fs *faultFS, rnd *rand.Rand, m *model, seqs []uint64) *faultFS {
	w := newTells()
	keys := map[uint64]string{}
	tag := uint64(0)
	for range 50 + rnd.IntN(400) {
		switch rnd.IntN(12) {
		default: // to one queue or several
			tag++
			msg := body(fmt.Sprint(tag, " ", string(bytes.Repeat([]byte("."), rnd.IntN(300)))))
			for q := range seqs {
				if q == int(tag)%len(seqs) || rnd.IntN(4) == 0 {
					seqs[q]++
					key := fmt.Sprintf("%d %d %s", q+1, seqs[q], msg.Body)
					m.put[key] = true
					tag++
					keys[tag] = key
					l.Put(store.Place{Queue: uint64(q + 1), Seq: seqs[q]}, msg, true, w, tag)
				}
			}
		case 0, 1, 2, 3, 4:
			for k := range m.put {
				var q, seq uint64
				fmt.Sscan(k, &q, &seq)
				l.Remove(q, seq)
				m.maybe[k] = true
				break
			}
		case 5:
			sure := slices.Collect(maps.Keys(m.maybe))
			testx.NoErr(t, l.Sync())
			for _, k := range sure {
				delete(m.put, k)
				delete(m.maybe, k)
				delete(m.durable, k)
			}
		}
	}
	after := fs.crash(rnd)
	l.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for tag, err := range w.stored {
		if err == nil && m.put[keys[tag]] {
			m.durable[keys[tag]] = true
		}
	}
	return after
}

// filled makes a log of several segments in a directory.
func filled(t *testing.T, clean bool) *faultFS {
	t.Helper()
	fs := newFaultFS()
	l, err := Open(fs, Options{SegmentSize: 4096})
	testx.NoErr(t, err)
	for i := range uint64(60) {
		l.Put(store.Place{Queue: 1, Seq: i + 1}, body(fmt.Sprint("message ", i, string(make([]byte, 100)))), true, newTells(), 0)
		testx.NoErr(t, l.Sync())
	}
	if clean {
		testx.NoErr(t, l.Close())
		return fs
	}
	after := fs.crash(rand.New(rand.NewPCG(1, 1)))
	l.Close()
	return after
}

// TestDamage flips every kind of octet: what had been durable is never skipped
// silently.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, clean := range []bool{true, false} {
		whole := filled(t, clean)
		names, _ := whole.List()
		slices.Sort(names)
		for i, name := range names {
			data := whole.files[name].data
			last := i == len(names)-1
			for at := 0; at < len(data); at += 13 {
				fs := filledFrom(whole)
				fs.files[name].data[at] ^= 0x41
				l, err := Open(fs, Options{SegmentSize: 4096})
				if err != nil {
					testx.ErrIs(t, err, errCorrupt)
					continue
				}
				n := len(contents(t, l, 1))
				l.Close()
				// Only the header's unused parts, what follows the records, and
				// the last batch of a broker that was killed may be damaged.
				if n < 59 || n < 60 && (clean || !last) {
					t.Errorf("clean %v: damage of %s at %d left %d messages", clean, name, at, n)
				}
			}
		}
	}
}

func filledFrom(whole *faultFS) *faultFS {
	fs := newFaultFS()
	for name, f := range whole.files {
		fs.files[name] = &faultFile{fs: fs, data: slices.Clone(f.data), durable: slices.Clone(f.data)}
	}
	return fs
}

// TestFailure has a disk that fails: everyone is told, and nobody is told of
// success. That holds for a sync that fails for want of space too, as nobody
// knows what became of the data, and when the next one would succeed.
func TestFailure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ on, off func(*faultFS) }{
		"writes": {func(fs *faultFS) { fs.fail = unix.EIO }, func(fs *faultFS) { fs.fail = nil }},
		"syncs":  {func(fs *faultFS) { fs.lost = unix.EIO }, func(fs *faultFS) { fs.lost = nil }},
		"space":  {func(fs *faultFS) { fs.lost = unix.ENOSPC }, func(fs *faultFS) { fs.lost = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := newFaultFS()
			l := open(t, fs, Options{})
			w := newTells()
			l.Put(store.Place{Queue: 1, Seq: 1}, body("safe"), true, w, 1)
			testx.NoErr(t, l.Sync())
			fs.set(func() { c.on(fs) })
			for i := uint64(2); i < 102; i++ {
				l.Put(store.Place{Queue: 1, Seq: i}, body(string(make([]byte, 500))), true, w, i)
			}
			if l.Sync() == nil {
				t.Error("the log says that all is well")
			}
			fs.set(func() { c.off(fs) })
			l.Room()
			testx.Equal(t, l.Put(store.Place{Queue: 1, Seq: 200}, body("late"), true, w, 200), false)
			w.await(t, 102)
			testx.NoErr(t, w.stored[1])
			if w.stored[101] == nil || w.stored[200] == nil {
				t.Error("a message that was not stored was confirmed")
			}
			if l.Close() == nil {
				t.Error("closed in good order")
			}
			l = open(t, fs.crash(rand.New(rand.NewPCG(1, 2))), Options{})
			testx.Equal(t, contents(t, l, 1)[0], "1 safe")
		})
	}
}

// await waits until so many messages were told of.
func (t *tells) await(tb testing.TB, n int) {
	tb.Helper()
	testx.Eventually(tb, "all are told", func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return len(t.stored) == n
	})
}

// TestFull has a disk that is full, in the middle of a segment or when a new
// one is needed: nobody is told anything until there is space, then all is
// well. Closed meanwhile, the log says what is not stored.
func TestFull(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(fs *faultFS, on bool){
		"writes": func(fs *faultFS, on bool) { fs.full = on },
		"segments": func(fs *faultFS, on bool) {
			if fs.space = -1; on {
				fs.space = 0
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := newFaultFS()
			l := open(t, fs, Options{})
			w := newTells()
			next := uint64(1)
			put := func(n int) {
				for range n {
					l.Put(store.Place{Queue: 1, Seq: next}, body(fmt.Sprint(next, string(make([]byte, 500)))), true, w, next)
					next++
				}
			}
			put(1)
			testx.NoErr(t, l.Sync())
			fs.set(func() { fill(fs, true) })
			put(100)
			testx.Eventually(t, "the disk is full", l.Full)
			w.mu.Lock()
			told := len(w.stored) // what went into the segment there was
			w.mu.Unlock()
			if told > 10 {
				t.Errorf("%d messages are on a full disk", told)
			}
			fs.set(func() { fill(fs, false) })
			testx.NoErr(t, l.Sync())
			testx.Equal(t, l.Full(), false)
			w.await(t, 101)
			for _, err := range w.stored {
				testx.NoErr(t, err)
			}
			fs.set(func() { fill(fs, true) })
			put(100)
			testx.Eventually(t, "the disk is full again", l.Full)
			if l.Close() == nil {
				t.Error("closed in good order")
			}
			w.await(t, 201)
			if w.stored[201] == nil {
				t.Error("a message that was not stored was confirmed")
			}
			fs.set(func() { fill(fs, false) })
			l = open(t, fs, Options{})
			if n := len(contents(t, l, 1)); n < 101 {
				t.Errorf("%d messages are left", n)
			}
		})
	}
}

// TestFullDrained empties queues while the disk is full: that makes the space
// to go on with.
func TestFullDrained(t *testing.T) {
	t.Parallel()
	fs := newFaultFS()
	fs.space = 10 * 4096
	l := open(t, fs, Options{})
	w := newTells()
	for i := uint64(1); i <= 100; i++ {
		l.Put(store.Place{Queue: 1, Seq: i}, body(string(make([]byte, 500))), true, w, i)
	}
	testx.Eventually(t, "the disk is full", l.Full)
	l.RemoveRange(1, 1, 80)
	w.await(t, 100)
	testx.NoErr(t, w.stored[100])
	testx.NoErr(t, l.Sync())
	testx.Equal(t, len(contents(t, l, 1)), 20)
}

// FuzzOpen gives the log segments of any content.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(magic), []byte{})
	l := appendMessage(begin(nil, pos(1, segmentHeader), kindMessage), body("m"), place{Place: store.Place{Queue: 1, Seq: 1}, keep: true})
	finish(l, 0)
	f.Add(le.AppendUint64(le.AppendUint64(le.AppendUint64([]byte(magic), 1), 4096), 0), l)
	f.Fuzz(func(t *testing.T, header, records []byte) {
		fs := newFaultFS()
		data := append(slices.Clone(header), records...)
		// Records get the sums and positions that let them through.
		for at := segmentHeader; at+recordHeader <= len(data); {
			n := min(int(le.Uint32(data[at:])%64), len(data)-at-recordHeader)
			le.PutUint64(data[at+8:], pos(1, int64(at)))
			finish(data[at:at+recordHeader+n], 0)
			at += recordHeader + n
		}
		fs.files[segmentName(1)] = &faultFile{fs: fs, data: data, durable: slices.Clone(data)}
		l, err := Open(fs, Options{SegmentSize: 4096})
		if err != nil {
			return
		}
		for q := range l.queues {
			if q < 1000 {
				l.Recovered(q)
			}
		}
		l.Close()
	})
}

package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nubo/broker/message"
	"nubo/broker/store"
	"nubo/broker/stream"
	"nubo/broker/wal"
	"nubo/internal/testx"
)

// commits tells a stream at once what is durable: the test waits for the store.
type commits struct{}

func (commits) Stored([]uint64, error) {}

// source is a stream that is filled at the pace of the test's own clock.
type source struct {
	*stream.Stream
	t    *testing.T
	now  time.Time
	held int64
	n    int
}

func newSource(t *testing.T, st store.Store, id uint64, l stream.Limits) *source {
	s := &source{t: t, now: time.Unix(1000, 0)}
	s.Stream = stream.New(st, id, func(d int64) { s.held += d }, l)
	return s
}

// fill appends so many messages of a size, a second apart.
func (s *source) fill(st store.Store, n, size int) {
	s.t.Helper()
	for range n {
		body := fmt.Sprint(s.n)
		seq, durable := s.Append(&message.Message{Props: []byte{0, 0}, Body: []byte(body + strings.Repeat(" ", size-len(body)))}, s.now, commits{})
		if !durable && s.n%1000 == 999 {
			testx.NoErr(s.t, st.Sync())
			s.Commit(seq)
		}
		s.n++
		s.now = s.now.Add(time.Second)
	}
	testx.NoErr(s.t, st.Sync())
	s.Commit(uint64(s.n))
}

// read reads from an offset to the end and returns the first and how many.
func (s *source) read(arg any) (first string, n int) {
	s.t.Helper()
	o, err := stream.ParseOffset(arg, s.now)
	testx.NoErr(s.t, err)
	var r stream.Reader
	testx.NoErr(s.t, s.Seek(&r, o))
	for {
		item, err := s.Peek(&r)
		testx.NoErr(s.t, err)
		if item.Msg == nil {
			return first, n
		}
		body := strings.TrimSpace(string(item.Msg.Body))
		if n == 0 {
			first = body
		}
		testx.Equal(s.t, fmt.Sprint(item.Seq-1), body)
		n++
		r.Advance()
	}
}

func noLimits() stream.Limits { return stream.Limits{MaxAge: -1, MaxBytes: -1, SegmentBytes: 64 << 10} }

// TestStream reads from every kind of offset, with and without durable
// storage, and after the log was opened again.
func TestStream(t *testing.T) {
	t.Parallel()
	const n = 5000
	check := func(t *testing.T, s *source, exact bool) {
		t.Helper()
		for _, c := range []struct {
			arg  any
			want int
		}{
			{"first", 0}, {"last", n - 1}, {"next", n}, {int64(0), 0}, {int64(1234), 1234}, {int64(n), n}, {int64(2 * n), n},
			{time.Unix(0, 0), 0}, {time.Unix(1000, 0), 0}, {time.Unix(1000+3333, 0), 3333}, {time.Unix(1000+n, 0), n}, {"100s", n - 100},
		} {
			first, got := s.read(c.arg)
			if _, isTime := c.arg.(time.Time); !exact && (isTime || c.arg == "100s") {
				if got < n-c.want || got > n-c.want+256 {
					t.Errorf("%v: %d messages; want about %d", c.arg, got, n-c.want)
				}
				continue
			}
			if got != n-c.want || got > 0 && first != fmt.Sprint(c.want) {
				t.Errorf("%v: %d messages from %q on; want %d", c.arg, got, first, n-c.want)
			}
		}
	}
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		s := newSource(t, store.Memory{}, 0, noLimits())
		s.fill(store.Memory{}, n, 100)
		check(t, s, false)
		s.Close()
		testx.Equal(t, s.held, int64(0))
	})
	t.Run("log", func(t *testing.T) {
		t.Parallel()
		fs, err := wal.Dir(t.TempDir())
		testx.NoErr(t, err)
		l, err := wal.Open(fs, wal.Options{Sync: wal.Write, SegmentSize: 1 << 20})
		testx.NoErr(t, err)
		id := l.NewQueue()
		s := newSource(t, l, id, noLimits())
		s.fill(l, n, 100)
		check(t, s, true)
		count, bytes := s.Len()
		if kept, _ := s.InMemory(); kept > 1024 {
			t.Errorf("%d messages are in memory", kept)
		}
		testx.Equal(t, []any{count, bytes, s.Segments(), s.Committed()}, []any{n, int64(100 * n), 8, int64(n - 1)})
		testx.NoErr(t, l.Close())

		l, err = wal.Open(fs, wal.Options{Sync: wal.Write, SegmentSize: 1 << 20})
		testx.NoErr(t, err)
		defer l.Close()
		again := newSource(t, l, id, noLimits())
		again.now = s.now
		again.Recover()
		l.Started()
		check(t, again, true)
		testx.Equal(t, again.Segments(), 8)
	})
}

// TestRetention drops whole segments by size and by age, those that read them
// go on with what is left, and the last segment always stays.
func TestRetention(t *testing.T) {
	t.Parallel()
	fs, err := wal.Dir(t.TempDir())
	testx.NoErr(t, err)
	l, err := wal.Open(fs, wal.Options{Sync: wal.Write, SegmentSize: 1 << 20})
	testx.NoErr(t, err)
	defer l.Close()
	size := noLimits()
	size.MaxBytes = 200_000
	s := newSource(t, l, l.NewQueue(), size)
	var slow stream.Reader
	first, err := stream.ParseOffset("first", s.now)
	testx.NoErr(t, err)
	testx.NoErr(t, s.Seek(&slow, first))
	s.fill(l, 10, 100)
	_, err = s.Peek(&slow)
	testx.NoErr(t, err)
	s.fill(l, 9990, 100)
	n, bytes := s.Len()
	if bytes > size.MaxBytes || bytes < size.MaxBytes-2*size.SegmentBytes {
		t.Errorf("%d octets are kept", bytes)
	}
	item, err := s.Peek(&slow)
	testx.NoErr(t, err)
	testx.Equal(t, int(item.Seq), 10000-n+1)
	oldest, got := s.read("first")
	testx.Equal(t, []any{oldest, got}, []any{fmt.Sprint(10000 - n), n})

	age := noLimits()
	age.MaxAge = 1000 * time.Second
	s = newSource(t, l, l.NewQueue(), age)
	s.fill(l, 9000, 100)
	if n, _ := s.Len(); n < 1000 || n > 1260 {
		t.Errorf("%d messages are kept", n)
	}
	s.Limit(stream.Limits{MaxAge: -1, MaxBytes: 0, SegmentBytes: 1}, s.now)
	if n, _ := s.Len(); s.Segments() != 1 || n == 0 {
		t.Errorf("%d messages in %d segments", n, s.Segments())
	}
	testx.Equal(t, s.held > 0, true)
	s.Close()
	testx.Equal(t, s.held, int64(0))
}

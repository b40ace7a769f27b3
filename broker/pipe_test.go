package broker

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"nubo/internal/testx"
)

// TestPipeCarries sends much more than the buffer holds, both ways at once.
func TestPipeCarries(t *testing.T) {
	t.Parallel()
	a, b := pipe()
	send := func(c net.Conn, seed uint64) [32]byte {
		h := sha256.New()
		r := rand.New(rand.NewPCG(seed, 0))
		for left := 4 << 20; left > 0; {
			chunk := make([]byte, min(left, 1+r.IntN(300<<10)))
			for i := range chunk {
				chunk[i] = byte(r.Uint32())
			}
			n, err := c.Write(chunk)
			if n != len(chunk) || err != nil {
				t.Errorf("wrote %d of %d: %v", n, len(chunk), err)
			}
			h.Write(chunk)
			left -= n
		}
		return [32]byte(h.Sum(nil))
	}
	receive := func(c net.Conn) (sum [32]byte) {
		h := sha256.New()
		if n, err := io.CopyN(h, c, 4<<20); err != nil {
			t.Errorf("read %d: %v", n, err)
		}
		return [32]byte(h.Sum(nil))
	}
	sums := make(chan [32]byte, 2)
	go func() { sums <- send(a, 1) }()
	go func() { sums <- receive(a) }()
	got := receive(b)
	testx.Equal(t, got, <-sums)
	testx.Equal(t, send(b, 2), <-sums)
}

func TestPipeClose(t *testing.T) {
	t.Parallel()
	a, b := pipe()
	_, err := a.Write([]byte("last words"))
	testx.NoErr(t, err)
	testx.NoErr(t, a.Close())
	got, err := io.ReadAll(b) // what was written before the close arrives
	testx.NoErr(t, err)
	testx.Equal(t, string(got), "last words")
	_, err = b.Write([]byte("x"))
	testx.ErrIs(t, err, io.ErrClosedPipe)
	_, err = a.Read(make([]byte, 1))
	testx.ErrIs(t, err, io.ErrClosedPipe)
	_, err = a.Write([]byte("x"))
	testx.ErrIs(t, err, io.ErrClosedPipe)
}

// TestPipeCloseWakes closes an end while both directions wait.
func TestPipeCloseWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, closeOwn := range []bool{true, false} {
			a, b := pipe()
			errs := make(chan error, 2)
			go func() { _, err := a.Read(make([]byte, 1)); errs <- err }()
			go func() { _, err := a.Write(make([]byte, 2*pipeSize)); errs <- err }()
			synctest.Wait()
			if closeOwn {
				a.Close()
			} else {
				b.Close()
			}
			for range 2 {
				if err := <-errs; err == nil {
					t.Error("no error after the close")
				}
			}
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe()
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Second))
		_, err := a.Read(make([]byte, 1))
		testx.ErrIs(t, err, os.ErrDeadlineExceeded)
		testx.Equal(t, time.Since(start), time.Second)

		// A deadline may be moved in either direction while a read waits.
		for _, moved := range []time.Duration{time.Second, 10 * time.Second} {
			start = time.Now()
			a.SetReadDeadline(start.Add(5 * time.Second))
			go func() {
				time.Sleep(500 * time.Millisecond)
				a.SetReadDeadline(start.Add(moved))
			}()
			_, err = a.Read(make([]byte, 1))
			testx.ErrIs(t, err, os.ErrDeadlineExceeded)
			testx.Equal(t, time.Since(start), moved)
		}

		a.SetDeadline(time.Time{}) // none: data after any time
		go func() {
			time.Sleep(time.Hour)
			b.Write([]byte("late"))
		}()
		got := make([]byte, 4)
		_, err = io.ReadFull(a, got)
		testx.NoErr(t, err)
		testx.Equal(t, string(got), "late")

		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write(make([]byte, pipeSize+1))
		testx.ErrIs(t, err, os.ErrDeadlineExceeded)
		testx.Equal(t, n, pipeSize)
		got, err = readAll(b, pipeSize)
		testx.NoErr(t, err)
		testx.Equal(t, bytes.Equal(got, make([]byte, pipeSize)), true)
	})
}

func readAll(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// BenchmarkPipe compares a write of 100 bytes and the read of them with
// net.Pipe.
func BenchmarkPipe(b *testing.B) {
	bench := func(b *testing.B, x, y net.Conn) {
		defer x.Close()
		defer y.Close()
		go func() {
			buf := make([]byte, 100)
			for range b.N {
				if _, err := x.Write(buf); err != nil {
					return
				}
			}
		}()
		b.SetBytes(100)
		b.ResetTimer()
		_, err := io.CopyN(io.Discard, y, int64(100*b.N))
		testx.NoErr(b, err)
	}
	b.Run("buffered", func(b *testing.B) { x, y := pipe(); bench(b, x, y) })
	b.Run("net.Pipe", func(b *testing.B) { x, y := net.Pipe(); bench(b, x, y) })
}

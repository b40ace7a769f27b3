package api_test

import (
	"bufio"
	"crypto/md5"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nubo/image"
	"nubo/image/store"
	"nubo/internal/db/dbtest"
	"nubo/internal/testx"
)

// TestSpeed moves an image of NUBO_TEST_IMAGE_MIB MiB from a file to the
// service and back over a socket, in turns with cp on the same disk. Every way
// ends when the bytes are on the disk: cp is followed by a sync of its file, an
// upload is durable when it is acknowledged, and a download's file is synced.
// The client runs in this process and competes for its processors. An upload
// cannot take less time than the two digests that Image v2 wants of it, which
// are therefore measured alone, too.
//
// A machine that has other work makes the times say what that was: the best of
// each way is the one to compare, and the processors' time tells what it cost.
func TestSpeed(t *testing.T) {
	mib, _ := strconv.Atoi(os.Getenv("NUBO_TEST_IMAGE_MIB"))
	if mib == 0 {
		t.Skip("NOT RUN: NUBO_TEST_IMAGE_MIB is not set; with 1024 it takes a minute")
	}
	size := int64(mib) << 20
	c := newClientWith(t, dbtest.Open(t, store.Migrations), func(cfg *image.Config, _ *image.Deps) { cfg.ImageSizeCap = 1 << 40 })
	server := httptest.NewServer(c.h)
	defer server.Close()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	fillFile(t, src, size)
	took, cpu := map[string][]float64{}, map[string][]float64{}
	measure := func(what string, f func()) {
		start, used := time.Now(), processors(t)
		f()
		took[what], cpu[what] = append(took[what], time.Since(start).Seconds()), append(cpu[what], processors(t)-used)
	}
	var growth int64
	for range 5 {
		measure("cp", func() { run(t, "sh", "-c", "cp "+src+" "+dst+" && sync "+dst) })
		testx.NoErr(t, os.Remove(dst))
		settle(t)
		measure("digests", func() { digests(t, src) })
		path := c.create("{" + raw + "}")
		before := resident(t, "VmRSS")
		testx.NoErr(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // the peak begins anew
		measure("upload", func() { put(t, server, path, src, size) })
		settle(t)
		measure("download", func() { get(t, server, path, dst, size) })
		growth = max(growth, resident(t, "VmHWM")-before)
		testx.NoErr(t, os.Remove(dst))
		c.want(204, "DELETE", path, "")
		settle(t)
	}
	best := func(what string) float64 { return slices.Min(took[what]) }
	for _, what := range []string{"cp", "digests", "upload", "download"} {
		all := slices.Sorted(slices.Values(took[what]))
		t.Logf("%-9s best %5.2f s, %4.0f MiB/s, %3.0f %% of cp; median %5.2f s; processors %4.2f s (all: %.2f)",
			what, best(what), float64(mib)/best(what), 100*best("cp")/best(what), all[len(all)/2], slices.Min(cpu[what]), all)
	}
	t.Logf("memory grew by %d MiB at most", growth>>20)
	if growth > 40<<20 {
		t.Errorf("memory grew by %d MiB; want less than 40", growth>>20)
	}
}

// processors is how many seconds of them this process and its children took.
func processors(t *testing.T) float64 {
	t.Helper()
	total := time.Duration(0)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		testx.NoErr(t, syscall.Getrusage(who, &used))
		total += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return total.Seconds()
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// settle has everything written that is to be, so that no way pays for
// another.
func settle(t *testing.T) { run(t, "sync") }

func fillFile(t *testing.T, name string, size int64) {
	t.Helper()
	f, err := os.Create(name)
	testx.NoErr(t, err)
	random := rand.NewChaCha8([32]byte{1})
	_, err = io.CopyN(f, random, size)
	testx.NoErr(t, err)
	testx.NoErr(t, f.Sync())
	testx.NoErr(t, f.Close())
}

// digests makes both of a file, at once.
func digests(t *testing.T, name string) {
	t.Helper()
	var both sync.WaitGroup
	for _, h := range []hash.Hash{md5.New(), sha512.New()} {
		both.Go(func() {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if _, err := io.CopyBuffer(h, f, make([]byte, 1<<20)); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
}

func put(t *testing.T, server *httptest.Server, path, src string, size int64) {
	t.Helper()
	f, err := os.Open(src)
	testx.NoErr(t, err)
	defer f.Close()
	r, err := http.NewRequest("PUT", server.URL+path+"/file", f)
	testx.NoErr(t, err)
	r.ContentLength = size
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("X-Auth-Token", "member")
	resp, err := server.Client().Do(r)
	testx.NoErr(t, err)
	defer resp.Body.Close()
	testx.Equal(t, resp.StatusCode, 204)
}

func get(t *testing.T, server *httptest.Server, path, dst string, size int64) {
	t.Helper()
	r, err := http.NewRequest("GET", server.URL+path+"/file", nil)
	testx.NoErr(t, err)
	r.Header.Set("X-Auth-Token", "member")
	resp, err := server.Client().Do(r)
	testx.NoErr(t, err)
	defer resp.Body.Close()
	f, err := os.Create(dst)
	testx.NoErr(t, err)
	// Whole pages at a time, as cp writes: what ends within one costs the
	// kernel several times as much to copy.
	w := bufio.NewWriterSize(struct{ io.Writer }{f}, 1<<20)
	n, err := io.Copy(w, struct{ io.Reader }{resp.Body})
	testx.NoErr(t, err)
	testx.NoErr(t, w.Flush())
	testx.Equal(t, n, size)
	testx.NoErr(t, f.Sync())
	testx.NoErr(t, f.Close())
}

// resident gives one of the process's memory figures in bytes.
func resident(t *testing.T, key string) int64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	testx.NoErr(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), key+":"); ok {
			var kib int64
			fmt.Sscan(value, &kib)
			return kib << 10
		}
	}
	t.Fatalf("there is no %s", key)
	return 0
}

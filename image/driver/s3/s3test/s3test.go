// Package s3test runs a real S3 server for tests: the Versity gateway on a
// directory.
package s3test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"nubo/internal/testx"
)

// The server's module, which go builds where it is missing.
const (
	module  = "github.com/versity/versitygw/cmd/versitygw"
	version = "v1.8.0"
)

// Server is a running S3 server.
type Server struct{ URL, AccessKey, SecretKey string }

// program gives the server's program: NUBO_TEST_VERSITYGW, or one that is
// built once and kept in the user's cache.
func program(t testing.TB) string {
	t.Helper()
	if name := os.Getenv("NUBO_TEST_VERSITYGW"); name != "" {
		return name
	}
	cache, err := os.UserCacheDir()
	testx.NoErr(t, err)
	dir := filepath.Join(cache, "nubo-test", "versitygw-"+version)
	name := filepath.Join(dir, "versitygw")
	if _, err := os.Stat(name); err == nil {
		return name
	}
	cmd := exec.Command("go", "install", module+"@"+version)
	cmd.Dir = t.TempDir() // outside of any module
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the S3 server of the tests (or name it by NUBO_TEST_VERSITYGW): %v: %s", err, out)
	}
	return name
}

// Start runs a server without buckets until the test ends.
func Start(t testing.TB) Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	address := l.Addr().String()
	testx.NoErr(t, l.Close())
	s := Server{"http://" + address, "images", "secret-of-images"}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program(t), "--access", s.AccessKey, "--secret", s.SecretKey, "--port", address, "--quiet", "posix", "--sidecar", t.TempDir(), t.TempDir())
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	testx.NoErr(t, cmd.Start())
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("the S3 server says:\n%s", log.String())
		}
	})
	testx.Eventually(t, "the S3 server answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return s
}

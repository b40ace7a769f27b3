package s3

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"go.uber.org/goleak"

	"nubo/image"
	"nubo/image/driver/s3/s3test"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server runs an S3 server, and gives how to reach it.
func server(t *testing.T) Config {
	t.Helper()
	s := s3test.Start(t)
	return Config{
		Host: s.URL, RegionName: "us-east-1", AccessKey: s.AccessKey, SecretKey: s.SecretKey, Bucket: "images",
		CreateBucketOnPut: true, BucketURLFormat: "path", LargeObjectChunkSize: 5 << 20,
	}
}

func open(t *testing.T, cfg Config) *Data {
	t.Helper()
	d, err := New(t.Context(), cfg)
	testx.NoErr(t, err)
	t.Cleanup(d.Close)
	return d
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b) //nolint:errcheck // it never fails
	return b
}

func TestData(t *testing.T) {
	t.Parallel()
	cfg := server(t)
	without := cfg
	without.CreateBucketOnPut = false
	if _, err := New(t.Context(), without); err == nil {
		t.Fatal("there is a bucket already")
	}
	d, ctx := open(t, cfg), t.Context()
	open(t, without)
	for _, n := range []int{0, 1, 5<<20 - 1, 5 << 20, 12<<20 + 7} {
		data, ref := random(n), image.NewRef(clock.NewID())
		up, err := d.Create(ctx, ref)
		testx.NoErr(t, err)
		_, err = io.Copy(up, bytes.NewReader(data))
		testx.NoErr(t, err)
		if _, err := d.Open(ctx, ref); !fault.Is(err, fault.NotFound) {
			t.Fatalf("before the commit: %v", err)
		}
		testx.NoErr(t, up.Commit())
		testx.NoErr(t, up.Abort())
		body, err := d.Open(ctx, ref)
		testx.NoErr(t, err)
		for _, at := range []int64{0, int64(n / 2)} {
			_, err = body.Seek(at, io.SeekStart)
			testx.NoErr(t, err)
			back, err := io.ReadAll(body)
			testx.NoErr(t, err)
			if !bytes.Equal(back, data[at:]) {
				t.Fatalf("%d bytes: from %d on %d come back", n, at, len(back))
			}
		}
		testx.NoErr(t, body.Close())
		refs, err := d.List(ctx)
		testx.NoErr(t, err)
		testx.Equal(t, refs, []string{ref})
		for range 2 {
			testx.NoErr(t, d.Delete(ctx, ref))
		}
		if _, err := d.Open(ctx, ref); !fault.Is(err, fault.NotFound) {
			t.Fatalf("after the deletion: %v", err)
		}
	}
}

// TestAbort gives uploads up at several places, and leaves nothing; nor does
// one that is never ended.
func TestAbort(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, server(t)), t.Context()
	for _, n := range []int{0, 1, 6 << 20, 11 << 20} {
		up, err := d.Create(ctx, image.NewRef(clock.NewID()))
		testx.NoErr(t, err)
		_, err = up.Write(random(n))
		testx.NoErr(t, err)
		testx.NoErr(t, up.Abort())
	}
	core := minio.Core{Client: d.client}
	_, err := core.NewMultipartUpload(ctx, d.cfg.Bucket, image.NewRef(clock.NewID()), minio.PutObjectOptions{})
	testx.NoErr(t, err)
	_, err = core.NewMultipartUpload(ctx, d.cfg.Bucket, "somebody-else's", minio.PutObjectOptions{})
	testx.NoErr(t, err)
	refs, err := d.List(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, refs, []string(nil))
	var left []string
	for up := range d.client.ListIncompleteUploads(ctx, d.cfg.Bucket, "", true) {
		testx.NoErr(t, up.Err)
		left = append(left, up.Key)
	}
	testx.Equal(t, left, []string{"somebody-else's"})
}

// TestAdopt takes what others put into the bucket, and nobody's image.
func TestAdopt(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, server(t)), t.Context()
	_, err := d.client.PutObject(ctx, d.cfg.Bucket, "golden.img", bytes.NewReader([]byte("golden")), 6, minio.PutObjectOptions{})
	testx.NoErr(t, err)
	ref, err := d.Adopt(d.URL("golden.img"))
	testx.NoErr(t, err)
	body, err := d.Open(ctx, ref)
	testx.NoErr(t, err)
	testx.NoErr(t, body.Close())
	testx.NoErr(t, d.Delete(ctx, ref))
	body, err = d.Open(ctx, ref)
	testx.NoErr(t, err)
	testx.NoErr(t, body.Close())
	for _, url := range []string{"", "s3://elsewhere/images/golden.img", d.URL(""), d.URL(image.NewRef(clock.NewID())), d.URL(clock.NewID()), "file:///golden.img"} {
		if _, err := d.Adopt(url); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestServerGoes fails an upload whose server has gone, in a time that is
// bounded.
func TestServerGoes(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	defer l.Close()
	cfg := Config{Host: "http://" + l.Addr().String(), Bucket: "images", BucketURLFormat: "path", LargeObjectChunkSize: 5 << 20}
	go func() { // it takes connections and closes them
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := New(ctx, cfg); err == nil {
		t.Fatal("there is a bucket where there is no server")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{}, {Host: "s3.example.org", BucketURLFormat: "auto"}, {Host: "ftp://s3.example.org", BucketURLFormat: "auto"}, {Host: "http://127.0.0.1:1", BucketURLFormat: "sideways"}} {
		if _, err := New(t.Context(), cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

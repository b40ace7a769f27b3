// Package s3 keeps images as objects of one bucket of an S3 service, named by
// their refs.
//
// An upload is a multipart one, whose object is there when it is committed
// and not before; what a kill leaves of one is aborted at the next start.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"nubo/image"
	"nubo/internal/config"
	"nubo/internal/fault"
)

// Config is section [s3] of the configuration, with glance_store's keys.
type Config struct {
	Host                 string      `toml:"s3_store_host" default:"" help:"Address of the S3 service, as https://s3.example.org."`
	RegionName           string      `toml:"s3_store_region_name" default:"us-east-1" help:"Region of the bucket."`
	AccessKey            string      `toml:"s3_store_access_key" default:"" help:"Access key." secret:"true"`
	SecretKey            string      `toml:"s3_store_secret_key" default:"" help:"Secret key." secret:"true"`
	Bucket               string      `toml:"s3_store_bucket" default:"" help:"Bucket of the images."`
	CreateBucketOnPut    bool        `toml:"s3_store_create_bucket_on_put" default:"false" help:"Make the bucket if it is not there."`
	BucketURLFormat      string      `toml:"s3_store_bucket_url_format" default:"auto" help:"How the bucket stands in URLs: virtual, path or auto."`
	LargeObjectChunkSize config.Size `toml:"s3_store_large_object_chunk_size" default:"16MiB" help:"Size of the parts of an upload, of which there can be 10000 in an object; each upload holds one in memory."`
}

// Data implements image.Data.
type Data struct {
	cfg    Config
	client *minio.Client
	// transport is the client's, to be closed.
	transport *http.Transport
}

// New connects to the service and looks for the bucket.
func New(ctx context.Context, cfg Config) (*Data, error) {
	u, err := url.Parse(cfg.Host)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("s3_store_host %q is no http or https address", cfg.Host)
	}
	lookup, ok := map[string]minio.BucketLookupType{"auto": minio.BucketLookupAuto, "virtual": minio.BucketLookupDNS, "path": minio.BucketLookupPath}[cfg.BucketURLFormat]
	if !ok {
		return nil, fmt.Errorf("s3_store_bucket_url_format is virtual, path or auto, not %q", cfg.BucketURLFormat)
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		return nil, err
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: u.Scheme == "https", Region: cfg.RegionName,
		BucketLookup: lookup, Transport: transport,
	})
	if err != nil {
		return nil, fmt.Errorf("S3 at %s: %w", cfg.Host, err)
	}
	d := &Data{cfg, client, transport}
	there, err := client.BucketExists(ctx, cfg.Bucket)
	if err == nil && !there {
		err = fmt.Errorf("there is no bucket %q", cfg.Bucket)
		if cfg.CreateBucketOnPut {
			err = client.MakeBucket(ctx, cfg.Bucket, minio.MakeBucketOptions{Region: cfg.RegionName})
		}
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("S3 at %s: %w", cfg.Host, err)
	}
	return d, nil
}

// Close gives the connections back.
func (d *Data) Close() { d.transport.CloseIdleConnections() }

// errAborted ends an upload that was not committed.
var errAborted = errors.New("the upload was given up")

// upload implements image.Upload: what is written goes through a pipe to the
// client, which sends it part by part.
type upload struct {
	pipe  *io.PipeWriter
	done  chan error
	ended bool
}

// Create implements image.Data.
func (d *Data) Create(ctx context.Context, ref string) (image.Upload, error) {
	r, w := io.Pipe()
	u := &upload{pipe: w, done: make(chan error, 1)}
	go func() {
		// It is the pipe that ends it: a commit must not be lost to a caller
		// who has gone.
		_, err := d.client.PutObject(context.WithoutCancel(ctx), d.cfg.Bucket, ref, r, -1, minio.PutObjectOptions{
			ContentType: "application/octet-stream", PartSize: uint64(d.cfg.LargeObjectChunkSize), NumThreads: 1,
		})
		r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) //nolint:errcheck // it never fails
		u.done <- err
	}()
	return u, nil
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) { return u.pipe.Write(p) }

// Commit implements image.Upload.
func (u *upload) Commit() error {
	u.ended = true
	return errors.Join(u.pipe.Close(), <-u.done)
}

// Abort implements image.Upload.
func (u *upload) Abort() error {
	if u.ended {
		return nil
	}
	u.ended = true
	u.pipe.CloseWithError(errAborted) //nolint:errcheck // it never fails
	if err := <-u.done; err != nil && !errors.Is(err, errAborted) {
		return err
	}
	return nil
}

// Open implements image.Data.
func (d *Data) Open(ctx context.Context, ref string) (io.ReadSeekCloser, error) {
	o, err := d.client.GetObject(ctx, d.cfg.Bucket, ref, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := o.Stat(); err != nil {
		o.Close() //nolint:errcheck // nothing was read
		if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
			return nil, fault.NotFoundf("The image's data are not in the store.").WithCause(err)
		}
		return nil, err
	}
	return o, nil
}

// Delete implements image.Data. What others put into the bucket stays there.
func (d *Data) Delete(ctx context.Context, ref string) error {
	if !image.IsRef(ref) {
		return nil
	}
	return d.client.RemoveObject(ctx, d.cfg.Bucket, ref, minio.RemoveObjectOptions{})
}

// List implements image.Data. Objects that others put into the bucket are
// left alone.
func (d *Data) List(ctx context.Context) ([]string, error) {
	for up := range d.client.ListIncompleteUploads(ctx, d.cfg.Bucket, "", true) {
		if up.Err != nil {
			return nil, up.Err
		}
		if image.IsRef(up.Key) {
			if err := d.client.RemoveIncompleteUpload(ctx, d.cfg.Bucket, up.Key); err != nil {
				return nil, err
			}
		}
	}
	var refs []string
	for o := range d.client.ListObjects(ctx, d.cfg.Bucket, minio.ListObjectsOptions{}) {
		if o.Err != nil {
			return nil, o.Err
		}
		if image.IsRef(o.Key) {
			refs = append(refs, o.Key)
		}
	}
	return refs, nil
}

// URL implements image.Data. It names no keys.
func (d *Data) URL(ref string) string {
	scheme, host, _ := strings.Cut(d.cfg.Host, "://")
	prefix := "s3://"
	if scheme == "https" {
		prefix = "s3+https://"
	}
	return prefix + strings.TrimRight(host, "/") + "/" + d.cfg.Bucket + "/" + ref
}

// Adopt implements image.Data: objects that others put into the bucket. Those
// of images may be somebody else's.
func (d *Data) Adopt(text string) (string, error) {
	ref, ok := strings.CutPrefix(text, d.URL(""))
	if !ok || ref == "" || image.IsRef(ref) {
		return "", fault.Invalidf("The location is not in the images' bucket.")
	}
	return ref, nil
}

package api_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nubo/image"
	"nubo/image/driver/s3"
	"nubo/image/driver/s3/s3test"
	"nubo/image/driver/web"
	"nubo/internal/clock"
	"nubo/internal/testx"
)

// withS3 adds a store of a real S3 server.
func withS3(t *testing.T) func(cfg *image.Config, deps *image.Deps) {
	server := s3test.Start(t)
	return func(_ *image.Config, deps *image.Deps) {
		data, err := s3.New(t.Context(), s3.Config{
			Host: server.URL, RegionName: "us-east-1", AccessKey: server.AccessKey, SecretKey: server.SecretKey, Bucket: "images-" + clock.NewHexID(),
			CreateBucketOnPut: true, BucketURLFormat: "path", LargeObjectChunkSize: 5 << 20,
		})
		testx.NoErr(t, err)
		t.Cleanup(data.Close)
		deps.Backends = append(deps.Backends, image.Backend{ID: "s3", Type: "s3", Data: data})
	}
}

func TestOnS3(t *testing.T) {
	eachWith(t, withS3(t), func(t *testing.T, c *client) {
		c.runs()
		admin := c.as("admin")
		bucket := c.svc.Backends[1].Data
		objects := func() int {
			refs, err := bucket.List(t.Context())
			testx.NoErr(t, err)
			return len(refs)
		}
		data := bytes.Repeat([]byte("an object's bytes "), 500_000) // 9 MB: two parts
		path := c.create("{" + raw + "}")
		to := func(body any, store string) answer {
			switch body := body.(type) {
			case []byte:
				return c.send("PUT", path+"/file", "application/octet-stream", bytes.NewReader(body), "X-Image-Meta-Store", store)
			default:
				return c.send("PUT", path+"/file", "application/octet-stream", body.(*cut), "X-Image-Meta-Store", store)
			}
		}
		for _, n := range []int{0, 1, 6 << 20} {
			c.check(to(&cut{n}, "s3"), fmt.Sprint("cut after ", n), 400, "was cut short")
			testx.Equal(t, objects(), 0)
		}
		c.check(to(data, "s3"), "upload", 204)
		c.want(200, "GET", path, "", `"stores":"s3"`, fmt.Sprintf(`"size":%d`, len(data)))
		testx.Equal(t, c.files(), []string{})
		if a := c.send("GET", path+"/file", "", nil); a.Text != string(data) {
			t.Fatalf("%d bytes come back", len(a.Text))
		}
		c.check(c.send("GET", path+"/file", "", nil, "Range", "bytes=8999990-"), "range", 206, string(data[8999990:]))
		admin.want(202, "POST", path+"/import", `{"method":{"name":"copy-image"},"stores":["file"]}`)
		testx.Equal(t, c.task(path)["status"], any("success"))
		admin.want(200, "GET", path+"/locations", "", `"url":"s3://`, `"url":"file://`)
		admin.want(204, "DELETE", "/v2/stores/s3/"+filepath.Base(path), "")
		testx.Equal(t, objects(), 0)
		admin.want(202, "POST", path+"/import", `{"method":{"name":"copy-image"},"all_stores":true}`)
		testx.Equal(t, c.task(path)["status"], any("success"))
		testx.Equal(t, objects(), 1)
		// whichever copy is preferred, the bytes are the same; only a store that
		// is there can be
		for _, prefer := range []string{"s3", "file", "%20s3,file", "s3,s3,", ","} {
			if a := c.send("GET", path+"/file?prefer="+prefer, "", nil); a.Text != string(data) {
				t.Errorf("preferring %q: %d %d bytes", prefer, a.Status, len(a.Text))
			}
		}
		c.want(400, "GET", path+"/file?prefer=file,nowhere", "", "Store 'nowhere' is not configured.")
		lost, err := bucket.List(t.Context())
		testx.NoErr(t, err)
		testx.NoErr(t, bucket.Delete(t.Context(), lost[0]))
		if a := c.send("GET", path+"/file?prefer=s3", "", nil); a.Text != string(data) {
			t.Errorf("a preferred copy that is lost: %d %d bytes", a.Status, len(a.Text))
		}
		admin.want(204, "DELETE", "/v2/stores/s3/"+filepath.Base(path), "")
		admin.want(202, "POST", path+"/import", `{"method":{"name":"copy-image"},"all_stores":true}`)
		testx.Equal(t, c.task(path)["status"], any("success"))

		// What a kill leaves in the bucket goes at the next start.
		up, err := bucket.Create(t.Context(), image.NewRef(clock.NewID()))
		testx.NoErr(t, err)
		testx.NoErr(t, up.Commit())
		testx.Equal(t, objects(), 2)
		testx.NoErr(t, c.svc.Recover(t.Context()))
		testx.Equal(t, objects(), 1)
		c.want(200, "GET", path, "", `"stores":"file,s3"`)
		c.want(204, "DELETE", path, "")
		testx.Equal(t, objects(), 0)
		testx.Equal(t, c.files(), []string{})
	})
}

// TestLocations makes images of bytes that are elsewhere.
func TestLocations(t *testing.T) {
	data := bytes.Repeat([]byte("elsewhere "), 100_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/image" {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(server.Close)
	eachWith(t, func(_ *image.Config, deps *image.Deps) {
		reader := web.New(web.Config{Hosts: []string{strings.TrimPrefix(server.URL, "http://")}, Schemes: []string{"http"}})
		t.Cleanup(reader.Close)
		deps.Backends = append(deps.Backends, image.Backend{ID: "http", Type: "http", ReadOnly: true, Data: web.NewStore(reader)})
	}, func(t *testing.T, c *client) {
		c.runs()
		sum := sha512.Sum512(data)
		body := func(url, hash string) string {
			return `{"url":"` + url + `","validation_data":{"os_hash_algo":"sha512","os_hash_value":"` + hash + `"}}`
		}
		path := c.create("{" + raw + "}")
		for _, url := range []string{"http://127.0.0.1:1/image", "file://" + c.dir + "/x", "nonsense"} {
			c.want(400, "POST", path+"/locations", `{"url":"`+url+`"}`, "Invalid location")
			c.want(200, "GET", path, "", `"status":"queued"`)
		}
		c.want(400, "POST", path+"/locations", body(server.URL+"/image", "nonsense"))
		c.as("reader").want(403, "POST", path+"/locations", body(server.URL+"/image", hex.EncodeToString(sum[:])))
		add := func(path, body, status, message string) {
			t.Helper()
			c.want(202, "POST", path+"/locations", body)
			task := c.task(path)
			testx.Equal(t, []any{task["type"], task["status"], task["message"]}, []any{"location_import", status, message})
		}
		add(path, `{"url":"`+server.URL+`/absent"}`, "failure", "Invalid location: its bytes cannot be read.")
		c.want(200, "GET", path, "", `"status":"queued"`)
		add(path, body(server.URL+"/image", strings.Repeat("0", 128)), "failure", "The hash of the bytes at the location is not the one that was given.")
		c.want(200, "GET", path, "", `"status":"queued"`)
		add(path, body(server.URL+"/image", hex.EncodeToString(sum[:])), "success", "")
		c.want(200, "GET", path, "", `"status":"active"`, `"stores":"http"`, hex.EncodeToString(sum[:]))
		c.want(409, "POST", path+"/locations", `{"url":"`+server.URL+`/image"}`)
		c.check(c.send("GET", path+"/file", "", nil, "Range", "bytes=999990-"), "range", 206, "elsewhere ")
		c.check(c.send("PUT", c.create("{"+raw+"}")+"/file", "application/octet-stream", bytes.NewReader(data), "X-Image-Meta-Store", "http"), "upload", 400, "read only")
		c.want(200, "GET", "/v2/info/stores", "", `"read-only":"true"`)
		liar := c.create(`{"disk_format":"qcow2","container_format":"bare"}`)
		add(liar, `{"url":"`+server.URL+`/image"}`, "failure", "Image disk_format qcow2 does not match stream data raw")
		c.want(204, "DELETE", path, "")
	})
}

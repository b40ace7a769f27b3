package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"nubo/image"
	"nubo/image/driver/file"
	"nubo/image/driver/web"
	"nubo/image/store"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

// runs has the service's worker run until the test ends.
func (c *client) runs() *client {
	c.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.svc.Run(ctx) }()
	c.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			c.t.Errorf("the worker: %v", err)
		}
	})
	return c
}

func (c *client) stage(path string, data []byte) answer {
	return c.send("PUT", path+"/stage", "application/octet-stream", bytes.NewReader(data))
}

// task waits for the end of an image's newest task.
func (c *client) task(path string) map[string]any {
	c.t.Helper()
	var last map[string]any
	testx.Eventually(c.t, "the task of "+path+" ends", func() bool {
		list := c.as("admin").want(200, "GET", path+"/tasks", "").JSON["tasks"].([]any)
		last = list[0].(map[string]any)
		return last["status"] == "success" || last["status"] == "failure"
	})
	return last
}

// origin serves images to web-download; paths are its files.
func origin(t *testing.T, files map[string][]byte) (*httptest.Server, string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		data, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		if r.URL.Query().Has("cut") {
			data = data[:len(data)/2]
		}
		w.Write(data)
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	testx.NoErr(t, err)
	return server, u.Host
}

// eachWith is each for a service that is changed.
func eachWith(t *testing.T, change func(cfg *image.Config, deps *image.Deps), test func(t *testing.T, c *client)) {
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) { test(t, newClientWith(t, d, change)) })
}

func TestStageAndImport(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		c.runs()
		path := c.create("{" + raw + "}")
		c.want(409, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`, "needs to be staged before")
		data := bytes.Repeat([]byte("image"), 10_000)
		c.check(c.send("PUT", path+"/stage", "application/json", bytes.NewReader(data)), "wrong type", 415)
		c.check(c.stage(path, nil), "nothing", 400)
		c.want(200, "GET", path, "", `"status":"queued"`)
		c.check(c.stage(path, data), "stage", 204)
		c.want(200, "GET", path, "", `"status":"uploading"`, `"size":null`)
		c.check(c.stage(path, data), "stage twice", 409, "from uploading to uploading")
		c.check(c.upload(path, data), "upload over it", 409)
		c.want(409, "POST", path+"/import", `{"method":{"name":"web-download","uri":"http://192.0.2.1/"}}`, "'queued' state")
		c.want(400, "POST", path+"/import", `{"method":{"name":"smoke-signals"}}`, "Unknown import method name 'smoke-signals'.")
		c.want(409, "POST", path+"/import", `{"method":{"name":"glance-direct"},"stores":["nowhere"]}`, "nowhere")
		c.want(202, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`)
		task := c.task(path)
		testx.Equal(t, task["status"], any("success"))
		testx.Equal(t, task["image_id"], any(filepath.Base(path)))
		got := c.want(200, "GET", path, "", `"status":"active"`, fmt.Sprintf(`"size":%d`, len(data)), `"stores":"file"`)
		if got.JSON["os_glance_import_task"] != nil || got.JSON["os_hash_value"] == nil {
			t.Fatalf("after the import: %s", got.Text)
		}
		if a := c.send("GET", path+"/file", "", nil); a.Text != string(data) {
			t.Fatalf("%d bytes come back", len(a.Text))
		}
		testx.Equal(t, c.names(c.staging), []string{})
		c.want(409, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`, "status active cannot be target")

		admin := c.as("admin")
		id := task["id"].(string)
		admin.want(200, "GET", "/v2/tasks/"+id, "", `"type":"api_image_import"`, `"import_req":{"method":{"name":"glance-direct"}}`)
		admin.want(200, "GET", "/v2/tasks?status=success&type=api_image_import", "", id)
		admin.want(200, "GET", "/v2/tasks?status=failure", "", `"tasks":[]`)
		c.want(403, "GET", "/v2/tasks/"+id, "")
		admin.want(404, "GET", "/v2/tasks/nope", "", "Task with the given id nope was not found")
		c.as("other").want(404, "GET", path+"/tasks", "")
	})
}

func TestImportIsGated(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		c.runs()
		backed := filepath.Join(t.TempDir(), "backed")
		run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", backed, "64M")
		evil, err := os.ReadFile(backed)
		testx.NoErr(t, err)
		for text, data := range map[string][]byte{
			"Image rejected: Image failed safety checks: it has a backing file":       evil,
			"Image rejected: Image disk_format qcow2 does not match stream data raw":  make([]byte, 4096),
			"Image rejected: Image disk_format qcow2 does not match stream data luks": append([]byte("LUKS\xba\xbe\x00\x01"), make([]byte, 4096)...),
			"Image rejected: Image failed safety checks: its header is cut off":       []byte("QFI\xfb"),
			"Image rejected: Image disk_format qcow2 does not match stream data vmdk": append([]byte("KDMV"), make([]byte, 4096)...),
			"Image rejected: Image disk_format qcow2 does not match stream data iso":  isoImage(),
			"Image rejected: Image disk_format qcow2 does not match stream data vdi":  vdiImage(),
			"Image rejected: Image disk_format qcow2 does not match stream data vhd":  append(make([]byte, 4096), append([]byte("conectix"), make([]byte, 504)...)...),
			"Image rejected: Image disk_format qcow2 does not match stream data gpt":  mbr(),
		} {
			path := c.create(`{"disk_format":"qcow2","container_format":"bare"}`)
			c.check(c.stage(path, data), "stage", 204)
			c.want(202, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`)
			task := c.task(path)
			testx.Equal(t, []any{task["status"], task["message"]}, []any{"failure", text})
			c.want(200, "GET", path, "", `"status":"queued"`, `"size":null`)
			testx.Equal(t, c.names(c.staging), []string{})
			testx.Equal(t, c.files(), []string{})
		}
	})
}

func isoImage() []byte {
	b := make([]byte, 40<<10)
	copy(b[32<<10:], "\x01CD001")
	return b
}

func vdiImage() []byte {
	b := make([]byte, 1024)
	copy(b[64:], "\x7f\x10\xda\xbe")
	return b
}

func mbr() []byte {
	b := make([]byte, 1024)
	b[510], b[511] = 0x55, 0xaa
	return b
}

func TestWebDownload(t *testing.T) {
	data := bytes.Repeat([]byte("from afar "), 50_000)
	_, host := origin(t, map[string][]byte{"/image": data})
	_, inside := origin(t, map[string][]byte{"/secret": data})
	change := func(_ *image.Config, deps *image.Deps) {
		deps.Web = web.New(web.Config{Hosts: []string{host}, Ports: []string{"80"}, Schemes: []string{"http"}})
		t.Cleanup(deps.Web.(*web.Reader).Close)
	}
	eachWith(t, change, func(t *testing.T, c *client) {
		c.runs()
		begin := func(uri string, status int, texts ...string) string {
			t.Helper()
			path := c.create("{" + raw + "}")
			c.want(status, "POST", path+"/import", `{"method":{"name":"web-download","uri":"`+uri+`"}}`, texts...)
			return path
		}
		for _, uri := range []string{
			"http://" + inside + "/secret", "http://localhost/", "http://127.0.0.1/", "https://" + host + "/image", "file:///etc/passwd", "ftp://" + host + "/image",
			"http://user@" + host + "/image", "http:///image", "//" + host + "/image", "nonsense", "http://169.254.169.254/latest", "http://[::1]/", "http://0/",
			"http://" + strings.Replace(host, "127.0.0.1", "2130706433", 1) + "/image",
		} {
			begin(uri, 400, "does not pass filtering")
		}
		begin("", 400, "'uri' is required")
		path := begin("http://"+host+"/image", 202)
		testx.Equal(t, c.task(path)["status"], any("success"))
		c.want(200, "GET", path, "", `"status":"active"`, fmt.Sprintf(`"size":%d`, len(data)))
		for uri, text := range map[string]string{
			"http://" + host + "/absent":                                             "answers 404 Not Found",
			"http://" + host + "/image?cut":                                          "was cut short",
			"http://" + host + "/?to=" + url.QueryEscape("http://"+inside+"/secret"): "cannot be read",
		} {
			path := begin(uri, 202)
			task := c.task(path)
			if task["status"] != "failure" || !strings.Contains(task["message"].(string), text) {
				t.Errorf("%s: %v", uri, task)
			}
			c.want(200, "GET", path, "", `"status":"queued"`)
		}
		testx.Equal(t, c.names(c.staging), []string{})
		testx.Equal(t, len(c.files()), 1)

		admin := c.as("admin")
		body := `{"type":"import","input":{"import_from":"http://` + host + `/image","import_from_format":"raw","image_properties":{"name":"by task","disk_format":"raw","container_format":"bare","os_distro":"debian"}}}`
		c.want(403, "POST", "/v2/tasks", body)
		a := admin.want(201, "POST", "/v2/tasks", body, `"status":"pending"`, `"type":"import"`)
		made := "/v2/images/" + a.JSON["image_id"].(string)
		testx.Equal(t, admin.task(made)["status"], any("success"))
		admin.want(200, "GET", made, "", `"name":"by task"`, `"status":"active"`, `"os_distro":"debian"`)
		a = admin.want(201, "POST", "/v2/tasks", strings.Replace(body, "/image\"", "/absent\"", 1))
		testx.Eventually(t, "the image of a failed import task is gone", func() bool {
			return admin.send("GET", "/v2/images/"+a.JSON["image_id"].(string), "", nil).Status == 404
		})
	})
}

// TestDeleteDuringImport deletes an image in the middle of a download, which
// ends, and leaves nothing.
func TestDeleteDuringImport(t *testing.T) {
	begun := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 1<<20))
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	change := func(_ *image.Config, deps *image.Deps) {
		deps.Web = web.New(web.Config{Hosts: []string{host}, Schemes: []string{"http"}})
		t.Cleanup(deps.Web.(*web.Reader).Close)
	}
	eachWith(t, change, func(t *testing.T, c *client) {
		c.runs()
		path := c.create("{" + raw + "}")
		c.want(202, "POST", path+"/import", `{"method":{"name":"web-download","uri":"`+server.URL+`"}}`)
		<-begun
		c.want(200, "GET", path, "", `"status":"importing"`, "os_glance_importing_to_stores")
		c.want(409, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`, "prior operation is still in progress")
		c.want(204, "DELETE", path, "")
		c.want(404, "GET", path, "")
		testx.Eventually(t, "the task has failed", func() bool {
			list := c.as("admin").want(200, "GET", "/v2/tasks?status=failure", "").JSON["tasks"].([]any)
			return len(list) == 1
		})
		testx.Equal(t, c.names(c.staging), []string{})
		testx.Equal(t, c.files(), []string{})
	})
}

// TestImportGoesOn stops the worker in the middle of an import; the next one
// ends it.
func TestImportGoesOn(t *testing.T) {
	var slow atomic.Bool
	slow.Store(true)
	begun := make(chan struct{}, 10)
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(data[:len(data)/2])
		if slow.Load() {
			w.(http.Flusher).Flush()
			begun <- struct{}{}
			<-r.Context().Done()
			return
		}
		w.Write(data[len(data)/2:])
	}))
	t.Cleanup(server.Close)
	c := newClientWith(t, dbtest.Open(t, store.Migrations), func(_ *image.Config, deps *image.Deps) {
		deps.Web = web.New(web.Config{Hosts: []string{strings.TrimPrefix(server.URL, "http://")}, Schemes: []string{"http"}})
		t.Cleanup(deps.Web.(*web.Reader).Close)
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.svc.Run(ctx) }()
	path := c.create("{" + raw + "}")
	c.want(202, "POST", path+"/import", `{"method":{"name":"web-download","uri":"`+server.URL+`"}}`)
	<-begun
	stop()
	testx.NoErr(t, <-done)
	c.want(200, "GET", path, "", `"status":"importing"`)
	slow.Store(false)
	testx.NoErr(t, c.svc.Recover(t.Context()))
	c.runs()
	testx.Equal(t, c.task(path)["status"], any("success"))
	c.want(200, "GET", path, "", `"status":"active"`, fmt.Sprintf(`"size":%d`, len(data)))
}

// twoStores adds a second store of files.
func twoStores(t *testing.T) (dir string, change func(cfg *image.Config, deps *image.Deps)) {
	dir = t.TempDir()
	return dir, func(_ *image.Config, deps *image.Deps) {
		data, err := file.New(filepath.Join(dir, fmt.Sprintf("%p", deps)))
		testx.NoErr(t, err)
		deps.Backends = append(deps.Backends, image.Backend{ID: "second", Type: "file", Data: data})
	}
}

func TestSeveralStores(t *testing.T) {
	_, change := twoStores(t)
	eachWith(t, change, func(t *testing.T, c *client) {
		c.runs()
		admin := c.as("admin")
		data := bytes.Repeat([]byte("twice"), 1000)
		c.want(200, "GET", "/v2/info/stores", "", `"id":"file"`, `"default":"true"`, `"id":"second"`)
		admin.want(200, "GET", "/v2/info/stores/detail", "", `"type":"file"`)
		c.want(403, "GET", "/v2/info/stores/detail", "")
		chosen := c.create("{" + raw + "}")
		c.check(c.send("PUT", chosen+"/file", "application/octet-stream", bytes.NewReader(data), "X-Image-Meta-Store", "nowhere"), "an unknown store", 400, "nowhere")
		c.check(c.send("PUT", chosen+"/file", "application/octet-stream", bytes.NewReader(data), "X-Image-Meta-Store", "second"), "a chosen store", 204)
		c.want(200, "GET", chosen, "", `"stores":"second"`)
		testx.Equal(t, c.files(), []string{})

		both := c.create("{" + raw + "}")
		c.check(c.stage(both, data), "stage", 204)
		c.want(400, "POST", both+"/import", `{"method":{"name":"glance-direct"},"all_stores":true,"stores":["file"]}`, "mutually exclusive")
		c.want(202, "POST", both+"/import", `{"method":{"name":"glance-direct"},"all_stores":true}`)
		testx.Equal(t, c.task(both)["status"], any("success"))
		c.want(200, "GET", both, "", `"stores":"file,second"`)

		c.want(403, "POST", chosen+"/import", `{"method":{"name":"copy-image"},"stores":["file"]}`, "copy_image")
		admin.want(400, "POST", chosen+"/import", `{"method":{"name":"copy-image"},"stores":["second"]}`, "Image is already present at store 'second'")
		admin.want(202, "POST", chosen+"/import", `{"method":{"name":"copy-image"},"all_stores":true}`)
		testx.Equal(t, c.task(chosen)["status"], any("success"))
		c.want(200, "GET", chosen, "", `"stores":"second,file"`)
		admin.want(202, "POST", chosen+"/import", `{"method":{"name":"copy-image"},"all_stores":true}`)
		testx.Equal(t, len(admin.want(200, "GET", chosen+"/tasks", "").JSON["tasks"].([]any)), 1)

		id := filepath.Base(chosen)
		c.want(403, "DELETE", "/v2/stores/second/"+id, "")
		admin.want(404, "DELETE", "/v2/stores/nowhere/"+id, "")
		admin.want(204, "DELETE", "/v2/stores/second/"+id, "")
		admin.want(404, "DELETE", "/v2/stores/second/"+id, "")
		admin.want(403, "DELETE", "/v2/stores/file/"+id, "", "last store")
		c.want(200, "GET", chosen, "", `"stores":"file"`)
		c.check(c.send("GET", chosen+"/file", "", nil), "download", 200, "twice")

		c.want(403, "GET", both+"/locations", "")
		a := admin.want(200, "GET", both+"/locations", "", `"store":"second"`, "file://")
		if n := strings.Count(a.Text, `"url"`); n != 2 {
			t.Fatalf("%d locations: %s", n, a.Text)
		}
		queued := c.create("{" + raw + "}")
		c.want(400, "POST", queued+"/locations", `{"url":"file:///etc/passwd"}`, "Invalid location")
		c.want(200, "GET", queued, "", `"status":"queued"`)
	})
}

// broken is a store that takes nothing.
type broken struct{ image.Data }

func (b broken) Create(context.Context, string) (image.Upload, error) {
	return nil, io.ErrShortWrite
}

// held is a store whose bytes somebody works with.
type held struct {
	image.Data
	inUse *atomic.Bool
}

func (h held) Delete(ctx context.Context, ref string) error {
	if h.inUse.Load() {
		return fault.Conflictf("in use")
	}
	return h.Data.Delete(ctx, ref)
}

func TestStoresThatFail(t *testing.T) {
	eachWith(t, func(_ *image.Config, deps *image.Deps) {
		deps.Backends = append(deps.Backends, image.Backend{ID: "broken", Type: "file", Data: broken{deps.Backends[0].Data}})
	}, func(t *testing.T, c *client) {
		c.runs()
		admin := c.as("admin")
		begin := func(lenient string) string {
			path := c.create("{" + raw + "}")
			c.check(c.stage(path, []byte("data")), "stage", 204)
			c.want(202, "POST", path+"/import", `{"method":{"name":"glance-direct"},"all_stores":true,"all_stores_must_succeed":`+lenient+`}`)
			return path
		}
		strict := begin("true")
		task := c.task(strict)
		testx.Equal(t, []any{task["status"], task["message"]}, []any{"failure", "The image service failed; its log has the reason."})
		c.want(200, "GET", strict, "", `"status":"queued"`)
		testx.Equal(t, c.files(), []string{})
		lenient := begin("false")
		testx.Equal(t, c.task(lenient)["status"], any("success"))
		c.want(200, "GET", lenient, "", `"status":"active"`, `"stores":"file"`, `"os_glance_failed_import":"broken"`)
		c.want(403, "PATCH", lenient, `[{"op":"remove","path":"/os_glance_failed_import"}]`, "reserved")
		admin.want(202, "POST", lenient+"/import", `{"method":{"name":"copy-image"},"stores":["broken"]}`)
		testx.Equal(t, c.task(lenient)["status"], any("failure"))
		c.want(200, "GET", lenient, "", `"status":"active"`, `"stores":"file"`)
	})
}

// full is a store on a disk that is full after some bytes, or at the commit.
type full struct {
	image.Data
	room int
}

func (f full) Create(ctx context.Context, ref string) (image.Upload, error) {
	up, err := f.Data.Create(ctx, ref)
	return &fullUpload{up, f.room}, err
}

type fullUpload struct {
	image.Upload
	room int
}

func (u *fullUpload) Write(p []byte) (int, error) {
	if u.room -= len(p); u.room < 0 {
		return 0, &fs.PathError{Op: "write", Path: "image", Err: syscall.ENOSPC}
	}
	return u.Upload.Write(p)
}

func (u *fullUpload) Commit() error {
	return &fs.PathError{Op: "sync", Path: "image", Err: syscall.ENOSPC}
}

// TestFullDisk says so, and leaves nothing.
func TestFullDisk(t *testing.T) {
	eachWith(t, func(_ *image.Config, deps *image.Deps) { deps.Backends[0].Data = full{deps.Backends[0].Data, 1 << 20} }, func(t *testing.T, c *client) {
		c.runs()
		path := c.create("{" + raw + "}")
		for _, n := range []int{1 << 10, 3 << 20} {
			c.check(c.upload(path, make([]byte, n)), "upload", 413, "Image storage media is full")
			c.want(200, "GET", path, "", `"status":"queued"`)
			testx.Equal(t, c.files(), []string{})
			c.check(c.stage(path, make([]byte, n)), "stage", 204)
			c.want(202, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`)
			if task := c.task(path); task["status"] != "failure" || !strings.Contains(task["message"].(string), "media is full") {
				t.Fatalf("import: %v", task)
			}
		}
		c.consistent()
	})
}

// TestInUse keeps an image whose bytes a store does not give away.
func TestInUse(t *testing.T) {
	var inUse atomic.Bool
	inUse.Store(true)
	eachWith(t, func(_ *image.Config, deps *image.Deps) { deps.Backends[0].Data = held{deps.Backends[0].Data, &inUse} }, func(t *testing.T, c *client) {
		inUse.Store(true)
		path := c.create("{" + raw + "}")
		c.check(c.upload(path, []byte("data")), "upload", 204)
		c.want(409, "DELETE", path, "", "because it is in use")
		c.want(200, "GET", path, "", `"status":"active"`)
		c.check(c.send("GET", path+"/file", "", nil), "download", 200, "data")
		inUse.Store(false)
		c.want(204, "DELETE", path, "")
		testx.Equal(t, c.files(), []string{})
	})
}

func TestConversion(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Fatal("qemu-img is missing: install the package qemu-utils")
	}
	eachWith(t, func(cfg *image.Config, _ *image.Deps) { cfg.OutputFormat = "raw" }, func(t *testing.T, c *client) {
		c.runs()
		for format, qemu := range map[string]string{"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc"} {
			name := filepath.Join(t.TempDir(), "image")
			args := []string{"create", "-q", "-f", qemu}
			if format == "vmdk" {
				args = append(args, "-o", "subformat=monolithicSparse")
			}
			run(t, "qemu-img", append(args, name, "4M")...)
			data, err := os.ReadFile(name)
			testx.NoErr(t, err)
			path := c.create(`{"disk_format":"` + format + `","container_format":"bare"}`)
			c.check(c.stage(path, data), "stage", 204)
			c.want(202, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`)
			task := c.task(path)
			testx.Equal(t, []any{format, task["status"], task["message"]}, []any{format, "success", ""})
			a := c.want(200, "GET", path, "", `"disk_format":"raw"`)
			if size := a.JSON["size"].(float64); size < 4<<20 || size > 5<<20 || a.JSON["virtual_size"] != size {
				t.Fatalf("%s: %s", format, a.Text)
			}
		}
		testx.Equal(t, c.names(c.staging), []string{})
	})
}

func TestQuotas(t *testing.T) {
	eachWith(t, func(cfg *image.Config, _ *image.Deps) {
		cfg.ImageSizeTotal, cfg.ImageStageTotal, cfg.ImageCountTotal, cfg.ImageCountUploading = 3, 2, 4, 1
	}, func(t *testing.T, c *client) {
		c.runs()
		mib := func(n int) []byte { return make([]byte, n<<20) }
		first, second, third := c.create("{"+raw+"}"), c.create("{"+raw+"}"), c.create("{"+raw+"}")
		c.create("{}")
		c.want(413, "POST", "/v2/images", "{}", "image_count_total is over limit of 4")
		c.as("other").want(201, "POST", "/v2/images", "{}")
		c.check(c.upload(first, mib(4)), "too large", 413)
		c.check(c.send("PUT", first+"/file", "application/octet-stream", io.LimitReader(zeros{}, 4<<20)), "too large, unannounced", 413, "passes the project's quota")
		c.want(200, "GET", first, "", `"status":"queued"`)
		testx.Equal(t, c.files(), []string{})
		a := c.send("PUT", first+"/file", "application/octet-stream", &during{f: func() {
			c.check(c.upload(second, []byte("x")), "a second upload at once", 413, "image_count_uploading")
		}})
		c.check(a, "upload", 204)
		c.check(c.upload(second, mib(2)), "upload", 204)
		c.check(c.stage(third, mib(3)), "stage too much", 413)
		c.check(c.stage(third, mib(2)), "stage", 204)
		c.want(200, "GET", "/v2/info/usage", "", `"image_size_total":{"limit":3,"usage":2}`, `"image_stage_total":{"limit":2,"usage":2}`,
			`"image_count_total":{"limit":4,"usage":4}`, `"image_count_uploading":{"limit":1,"usage":1}`)
		c.want(202, "POST", third+"/import", `{"method":{"name":"glance-direct"}}`)
		task := c.task(third)
		testx.Equal(t, task["status"], any("failure"))
		c.want(204, "DELETE", second, "")
		c.check(c.stage(third, mib(2)), "stage again", 204)
		c.want(202, "POST", third+"/import", `{"method":{"name":"glance-direct"}}`)
		testx.Equal(t, c.task(third)["status"], any("success"))
	})
}

func TestKeystoneLimits(t *testing.T) {
	own := map[string]int64{image.CountTotal: 1}
	eachWith(t, func(_ *image.Config, deps *image.Deps) {
		deps.Limits = func(_ context.Context, project string) (map[string]int64, error) {
			if project == "p4" {
				return nil, io.ErrUnexpectedEOF
			}
			return own, nil
		}
	}, func(t *testing.T, c *client) {
		c.create("{}")
		c.want(413, "POST", "/v2/images", "{}", "image_count_total")
		c.as("other").want(503, "POST", "/v2/images", "{}", "limits cannot be read")
	})
}

func TestCache(t *testing.T) {
	eachWith(t, func(_ *image.Config, deps *image.Deps) {
		data, err := file.New(t.TempDir())
		testx.NoErr(t, err)
		deps.Cache, err = image.NewCache(t.Context(), data, 100, deps.Clock)
		testx.NoErr(t, err)
	}, func(t *testing.T, c *client) {
		c.runs()
		admin := c.as("admin")
		cached := func() []string {
			out := []string{}
			for _, e := range admin.want(200, "GET", "/v2/cache", "").JSON["cached_images"].([]any) {
				out = append(out, e.(map[string]any)["image_id"].(string))
			}
			return out
		}
		has := func(paths ...string) {
			t.Helper()
			want := []string{}
			for _, p := range paths {
				want = append(want, filepath.Base(p))
			}
			slices.Sort(want)
			testx.Eventually(t, fmt.Sprint(want, " are cached"), func() bool { return slices.Equal(cached(), want) })
		}
		image := func(n int) string {
			path := c.create("{" + raw + "}")
			c.check(c.upload(path, bytes.Repeat([]byte("c"), n)), "upload", 204)
			return path
		}
		one, two, large := image(60), image(60), image(101)
		c.want(403, "GET", "/v2/cache", "")
		c.check(c.send("GET", one+"/file", "", nil), "download", 200)
		has(one)
		c.check(c.send("GET", one+"/file", "", nil), "download of the copy", 200, strings.Repeat("c", 60))
		admin.want(200, "GET", "/v2/cache", "", `"hits":1`, `"size":60`)
		admin.want(200, "GET", "/versions", "", `"id":"v2.18"`)
		admin.want(202, "PUT", "/v2/cache/"+filepath.Base(two), "")
		has(two)
		admin.want(202, "PUT", "/v2/cache/"+filepath.Base(large), "")
		admin.want(404, "PUT", "/v2/cache/nope", "")
		admin.want(400, "PUT", "/v2/cache/"+filepath.Base(c.create("{}")), "", "status active")
		has(two)
		c.want(204, "DELETE", two, "")
		has()
		admin.want(202, "PUT", "/v2/cache/"+filepath.Base(one), "")
		has(one)
		admin.want(200, "POST", "/v2/cache/prune", "", `"total_files_pruned":0`)
		admin.want(204, "POST", "/v2/cache/clean", "")
		has(one)
		admin.want(204, "DELETE", "/v2/cache/"+filepath.Base(one), "")
		has()
		admin.want(404, "DELETE", "/v2/cache/nope", "")
		c.check(c.send("GET", one+"/file", "", nil), "download", 200)
		has(one)
		c.check(admin.send("DELETE", "/v2/cache", "", nil, "X-Image-Cache-Clear-Target", "all"), "clear all", 400)
		c.check(admin.send("DELETE", "/v2/cache", "", nil, "X-Image-Cache-Clear-Target", "queue"), "clear the queue", 204)
		has(one)
		admin.want(204, "DELETE", "/v2/cache", "")
		has()
	})
}

// TestExpiry removes tasks whose time has come.
func TestExpiry(t *testing.T) {
	eachWith(t, func(cfg *image.Config, _ *image.Deps) { cfg.TaskTimeToLive = -1 }, func(t *testing.T, c *client) {
		c.runs()
		path := c.create("{" + raw + "}")
		c.check(c.stage(path, []byte("data")), "stage", 204)
		c.want(202, "POST", path+"/import", `{"method":{"name":"glance-direct"}}`)
		testx.Eventually(t, "the image is active", func() bool {
			return strings.Contains(c.send("GET", path, "", nil).Text, `"status":"active"`)
		})
		next := c.create("{" + raw + "}") // its task has the expired one looked for
		c.check(c.stage(next, []byte("data")), "stage", 204)
		c.want(202, "POST", next+"/import", `{"method":{"name":"glance-direct"}}`)
		testx.Eventually(t, "the task has expired", func() bool {
			list, err := c.svc.ImageTasks(auth.Admin(t.Context()), filepath.Base(path))
			return err == nil && len(list) == 0
		})
	})
}

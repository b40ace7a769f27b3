package api_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/image"
	"nubo/image/api"
	"nubo/image/driver/file"
	"nubo/image/driver/web"
	"nubo/image/store"
	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/policy"
	"nubo/internal/qemuimg"
	"nubo/internal/testx"
)

// sizeCap is how large images may be in the tests.
const sizeCap = 16 << 20

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverVar); dir != "" {
		fmt.Fprintln(os.Stderr, imageServer(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// personas are the callers of the tests, by token.
var personas = map[string]auth.Context{
	"admin":  {UserID: "u1", ProjectID: "p1", Roles: []string{"admin", "manager", "member", "reader"}},
	"member": {UserID: "u2", ProjectID: "p2", Roles: []string{"member", "reader"}},
	"reader": {UserID: "u3", ProjectID: "p2", Roles: []string{"reader"}},
	"other":  {UserID: "u4", ProjectID: "p4", Roles: []string{"member", "reader"}},
}

type authenticator struct{}

func (authenticator) Authenticate(r *http.Request) (*auth.Context, error) {
	c, ok := personas[r.Header.Get("X-Auth-Token")]
	if !ok {
		return nil, fault.New(fault.Unauthorized, "who?")
	}
	return &c, nil
}

type client struct {
	t     testing.TB
	h     http.Handler
	svc   *image.Images
	dir   string // of the images' bytes
	token string

	staging string // of the bytes that are to be imported
}

func newClient(t testing.TB, d *db.DB) *client {
	t.Helper()
	return newClientWith(t, d, nil)
}

// newClientWith lets a test change what the service works with.
func newClientWith(t testing.TB, d *db.DB, change func(cfg *image.Config, deps *image.Deps)) *client {
	t.Helper()
	dir, staging := t.TempDir(), t.TempDir()
	data, err := file.New(dir)
	testx.NoErr(t, err)
	staged, err := file.New(staging)
	testx.NoErr(t, err)
	cfg := image.Config{
		ImageSizeCap: sizeCap, EnabledImportMethods: []string{"glance-direct", "web-download", "copy-image"}, TaskTimeToLive: time.Hour, ConversionTimeout: time.Minute,
		ImageSizeTotal: -1, ImageStageTotal: -1, ImageCountTotal: -1, ImageCountUploading: -1, ImportWorkers: 2,
	}
	deps := image.Deps{
		Store: store.New(d), Backends: []image.Backend{{ID: "file", Type: "file", Data: data}}, Staging: staged, Web: web.New(web.Config{}),
		Convert: qemuimg.ConvertUntrusted, Clock: clock.System, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg, &deps)
	}
	svc := image.New(cfg, deps)
	rules, err := policy.NewEnforcer("image", api.Rules())
	testx.NoErr(t, err)
	h, err := api.New(svc, authenticator{}, rules, slog.New(slog.DiscardHandler)).Handler()
	testx.NoErr(t, err)
	return &client{t: t, h: h, svc: svc, dir: dir, staging: staging, token: "member"}
}

// each runs a test on every database there is.
func each(t *testing.T, test func(t *testing.T, c *client)) {
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) { test(t, newClient(t, d)) })
}

func (c client) as(token string) *client { c.token = token; return &c }

// answer is what came back.
type answer = testx.Answer

func (c *client) send(method, path, contentType string, body io.Reader, headers ...string) answer {
	headers = append(headers, "X-Auth-Token", c.token, "Content-Type", contentType)
	return testx.Ask(c.t, c.h, method, path, body, headers...)
}

// want fails unless the answer has the status and contains all texts.
func (c *client) want(status int, method, path, body string, texts ...string) answer {
	c.t.Helper()
	contentType := "application/json"
	if method == "PATCH" {
		contentType = "application/openstack-images-v2.1-json-patch"
	}
	return c.check(c.send(method, path, contentType, strings.NewReader(body)), method+" "+path, status, texts...)
}

func (c *client) check(a answer, what string, status int, texts ...string) answer {
	c.t.Helper()
	if a.Status != status {
		c.t.Fatalf("%s: got %d %s; want %d", what, a.Status, a.Text, status)
	}
	for _, text := range texts {
		if !strings.Contains(a.Text, text) && !strings.Contains(html.UnescapeString(a.Text), text) {
			c.t.Fatalf("%s: got %s; want %q in it", what, a.Text, text)
		}
	}
	return a
}

// create makes an image and gives its path.
func (c *client) create(body string) string {
	c.t.Helper()
	return "/v2/images/" + c.want(201, "POST", "/v2/images", body).JSON["id"].(string)
}

const raw = `"disk_format":"raw","container_format":"bare"`

func (c *client) upload(path string, data []byte) answer {
	return c.send("PUT", path+"/file", "application/octet-stream", bytes.NewReader(data))
}

// files are the names in the folder of the bytes.
func (c *client) files() []string { return c.names(c.dir) }

// names are those of a folder; of a name with a ref's end only the image's id.
func (c *client) names(dir string) []string {
	c.t.Helper()
	entries, err := os.ReadDir(dir)
	testx.NoErr(c.t, err)
	names := []string{}
	for _, e := range entries {
		name := e.Name()
		if image.IsRef(name) {
			name = name[:36]
		}
		names = append(names, name)
	}
	return names
}

func TestLife(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		path := c.create(`{"name":"disk","min_disk":2,"min_ram":128,"tags":["a"],"hw_disk_bus":"virtio",` + raw + `}`)
		c.want(200, "GET", path, "", `"status":"queued"`, `"visibility":"shared"`, `"hw_disk_bus":"virtio"`, `"size":null`, `"checksum":null`,
			`"owner":"p2"`, `"file":"`+path+`/file"`, `"schema":"/v2/schemas/image"`)
		c.check(c.send("GET", path+"/file", "", nil), "no data", 204)
		data := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
		c.check(c.send("PUT", path+"/file", "application/json", bytes.NewReader(data)), "wrong type", 415)
		c.check(c.upload(path, data), "upload", 204)
		sum, hash := md5.Sum(data), sha512.Sum512(data)
		c.want(200, "GET", path, "", `"status":"active"`, `"checksum":"`+hex.EncodeToString(sum[:])+`"`, `"os_hash_algo":"sha512"`,
			`"os_hash_value":"`+hex.EncodeToString(hash[:])+`"`, fmt.Sprintf(`"size":%d`, len(data)), fmt.Sprintf(`"virtual_size":%d`, len(data)))
		a := c.check(c.send("GET", path+"/file", "", nil), "download", 200)
		if a.Text != string(data) || a.Header.Get("Content-MD5") != hex.EncodeToString(sum[:]) || a.Header.Get("Content-Length") != fmt.Sprint(len(data)) {
			t.Fatalf("download gives %d bytes, headers %v", len(a.Text), a.Header)
		}
		part := c.check(c.send("GET", path+"/file", "", nil, "Range", "bytes=10-19"), "range", 206)
		if part.Text != "abcdef0123" {
			t.Fatalf("range gives %q", part.Text)
		}
		c.check(c.send("GET", path+"/file", "", nil, "Range", "bytes=99999999-"), "range", 416)
		c.check(c.upload(path, data), "upload again", 409, "Image status transition from active to saving is not allowed")

		c.want(200, "PATCH", path, `[{"op":"replace","path":"/name","value":"other"},{"op":"add","path":"/os_distro","value":"debian"},{"op":"remove","path":"/hw_disk_bus"},{"op":"replace","path":"/tags","value":["b","c"]}]`,
			`"name":"other"`, `"os_distro":"debian"`, `"tags":["b","c"]`)
		if a := c.want(200, "GET", path, ""); a.JSON["hw_disk_bus"] != nil {
			t.Fatalf("a removed property is still there: %s", a.Text)
		}
		c.want(204, "PUT", path+"/tags/d", "")
		c.want(204, "DELETE", path+"/tags/b", "")
		c.want(404, "DELETE", path+"/tags/b", "")
		c.want(200, "GET", path, "", `"tags":["c","d"]`)

		c.want(204, "POST", path+"/actions/deactivate", "")
		c.want(403, "GET", path+"/file", "", "has been deactivated")
		c.check(c.as("admin").send("GET", path+"/file", "", nil), "an admin's download", 200)
		c.want(204, "POST", path+"/actions/reactivate", "")

		c.want(200, "PATCH", path, `[{"op":"replace","path":"/protected","value":true}]`)
		c.want(403, "DELETE", path, "", "is protected and cannot be deleted.")
		c.want(200, "PATCH", path, `[{"op":"replace","path":"/protected","value":false}]`)
		c.want(204, "DELETE", path, "")
		c.want(404, "GET", path, "", "No image found with ID")
		testx.Equal(t, c.files(), []string{})
	})
}

func TestRefusedData(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		qcow2 := func(args ...string) []byte {
			path := filepath.Join(t.TempDir(), "image")
			out, err := exec.Command("qemu-img", append([]string{"create", "-q", "-f", "qcow2", "-u"}, append(args, path, "64M")...)...).CombinedOutput()
			if err != nil {
				t.Fatalf("qemu-img (package qemu-utils): %v: %s", err, out)
			}
			b, err := os.ReadFile(path)
			testx.NoErr(t, err)
			return b
		}
		path := c.create(`{"disk_format":"qcow2","container_format":"bare"}`)
		for text, data := range map[string][]byte{
			"Image disk_format qcow2 does not match stream data raw": make([]byte, 1<<20),
			"Image failed safety checks: it has a backing file":      qcow2("-b", "/etc/passwd", "-F", "raw"),
			"Image failed safety checks: its header is cut off":      []byte("QFI\xfb"),
			"Image disk_format qcow2 does not match stream data vhd": append([]byte("conectix"), make([]byte, 1024)...),
		} {
			c.check(c.upload(path, data), text, 415, text)
			c.want(200, "GET", path, "", `"status":"queued"`, `"size":null`)
			testx.Equal(t, c.files(), []string{})
		}
		good := qcow2()
		c.check(c.upload(path, good), "a good one", 204)
		c.want(200, "GET", path, "", `"status":"active"`, `"virtual_size":67108864`)
		c.want(403, "PATCH", path, `[{"op":"replace","path":"/disk_format","value":"raw"}]`, "Attribute disk_format can be only replaced for a queued image.")

		liar := c.create("{" + raw + "}")
		c.check(c.upload(liar, good), "a qcow2 declared raw", 415, "Image disk_format raw does not match stream data qcow2")
		none := c.create(`{"name":"no format"}`)
		c.check(c.upload(none, good), "no format", 400, "Properties disk_format, container_format must be set prior to saving data.")
		testx.Equal(t, len(c.files()), 1)
	})
}

// cut is a body that ends with an error after some bytes.
type cut struct{ rest int }

func (b *cut) Read(p []byte) (int, error) {
	if b.rest == 0 {
		return 0, errors.New("connection reset")
	}
	n := min(len(p), b.rest)
	b.rest -= n
	return n, nil
}

func TestCutUpload(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		path := c.create("{" + raw + "}")
		for _, n := range []int{0, 1, 511 << 10, 512 << 10, 3 << 20} {
			c.check(c.send("PUT", path+"/file", "application/octet-stream", &cut{n}), fmt.Sprint("cut after ", n), 400, "was cut short")
			c.want(200, "GET", path, "", `"status":"queued"`)
			testx.Equal(t, c.files(), []string{})
		}
		c.check(c.upload(path, []byte("whole")), "the next try", 204)
	})
}

// during runs f in the middle of a body.
type during struct {
	f    func()
	done bool
}

func (b *during) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	b.done = true
	b.f()
	return copy(p, "some bytes"), nil
}

func TestChangedDuringUpload(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		path := c.create("{" + raw + "}")
		a := c.send("PUT", path+"/file", "application/octet-stream", &during{f: func() {
			c.want(200, "GET", path, "", `"status":"saving"`)
			c.check(c.upload(path, []byte("me too")), "a second upload", 409, "from saving to saving")
			c.want(200, "PATCH", path, `[{"op":"replace","path":"/name","value":"renamed"}]`)
		}})
		c.check(a, "upload", 204)
		c.want(200, "GET", path, "", `"status":"active"`, `"name":"renamed"`, `"size":10`)

		gone := c.create("{" + raw + "}")
		a = c.send("PUT", gone+"/file", "application/octet-stream", &during{f: func() { c.want(204, "DELETE", gone, "") }})
		c.check(a, "deleted meanwhile", 410, "could not be found after upload")
		testx.Equal(t, c.files(), []string{filepath.Base(path)})
	})
}

func TestRecover(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		whole := c.create("{" + raw + "}")
		c.check(c.upload(whole, []byte("data")), "upload", 204)
		half := c.create("{" + raw + "}")
		// A kill in the middle: the status says saving, bytes lie around.
		c.send("PUT", half+"/file", "application/octet-stream", &during{f: func() {
			id := filepath.Base(half)
			for _, name := range []string{".upload-" + id + "-1", id, clock.NewID(), "not-ours.txt"} {
				testx.NoErr(t, os.WriteFile(filepath.Join(c.dir, name), []byte("x"), 0o600))
			}
			testx.NoErr(t, c.svc.Recover(t.Context()))
			c.want(200, "GET", half, "", `"status":"queued"`)
			testx.Equal(t, c.files(), slices.Sorted(slices.Values([]string{filepath.Base(whole), "not-ours.txt"})))
		}})
		c.want(200, "GET", whole, "", `"status":"active"`)
	})
}

func TestList(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		admin := c.as("admin")
		admin.create(`{"name":"public","visibility":"public",` + raw + `}`)
		admin.create(`{"name":"admins"}`)
		c.as("other").create(`{"name":"others"}`)
		c.create(`{"name":"mine","tags":["x","y"],"os_distro":"debian","min_ram":512}`)
		c.create(`{"name":"private","visibility":"private","tags":["x"]}`)
		c.create(`{"name":"hidden","os_hidden":true}`)
		c.create(`{"name":"community","visibility":"community"}`)
		shared := c.as("other").create(`{"name":"shared"}`)
		c.as("other").want(200, "POST", shared+"/members", `{"member":"p2"}`, `"status":"pending"`)

		names := func(query string) []string {
			out := []string{}
			for _, i := range c.want(200, "GET", "/v2/images?"+query, "").JSON["images"].([]any) {
				out = append(out, i.(map[string]any)["name"].(string))
			}
			return out
		}
		all := []string{"community", "mine", "private", "public"}
		for query, want := range map[string][]string{
			"sort=name:asc":                                all,
			"sort_key=name&sort_dir=desc":                  {"public", "private", "mine", "community"},
			"name=mine":                                    {"mine"},
			"name=in:mine,public&sort=name":                {"mine", "public"},
			"visibility=public":                            {"public"},
			"visibility=private":                           {"private"},
			"visibility=community":                         {"community"},
			"visibility=shared&member_status=pending":      {"shared", "mine"},
			"visibility=all&sort=name":                     all,
			"visibility=all&member_status=all&sort=name":   {"community", "mine", "private", "public", "shared"},
			"tag=x&sort=name":                              {"mine", "private"},
			"tag=x&tag=y":                                  {"mine"},
			"os_distro=debian":                             {"mine"},
			"os_distro=debian&hw=x":                        {},
			"min_ram=512":                                  {"mine"},
			"owner=p1":                                     {"public"},
			"disk_format=raw":                              {"public"},
			"status=active":                                {},
			"os_hidden=true":                               {"hidden"},
			"created_at=gt:2999-01-01T00:00:00Z":           {},
			"created_at=lt:2999-01-01T00:00:00Z&sort=name": all,
		} {
			if got := names(query); !slices.Equal(got, want) {
				t.Errorf("%s: got %v; want %v", query, got, want)
			}
		}
		// page by page
		var got []string
		path := "/v2/images?limit=3&sort=name:asc"
		for path != "" {
			a := c.want(200, "GET", path, "", `"first":"/v2/images?limit=3\u0026sort=name%3Aasc"`)
			for _, i := range a.JSON["images"].([]any) {
				got = append(got, i.(map[string]any)["name"].(string))
			}
			path, _ = a.JSON["next"].(string)
		}
		testx.Equal(t, got, all)
		for query, text := range map[string]string{
			"limit=x": "limit param must be an integer", "limit=-1": "limit param must be positive", "marker=" + clock.NewID(): "not found",
			"sort=nope": "nope", "visibility=nope": "Invalid visibility value: nope", "min_ram=x": "x", "created_at=gt:x": "Invalid time format",
			"protected=perhaps": "perhaps", "os_hidden=perhaps": "perhaps",
		} {
			c.want(400, "GET", "/v2/images?"+query, "", text)
		}
		for i := range 26 {
			c.create(fmt.Sprintf(`{"name":"n%d"}`, i))
		}
		if n := len(names("")); n != 25 {
			t.Errorf("a page has %d images without a limit; want 25", n)
		}
	})
}

func TestSharing(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		path := c.create("{" + raw + "}")
		other := c.as("other")
		other.want(404, "GET", path, "")
		c.want(200, "POST", path+"/members", `{"member":"p4"}`, `"member_id":"p4"`)
		c.want(409, "POST", path+"/members", `{"member":"p4"}`, "already associated")
		other.want(200, "GET", path, "")
		other.want(403, "PATCH", path, `[{"op":"replace","path":"/name","value":"x"}]`)
		other.want(403, "POST", path+"/members", `{"member":"p5"}`)
		other.want(200, "GET", path+"/members", "", `"p4"`)
		c.want(403, "PUT", path+"/members/p4", `{"status":"accepted"}`)
		if n := len(other.want(200, "GET", "/v2/images", "").JSON["images"].([]any)); n != 0 {
			t.Errorf("an image not accepted is listed")
		}
		other.want(200, "PUT", path+"/members/p4", `{"status":"accepted"}`, `"status":"accepted"`)
		other.want(400, "PUT", path+"/members/p4", `{"status":"perhaps"}`)
		if n := len(other.want(200, "GET", "/v2/images", "").JSON["images"].([]any)); n != 1 {
			t.Errorf("an accepted image is not listed")
		}
		c.want(404, "GET", path+"/members/p5", "")
		for n := range 127 {
			c.want(200, "POST", path+"/members", fmt.Sprintf(`{"member":"m%d"}`, n))
		}
		c.want(413, "POST", path+"/members", `{"member":"one too many"}`, "Attempted: 129, Maximum: 128")
		c.want(204, "DELETE", path+"/members/p4", "")
		other.want(404, "GET", path, "")
		c.want(200, "PATCH", path, `[{"op":"replace","path":"/visibility","value":"private"}]`)
		c.want(403, "POST", path+"/members", `{"member":"p4"}`, "Only shared images have members.")
	})
}

func TestIsolation(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		path := c.create("{" + raw + "}")
		c.check(c.upload(path, []byte("secret")), "upload", 204)
		for _, call := range [][3]string{
			{"GET", "", ""}, {"GET", "/file", ""}, {"PATCH", "", `[]`}, {"DELETE", "", ""}, {"PUT", "/tags/x", ""}, {"DELETE", "/tags/x", ""},
			{"GET", "/members", ""}, {"POST", "/members", `{"member":"p4"}`}, {"POST", "/actions/deactivate", ""},
		} {
			c.as("other").want(404, call[0], path+call[1], call[2], "No image found with ID")
			c.as("").want(401, call[0], path+call[1], call[2])
			if call[0] != "GET" {
				c.as("reader").want(403, call[0], path+call[1], call[2], "You are not authorized to complete")
			}
		}
		c.check(c.as("other").upload(path, []byte("mine")), "a foreign upload", 404)
		c.as("reader").want(200, "GET", path, "")
		c.as("reader").want(403, "POST", "/v2/images", `{}`)
		c.want(403, "POST", "/v2/images", `{"visibility":"public"}`, "publicize_image")
		c.want(403, "POST", "/v2/images", `{"owner":"p4"}`)
		c.as("admin").want(201, "POST", "/v2/images", `{"owner":"p4"}`, `"owner":"p4"`)
		c.want(403, "PATCH", path, `[{"op":"replace","path":"/visibility","value":"public"}]`)
		c.want(403, "PATCH", path, `[{"op":"replace","path":"/owner","value":"p4"}]`, "be updated by non admin.")
		c.as("admin").want(200, "PATCH", path, `[{"op":"replace","path":"/owner","value":"p4"}]`)
		c.as("other").want(200, "GET", path, "")
	})
}

func TestBadRequests(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		for body, status := range map[string]int{
			"": 400, "{": 400, "[]": 400, "3": 400, `{"name":3}`: 400, `{"min_ram":"x"}`: 400, `{"min_disk":-1}`: 400, `{"min_disk":1.5}`: 400,
			`{"disk_format":"zip"}`: 400, `{"visibility":null}`: 400, `{"tags":"x"}`: 400, `{"tags":[3]}`: 400, `{"protected":"yes"}`: 400,
			`{"hw":3}`: 400, `{"id":"x"}`: 400, `{"name":"a\u0000"}`: 400, `{"tags":["\u0000"]}`: 400, `{"x":"\u0000"}`: 400, `{"status":"active"}`: 403, `{"checksum":"x"}`: 403, `{"os_glance_x":"y"}`: 403,
			`{"name":"` + strings.Repeat("n", 256) + `"}`: 400, `{"owner":3}`: 403, `null`: 400,
		} {
			a := c.send("POST", "/v2/images", "application/json", strings.NewReader(body))
			if a.Status != status {
				t.Errorf("POST %s: got %d %s; want %d", body, a.Status, a.Text, status)
			}
		}
		path := c.create("{}")
		id := filepath.Base(path)
		c.want(409, "POST", "/v2/images", `{"id":"`+id+`"}`, "Image ID "+id+" already exists!")
		for body, status := range map[string]int{
			"": 400, "{}": 400, "[3]": 400, `[{"op":"move","path":"/name"}]`: 400, `[{"op":"add","path":"name","value":"x"}]`: 400,
			`[{"op":"add","path":"/a/b","value":"x"}]`: 400, `[{"op":"add","path":"/name"}]`: 400, `[{"op":"replace","path":"/nope","value":"x"}]`: 409,
			`[{"op":"remove","path":"/nope"}]`: 409, `[{"op":"remove","path":"/name"}]`: 403, `[{"op":"replace","path":"/size","value":1}]`: 403,
			`[{"op":"add","path":"/x","value":3}]`: 400, `[{"op":"add","path":"/","value":"x"}]`: 400,
		} {
			a := c.send("PATCH", path, "application/openstack-images-v2.1-json-patch", strings.NewReader(body))
			if a.Status != status {
				t.Errorf("PATCH %s: got %d %s; want %d", body, a.Status, a.Text, status)
			}
		}
		c.check(c.send("PATCH", path, "application/json", strings.NewReader("[]")), "PATCH as JSON", 415)
		c.check(c.send("PATCH", path, "application/openstack-images-v2.0-json-patch", strings.NewReader(`[{"replace":"/name","value":"old style"}]`)), "v2.0", 200, "old style")
		c.want(404, "GET", "/v2/images/nope", "")
		c.want(404, "GET", "/v2/images/%00", "")
		c.want(400, "GET", "/v2/images?name=%00", "")
		c.want(400, "GET", "/v2/images?pro%00perty=x", "")
		c.want(404, "PUT", path+"/tags/%00", "")
		c.want(400, "POST", path+"/members", `{"member":"\u0000"}`)
		c.as("").want(300, "GET", "/", "", "v2.17")
		c.as("").want(200, "GET", "/versions", "", "v2.17")
		// who says how many bytes will come has to send them
		sent, staged := c.create("{"+raw+"}"), c.create("{"+raw+"}")
		for _, to := range []string{sent + "/file", staged + "/stage"} {
			for size, body := range map[string]string{"4": "three", "6": "three", "-1": "", "x": "x", "1e1": "x"} {
				c.check(c.send("PUT", to, "application/octet-stream", strings.NewReader(body), "X-OpenStack-Image-Size", size), "size "+size, 400, "ize")
			}
			c.want(200, "GET", staged, "", `"status":"queued"`)
			c.check(c.send("PUT", to, "application/octet-stream", strings.NewReader("three"), "X-OpenStack-Image-Size", "5"), "size 5", 204)
		}
		c.want(200, "GET", sent, "", `"size":5`)
		c.want(200, "GET", "/v2/schemas/image", "", `"additionalProperties"`)
		c.want(200, "GET", "/v2/schemas/images", "")
		c.want(200, "GET", "/v2/info/import", "", "import-methods")
		c.want(200, "GET", "/v2/info/stores", "", `"file"`)
	})
}

// TestLimit shows that an image over the limit leaves nothing.
func TestLimit(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		path := c.create("{" + raw + "}")
		a := c.send("PUT", path+"/file", "application/octet-stream", io.LimitReader(zeros{}, sizeCap+1))
		c.check(a, "too large", 413, "The incoming image is too large")
		c.want(200, "GET", path, "", `"status":"queued"`)
		testx.Equal(t, c.files(), []string{})
		c.check(c.send("PUT", path+"/file", "application/octet-stream", io.LimitReader(zeros{}, sizeCap)), "as large as allowed", 204)
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func BenchmarkUpload(b *testing.B) {
	c := newClient(b, dbtest.Open(b, store.Migrations))
	b.SetBytes(sizeCap)
	b.ReportAllocs()
	for b.Loop() {
		path := c.create("{" + raw + "}")
		c.check(c.send("PUT", path+"/file", "application/octet-stream", io.LimitReader(zeros{}, sizeCap)), "upload", 204)
		c.want(204, "DELETE", path, "")
	}
}

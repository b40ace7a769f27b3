package api_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nubo/internal/clock"
	"nubo/internal/testx"
)

// clients is how many work on the same images at once.
const clients = 64

// together runs f once for each client, all at once, and counts the statuses.
func together(t *testing.T, f func(k int) int) map[int]int {
	t.Helper()
	var mu sync.Mutex // guards counts
	counts := map[int]int{}
	var all sync.WaitGroup
	start := make(chan struct{})
	for k := range clients {
		all.Go(func() {
			<-start
			status := f(k)
			mu.Lock()
			defer mu.Unlock()
			counts[status]++
		})
	}
	close(start)
	all.Wait()
	return counts
}

// TestConcurrent has all clients do the same to the same image: exactly one
// gets what only one can have, and no change is lost.
func TestConcurrent(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		id := clock.NewID()
		path := "/v2/images/" + id
		patch := func(body string) answer {
			return c.send("PATCH", path, "application/openstack-images-v2.1-json-patch", strings.NewReader(body))
		}
		testx.Equal(t, together(t, func(int) int {
			return c.send("POST", "/v2/images", "application/json", strings.NewReader(`{"id":"`+id+`",`+raw+`}`)).Status
		}), map[int]int{201: 1, 409: clients - 1})

		testx.Equal(t, together(t, func(k int) int { return c.send("PUT", fmt.Sprintf("%s/tags/t%d", path, k), "", nil).Status }), map[int]int{204: clients})
		testx.Equal(t, together(t, func(k int) int { return patch(fmt.Sprintf(`[{"op":"add","path":"/p%d","value":"%d"}]`, k, k)).Status }), map[int]int{200: clients})
		got := c.want(200, "GET", path, "").JSON
		testx.Equal(t, len(got["tags"].([]any)), clients)
		for k := range clients {
			testx.Equal(t, got[fmt.Sprintf("p%d", k)], any(fmt.Sprint(k)))
		}
		testx.Equal(t, together(t, func(k int) int { return c.send("DELETE", fmt.Sprintf("%s/tags/t%d", path, k/2), "", nil).Status }),
			map[int]int{204: clients / 2, 404: clients / 2})
		testx.Equal(t, len(c.want(200, "GET", path, "").JSON["tags"].([]any)), clients/2)

		body := func(k int) []byte { return bytes.Repeat([]byte{byte('A' + k)}, 700_000) }
		testx.Equal(t, together(t, func(k int) int { return c.upload(path, body(k)).Status }), map[int]int{204: 1, 409: clients - 1})
		data := c.send("GET", path+"/file", "", nil).Text
		if data != string(body(int(data[0]-'A'))) {
			t.Fatal("the bytes are not one client's")
		}
		sum := md5.Sum([]byte(data))
		c.want(200, "GET", path, "", `"checksum":"`+hex.EncodeToString(sum[:])+`"`)
		testx.Equal(t, c.files(), []string{id})

		testx.Equal(t, together(t, func(int) int {
			return c.send("POST", path+"/members", "application/json", strings.NewReader(`{"member":"p4"}`)).Status
		}), map[int]int{200: 1, 409: clients - 1})
		testx.Equal(t, together(t, func(int) int { return c.send("DELETE", path+"/members/p4", "", nil).Status }), map[int]int{204: 1, 404: clients - 1})

		// Readers meet the deletion: whole bytes or none.
		seen := together(t, func(k int) int {
			if k == clients/2 {
				return c.send("DELETE", path, "", nil).Status
			}
			a := c.send("GET", path+"/file", "", nil)
			if a.Status == http.StatusOK && a.Text != data {
				return 0
			}
			return a.Status
		})
		testx.Equal(t, seen[204], 1)
		testx.Equal(t, seen[200]+seen[404], clients-1)
		testx.Equal(t, c.files(), []string{})
	})
}

// TestChurn has the clients create, change, fill, share and delete a few
// images in all orders. In the end what the service tells is what there is.
func TestChurn(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		c.runs()
		var paths []string
		for range 6 {
			paths = append(paths, c.create("{"+raw+"}"))
		}
		data := bytes.Repeat([]byte("churn"), 10_000)
		bad := together(t, func(k int) int {
			for n := range 12 {
				path := paths[(k+n)%len(paths)]
				var a answer
				switch (k*7 + n) % 10 {
				case 0:
					a = c.upload(path, data)
				case 1:
					a = c.stage(path, data)
				case 2:
					a = c.send("POST", path+"/import", "application/json", strings.NewReader(`{"method":{"name":"glance-direct"}}`))
				case 3:
					a = c.send("PATCH", path, "application/openstack-images-v2.1-json-patch", strings.NewReader(fmt.Sprintf(`[{"op":"replace","path":"/name","value":"n%d"}]`, k)))
				case 4:
					a = c.send("PUT", fmt.Sprintf("%s/tags/t%d", path, k), "", nil)
				case 5:
					a = c.send("POST", path+"/members", "application/json", strings.NewReader(fmt.Sprintf(`{"member":"m%d"}`, k)))
				case 6:
					a = c.send("GET", path+"/file", "", nil)
					if a.Status == http.StatusOK && a.Text != string(data) {
						return 1
					}
				case 7:
					a = c.send("POST", path+"/actions/deactivate", "", nil)
				case 8:
					a = c.send("POST", path+"/actions/reactivate", "", nil)
				case 9:
					if k%16 != 0 { // few deletions leave something to work on
						continue
					}
					a = c.send("DELETE", path, "", nil)
				}
				if a.Status >= 500 {
					t.Errorf("client %d, step %d: %d %s", k, n, a.Status, a.Text)
				}
			}
			return 0
		})
		testx.Equal(t, bad, map[int]int{0: clients})
		c.consistent()
	})
}

// consistent waits for all tasks and compares what is told of images with
// what is in the folders.
func (c *client) consistent() {
	c.t.Helper()
	admin := c.as("admin")
	testx.Eventually(c.t, "all tasks have ended", func() bool {
		for _, status := range []string{"pending", "processing"} {
			if len(admin.want(200, "GET", "/v2/tasks?status="+status, "").JSON["tasks"].([]any)) > 0 {
				return false
			}
		}
		return true
	})
	stored, staged := []string{}, []string{}
	for _, v := range admin.want(200, "GET", "/v2/images?limit=1000&visibility=all", "").JSON["images"].([]any) {
		i := v.(map[string]any)
		id := i["id"].(string)
		switch i["status"] {
		case "active", "deactivated":
			stored = append(stored, id)
			sum := md5.Sum([]byte(admin.check(admin.send("GET", "/v2/images/"+id+"/file", "", nil), id, 200).Text))
			testx.Equal(c.t, i["checksum"], any(hex.EncodeToString(sum[:])))
		case "uploading":
			staged = append(staged, id)
		case "queued":
			testx.Equal(c.t, i["size"], nil)
		default:
			c.t.Errorf("image %s is %v", id, i["status"])
		}
		if i["os_glance_import_task"] != nil {
			c.t.Errorf("image %s is being imported by nobody", id)
		}
	}
	slices.Sort(stored)
	slices.Sort(staged)
	testx.Equal(c.t, c.names(c.dir), stored)
	testx.Equal(c.t, c.names(c.staging), staged)
}

// TestCutAnywhere cuts an upload over a socket after every few bytes of its
// request, head included: there is never half an image, nor a file.
func TestCutAnywhere(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		path := c.create("{" + raw + "}")
		request := rawRequest(path, bytes.Repeat([]byte("half"), 150_000))
		body := bytes.Index(request, []byte("\r\n\r\n")) + 4
		var cuts []int
		for n := 1; n < body+70; n++ {
			cuts = append(cuts, n)
		}
		for n := body + 70; n < len(request); n += 37_501 {
			cuts = append(cuts, n)
		}
		cuts = append(cuts, len(request)-1)
		address, stop := serve(t, c.h)
		for _, n := range cuts {
			sendCut(t, address, request[:n])
		}
		stop() // waits for the handlers
		c.want(200, "GET", path, "", `"status":"queued"`, `"size":null`)
		testx.Equal(t, c.files(), []string{})
		address, stop = serve(t, c.h)
		defer stop()
		sendCut(t, address, request)
		testx.Eventually(t, "the whole request is served", func() bool {
			return strings.Contains(c.send("GET", path, "", nil).Text, `"status":"active"`)
		})
		testx.Equal(t, c.files(), []string{filepath.Base(path)})
	})
}

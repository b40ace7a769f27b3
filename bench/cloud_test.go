// Package bench measures a whole simulated cloud from outside: the binary, its
// sockets, real clients' requests. The figures are in docs/performance.md.
//
//	make build && go test -run '^$' -bench . ./bench
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nubo/sdk/identity"
	"nubo/sdk/rest"
)

// cloud is a running nubo.
type cloud struct {
	offset int
	dir    string
	cmd    *exec.Cmd
	tokens *identity.PasswordTokens
	http   *http.Client
	flavor string
	image  string
	net    string
}

const password = "bench-secret"

var (
	once   sync.Once
	shared *cloud
)

// TestMain ends the shared cloud with the benchmarks.
func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		shared.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		shared.cmd.Wait()                          //nolint:errcheck // its figures are taken
		os.RemoveAll(shared.dir)                   //nolint:errcheck // a temporary folder
	}
	os.Exit(code)
}

// start gives the cloud all benchmarks share, with an image, a flavor and a
// network.
func start(b *testing.B) *cloud {
	b.Helper()
	once.Do(func() { shared = boot(b) })
	if shared == nil {
		b.Fatal("the cloud did not start")
	}
	return shared
}

func boot(b *testing.B) *cloud {
	binary, err := filepath.Abs("../bin/nubo")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		b.Fatal("build the binary first: make build")
	}
	dir, err := os.MkdirTemp("", "nubo-bench-")
	if err != nil {
		b.Fatal(err)
	}
	c := &cloud{offset: freeOffset(b), dir: dir, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	c.cmd = exec.Command(binary, "up", "--virt", "simulated", "--hosts", "10", "--data-dir", filepath.Join(dir, "data"), "--port-offset", strconv.Itoa(c.offset))
	c.cmd.Env = append(os.Environ(), "NUBO_ADMIN_PASSWORD="+password, "NUBO_QUOTA_INSTANCES=-1", "NUBO_QUOTA_CORES=-1", "NUBO_QUOTA_RAM=-1", "NUBO_QUOTAS_QUOTA_PORT=-1")
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	c.cmd.Stderr = os.Stderr
	began := time.Now()
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line := make([]byte, 4096)
	n, _ := out.Read(line)
	if !strings.HasPrefix(string(line[:n]), "nubo is ready") {
		b.Fatalf("the cloud said %q", line[:n])
	}
	b.Logf("ready after %s, %s RSS", time.Since(began).Round(time.Millisecond), c.rss())
	c.tokens = &identity.PasswordTokens{AuthURL: c.url(5000) + "/v3", Username: "admin", Password: password, Domain: "Default", Project: "admin", HTTP: c.http}
	c.prepare(b)
	return c
}

// freeOffset finds ports nobody has.
func freeOffset(b *testing.B) int {
	for offset := 11000; offset < 19000; offset += 137 {
		free := true
		for _, port := range []int{5000, 9292, 8774, 8778, 9696, 8776, 5672, 15672, 15692, 9999} {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+offset))
			if err != nil {
				free = false
				break
			}
			l.Close() //nolint:errcheck // it was only a look
		}
		if free {
			return offset
		}
	}
	b.Fatal("no free ports")
	return 0
}

func (c *cloud) url(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port+c.offset) }

func (c *cloud) client(port int, path string) *rest.Client {
	return &rest.Client{Endpoint: c.url(port) + path, Tokens: c.tokens, HTTP: c.http}
}

// rss is the resident memory of the process.
func (c *cloud) rss() string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	for _, l := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			return strings.TrimSpace(v)
		}
	}
	return "?"
}

// cpu is the processor time the process has taken: what a server costs is a
// steadier figure than how many there are in a second of a busy machine.
func (c *cloud) cpu(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	// After the name in parentheses, utime and stime are fields 12 and 13, in
	// ticks of 10 ms.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func (c *cloud) prepare(b *testing.B) {
	ctx := context.Background()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	var flavor struct{ Flavor struct{ ID string } }
	must(c.client(8774, "/v2.1").Post(ctx, "/flavors", map[string]any{"flavor": map[string]any{"name": "bench", "ram": 64, "vcpus": 1, "disk": 1}}, &flavor))
	c.flavor = flavor.Flavor.ID
	var image struct{ ID string }
	must(c.client(9292, "/v2").Post(ctx, "/images", map[string]any{"name": "bench", "disk_format": "raw", "container_format": "bare"}, &image))
	c.image = image.ID
	resp, err := c.client(9292, "/v2").Stream(ctx, http.MethodPut, "/images/"+image.ID+"/file", "application/octet-stream", strings.NewReader(strings.Repeat("\x00", 1<<20)))
	must(err)
	resp.Body.Close() //nolint:errcheck // it has none
	var network struct{ Network struct{ ID string } }
	must(c.client(9696, "/v2.0").Post(ctx, "/networks", map[string]any{"network": map[string]any{"name": "bench"}}, &network))
	c.net = network.Network.ID
	must(c.client(9696, "/v2.0").Post(ctx, "/subnets", map[string]any{"subnet": map[string]any{"network_id": c.net, "ip_version": 4, "cidr": "10.0.0.0/12"}}, nil))
}

// createServer asks for a server and gives its id.
func (c *cloud) createServer(ctx context.Context, count int) (string, error) {
	in := map[string]any{"server": map[string]any{
		"name": "bench", "imageRef": c.image, "flavorRef": c.flavor, "networks": []map[string]string{{"uuid": c.net}}, "min_count": count, "max_count": count,
	}}
	var out struct{ Server struct{ ID string } }
	err := c.client(8774, "/v2.1").Post(ctx, "/servers", in, &out)
	return out.Server.ID, err
}

// await polls until a server is ACTIVE.
func (c *cloud) await(ctx context.Context, id string) error {
	for {
		var out struct {
			Server struct {
				Status string
				Fault  json.RawMessage
			}
		}
		if err := c.client(8774, "/v2.1").Get(ctx, "/servers/"+id, &out); err != nil {
			return err
		}
		switch out.Server.Status {
		case "ACTIVE":
			return nil
		case "ERROR":
			return fmt.Errorf("server %s: %s", id, out.Server.Fault)
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// count gives the number of servers in a status.
func (c *cloud) count(ctx context.Context, status string) (int, error) {
	var out struct{ Servers []struct{ ID string } }
	err := c.client(8774, "/v2.1").Get(ctx, "/servers?limit=1000&status="+status, &out)
	return len(out.Servers), err
}

// clear deletes every server.
func (c *cloud) clear(b *testing.B) {
	ctx := context.Background()
	for {
		var out struct{ Servers []struct{ ID string } }
		if err := c.client(8774, "/v2.1").Get(ctx, "/servers?limit=1000", &out); err != nil {
			b.Fatal(err)
		}
		if len(out.Servers) == 0 {
			return
		}
		parallel(16, len(out.Servers), func(i int) {
			c.client(8774, "/v2.1").Delete(ctx, "/servers/"+out.Servers[i].ID) //nolint:errcheck // asked again until none is left
		})
		time.Sleep(50 * time.Millisecond)
	}
}

// parallel calls fn for 0 to n-1, so many at a time.
func parallel(workers, n int, fn func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

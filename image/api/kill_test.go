package api_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nubo/image"
	"nubo/image/api"
	"nubo/image/driver/file"
	"nubo/image/driver/web"
	"nubo/image/store"
	"nubo/internal/clock"
	"nubo/internal/policy"
	"nubo/internal/qemuimg"
	"nubo/internal/testx"
)

// serverVar has this test's program be an image service on a directory.
const serverVar = "NUBO_TEST_IMAGE_SERVER"

// imageServer serves until it is killed. Its first line says where.
func imageServer(dir string) error {
	ctx := context.Background()
	st, err := store.Open(ctx, "sqlite://"+filepath.Join(dir, "image.db"))
	if err != nil {
		return err
	}
	data, err := file.New(filepath.Join(dir, "images"))
	if err != nil {
		return err
	}
	staging, err := file.New(filepath.Join(dir, "staging"))
	if err != nil {
		return err
	}
	svc := image.New(image.Config{
		ImageSizeCap: sizeCap, EnabledImportMethods: []string{"glance-direct"}, TaskTimeToLive: time.Hour, ImportWorkers: 2,
		ImageSizeTotal: -1, ImageStageTotal: -1, ImageCountTotal: -1, ImageCountUploading: -1,
	}, image.Deps{
		Store: st, Backends: []image.Backend{{ID: "file", Type: "file", Data: data}}, Staging: staging, Web: web.New(web.Config{}),
		Convert: qemuimg.ConvertUntrusted, Clock: clock.System, Log: slog.New(slog.DiscardHandler),
	})
	if err := svc.Recover(ctx); err != nil {
		return err
	}
	rules, err := policy.NewEnforcer("image", api.Rules())
	if err != nil {
		return err
	}
	h, err := api.New(svc, authenticator{}, rules, slog.New(slog.DiscardHandler)).Handler()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go svc.Run(ctx) //nolint:errcheck // it is killed with the process
	fmt.Println(l.Addr())
	return http.Serve(l, h)
}

// victim is a running image service.
type victim struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	http *http.Client
}

func startVictim(t *testing.T, dir string) *victim {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVar+"="+dir)
	out, err := cmd.StdoutPipe()
	testx.NoErr(t, err)
	var log bytes.Buffer
	cmd.Stderr = &log
	testx.NoErr(t, cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		cmd.Wait()
		t.Fatalf("the service does not start: %s", log.String())
	}
	return &victim{t, cmd, "http://" + lines.Text(), &http.Client{Transport: &http.Transport{}}}
}

// kill ends it at once.
func (v *victim) kill() {
	v.t.Helper()
	testx.NoErr(v.t, v.cmd.Process.Kill())
	v.cmd.Wait()
	v.http.CloseIdleConnections()
}

// ask sends a request; status 0 is one that was not answered.
func (v *victim) ask(method, path, contentType string, body []byte) (int, []byte) {
	r, err := http.NewRequest(method, v.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	r.Header.Set("X-Auth-Token", "admin")
	r.Header.Set("Content-Type", contentType)
	resp, err := v.http.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

// ledger is what was acknowledged.
type ledger struct {
	mu      sync.Mutex        // guards the rest
	active  map[string]string // checksums of images whose upload was answered
	deleted map[string]bool
	unsure  map[string]bool // images of which a deletion was not answered
}

// work creates, fills and deletes images until the service is gone.
func (l *ledger) work(v *victim, seed uint64) {
	random := rand.New(rand.NewPCG(seed, seed))
	for {
		id := clock.NewID()
		if status, _ := v.ask("POST", "/v2/images", "application/json", []byte(`{"id":"`+id+`",`+raw+`}`)); status != 201 {
			return
		}
		data := bytes.Repeat([]byte(id), 1+random.IntN(60_000))
		sum := md5.Sum(data)
		way, done := "/file", 204
		if random.IntN(2) == 0 {
			way = "/stage"
		}
		if status, _ := v.ask("PUT", "/v2/images/"+id+way, "application/octet-stream", data); status != done {
			return
		}
		if way == "/stage" {
			if status, _ := v.ask("POST", "/v2/images/"+id+"/import", "application/json", []byte(`{"method":{"name":"glance-direct"}}`)); status != 202 {
				return
			}
		}
		l.mu.Lock()
		l.active[id] = hex.EncodeToString(sum[:])
		l.mu.Unlock()
		if random.IntN(3) > 0 {
			continue
		}
		status, _ := v.ask("DELETE", "/v2/images/"+id, "", nil)
		l.mu.Lock()
		delete(l.active, id)
		if status == 204 {
			l.deleted[id] = true
		} else {
			l.unsure[id] = true
		}
		l.mu.Unlock()
		if status != 204 {
			return
		}
	}
}

// check compares what a service tells, and its folders, with what was
// acknowledged.
func (l *ledger) check(t *testing.T, v *victim, dir string) {
	t.Helper()
	type row struct{ ID, Status, Checksum string }
	var rows []row
	testx.Eventually(t, "no image is being imported", func() bool {
		rows = nil
		for path := "/v2/images?limit=1000&visibility=all"; path != ""; {
			var page struct {
				Images []row
				Next   string
			}
			status, body := v.ask("GET", path, "", nil)
			testx.Equal(t, status, 200)
			testx.NoErr(t, json.Unmarshal(body, &page))
			rows, path = append(rows, page.Images...), page.Next
		}
		return !slices.ContainsFunc(rows, func(r row) bool { return r.Status == "importing" })
	})
	stored, staged := []string{}, []string{}
	known := map[string]row{}
	for _, r := range rows {
		known[r.ID] = r
		switch r.Status {
		case "active":
			stored = append(stored, r.ID)
		case "uploading":
			staged = append(staged, r.ID)
		case "queued":
		default:
			t.Fatalf("image %s is %s after a kill", r.ID, r.Status)
		}
		if l.deleted[r.ID] {
			t.Fatalf("image %s is back from its deletion", r.ID)
		}
	}
	for id, sum := range l.active {
		if r := known[id]; r.Status != "active" || r.Checksum != sum {
			t.Fatalf("image %s, whose bytes were acknowledged, is %+v", id, r)
		}
	}
	for _, id := range stored {
		status, data := v.ask("GET", "/v2/images/"+id+"/file", "", nil)
		sum := md5.Sum(data)
		if status != 200 || hex.EncodeToString(sum[:]) != known[id].Checksum {
			t.Fatalf("image %s is active, and gives %d with other bytes", id, status)
		}
	}
	c := &client{t: t}
	slices.Sort(stored)
	slices.Sort(staged)
	testx.Equal(t, c.names(filepath.Join(dir, "images")), stored)
	testx.Equal(t, c.names(filepath.Join(dir, "staging")), staged)
}

// TestKill kills a service, again and again, that is being uploaded to and
// deleted from. After each start it is consistent, and nothing is missing
// that was acknowledged. NUBO_TEST_KILL_ROUNDS says how often.
func TestKill(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("NUBO_TEST_KILL_ROUNDS"))
	rounds = max(rounds, 2)
	dir := t.TempDir()
	l := &ledger{active: map[string]string{}, deleted: map[string]bool{}, unsure: map[string]bool{}}
	for round := range rounds {
		v := startVictim(t, dir)
		l.check(t, v, dir)
		var workers sync.WaitGroup
		for k := range 6 {
			workers.Go(func() { l.work(v, uint64(round*100+k)) })
		}
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond) // anywhere in the work
		v.kill()
		workers.Wait()
		if round%10 == 9 {
			l.tidy(t, dir)
		}
	}
	v := startVictim(t, dir)
	defer v.kill()
	l.check(t, v, dir)
	t.Logf("%d kills: %d acknowledged images are there, %d deleted ones are not, %d deletions were not answered", rounds, len(l.active), len(l.deleted), len(l.unsure))
}

// tidy deletes all images, so that a long run does not grow.
func (l *ledger) tidy(t *testing.T, dir string) {
	t.Helper()
	v := startVictim(t, dir)
	defer v.kill()
	l.check(t, v, dir)
	for id := range l.active {
		status, body := v.ask("DELETE", "/v2/images/"+id, "", nil)
		if status != 204 {
			t.Fatalf("delete %s: %d %s", id, status, strings.TrimSpace(string(body)))
		}
		l.deleted[id] = true
	}
	clear(l.active)
}

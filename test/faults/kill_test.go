package faults

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nubo/internal/testx"
)

const password = "faults-secret"

// process is a nubo that can be killed.
type process struct {
	t      *testing.T
	binary string
	dir    string
	offset int
	args   []string // what runs
	env    []string
	cmd    *exec.Cmd
}

// whole is a process that is a whole cloud.
func whole(t *testing.T) *process {
	p := &process{
		t: t, binary: build(t), dir: filepath.Join(t.TempDir(), "data"), offset: freeOffset(t),
		args: []string{"up", "--virt", "simulated", "--hosts", "3"},
	}
	for key, value := range Environment() {
		p.env = append(p.env, key+"="+value)
	}
	return p
}

func (p *process) url(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port+p.offset) }

// command is a call of the program for the process's data.
func (p *process) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.binary, append(args, "--data-dir", p.dir)...)
	cmd.Env = append(append(os.Environ(), "NUBO_ADMIN_PASSWORD="+password), p.env...)
	return cmd
}

// start starts nubo and waits until it is ready.
func (p *process) start() {
	p.t.Helper()
	p.cmd = p.command(append(p.args, "--port-offset", strconv.Itoa(p.offset))...)
	out, err := p.cmd.StdoutPipe()
	testx.NoErr(p.t, err)
	var said strings.Builder
	p.cmd.Stderr = &said
	testx.NoErr(p.t, p.cmd.Start())
	line, _ := bufio.NewReader(out).ReadString('\n')
	if !strings.HasPrefix(line, "nubo is ready") {
		p.kill()
		p.t.Fatalf("nubo did not start: %s%s", line, said.String())
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended
	p.cmd.Wait()         //nolint:errcheck // killed
}

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "nubo") // the build cache makes the second one cheap
	out, err := exec.Command("go", "build", "-o", binary, "nubo/cmd/nubo").CombinedOutput()
	if err != nil {
		t.Fatalf("build nubo: %v\n%s", err, out)
	}
	return binary
}

func freeOffset(t *testing.T) int {
	t.Helper()
	for range 50 {
		offset := 12000 + rand.IntN(28000)
		free := true
		for _, port := range []int{5000, 9292, 8774, 8778, 9696, 8776, 5672} {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+offset))
			if err != nil {
				free = false
				break
			}
			l.Close() //nolint:errcheck // it was only tried
		}
		if free {
			return offset
		}
	}
	t.Fatal("there is no free range of ports")
	return 0
}

// rounds is how often the cloud is broken.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("NUBO_FAULT_ROUNDS")
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	testx.NoErr(t, err)
	return n
}

// TestKilled kills the whole cloud while users are at work on it, again and
// again.
func TestKilled(t *testing.T) {
	p := whole(t)
	p.start()
	defer func() {
		p.kill()
		if t.Failed() {
			keepLog(t, filepath.Join(p.dir, "log", "nubo.log"))
		}
	}()
	cloud := Open(p.url, password, p.dir)
	defer cloud.Close()
	testx.NoErr(t, cloud.Prepare(t.Context()))
	ctx, stop := context.WithCancel(t.Context())
	load := Start(ctx, cloud, 6)
	defer load.Wait()
	defer stop()
	for round := range rounds(t) {
		time.Sleep(200*time.Millisecond + rand.N(800*time.Millisecond))
		p.kill()
		load.Pause()
		began := time.Now()
		p.start()
		ready := time.Since(began)
		bad := load.Settle(t.Context(), Settled)
		t.Logf("round %d: ready after %v, settled after %v", round, ready.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
		failed, err := load.Errors(t.Context())
		load.Resume()
		if bad != nil {
			t.Fatalf("after kill %d:\n%s", round, strings.Join(bad, "\n"))
		}
		testx.NoErr(t, err)
		if failed != nil {
			t.Logf("servers in error:\n%s", strings.Join(failed, "\n"))
		}
	}
	stop()
	load.Wait()
	if bad := load.Clear(t.Context(), Settled); bad != nil {
		t.Fatalf("left over:\n%s", strings.Join(bad, "\n"))
	}
	t.Logf("answers: %v", load.Counts())
}

// keepLog keeps the cloud's log beside those of the other end-to-end tests.
func keepLog(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	testx.NoErr(t, err)
	kept := filepath.Join("..", "out", "faults.log")
	testx.NoErr(t, os.MkdirAll(filepath.Dir(kept), 0o755))
	testx.NoErr(t, os.WriteFile(kept, b, 0o600))
	t.Logf("the cloud's log is kept: test/out/faults.log")
}

package hashing

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"nubo/internal/testx"
)

const childVar = "NUBO_TEST_HASHING"

func TestMain(m *testing.M) {
	if os.Getenv(childVar) != "" {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func program() *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{childVar + "=1"}
	return cmd
}

// open gives a pool and its only process.
func open(t *testing.T) (*Pool, *process) {
	t.Helper()
	p := New(1, program)
	t.Cleanup(func() { p.Close() }) // some tests break it
	h := <-p.free
	p.free <- h
	return p, h
}

func TestHashAndMatch(t *testing.T) {
	t.Parallel()
	p, h := open(t)
	hash, err := p.Hash([]byte("sécret\n"), bcrypt.MinCost)
	testx.NoErr(t, err)
	for password, want := range map[string]bool{"sécret\n": true, "sécret": false, "": false} {
		got, err := p.Match(hash, []byte(password))
		testx.NoErr(t, err)
		testx.Equal(t, got, want)
	}
	got, err := p.Match([]byte("no hash"), []byte("x"))
	testx.NoErr(t, err)
	testx.Equal(t, got, false)
	if _, err := p.Hash([]byte("x"), bcrypt.MaxCost+1); err == nil {
		t.Error("a cost that bcrypt does not know was accepted")
	}
	testx.NoErr(t, p.Close())
	if h.child != nil {
		t.Error("the process outlives its pool")
	}
}

// TestNiceness: the thread that hashes stands back.
func TestNiceness(t *testing.T) {
	t.Parallel()
	p, h := open(t)
	_, err := p.Match([]byte("x"), []byte("x"))
	testx.NoErr(t, err)
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", h.child.cmd.Process.Pid))
	testx.NoErr(t, err)
	found := false
	for _, thread := range threads {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", h.child.cmd.Process.Pid, thread.Name()))
		testx.NoErr(t, err)
		// Niceness is field 19, the 17th after the name in parentheses.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		found = found || fields[16] == fmt.Sprint(niceness)
	}
	if !found {
		t.Error("no thread of the process has the niceness")
	}
}

// TestComesBack: a process that was killed is replaced with the next hash.
func TestComesBack(t *testing.T) {
	t.Parallel()
	p, h := open(t)
	_, err := p.Match([]byte("x"), []byte("x"))
	testx.NoErr(t, err)
	testx.NoErr(t, h.child.cmd.Process.Kill())
	if _, err := p.Match([]byte("x"), []byte("x")); err == nil {
		t.Error("a dead process answered")
	}
	_, err = p.Match([]byte("x"), []byte("x"))
	testx.NoErr(t, err)
}

// TestEndsWithInput: a process whose parent is gone ends.
func TestEndsWithInput(t *testing.T) {
	t.Parallel()
	cmd := program()
	in, err := cmd.StdinPipe()
	testx.NoErr(t, err)
	out, err := cmd.StdoutPipe()
	testx.NoErr(t, err)
	testx.NoErr(t, cmd.Start())
	_, err = in.Write([]byte(`{"password":"eA==","hash":"eA=="}`))
	testx.NoErr(t, err)
	line, err := bufio.NewReader(out).ReadString('\n')
	testx.NoErr(t, err)
	testx.Equal(t, line, "{}\n")
	testx.NoErr(t, in.Close())
	testx.NoErr(t, cmd.Wait())
}

// TestIdle: the process ends when nobody wants it.
func TestIdle(t *testing.T) {
	t.Parallel()
	p, h := open(t)
	h.idle = time.Millisecond
	_, err := p.Match([]byte("x"), []byte("x"))
	testx.NoErr(t, err)
	for ended := false; !ended; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		ended = h.child == nil
		h.mu.Unlock()
	}
	h.idle = time.Hour
	_, err = p.Match([]byte("x"), []byte("x"))
	testx.NoErr(t, err)
}

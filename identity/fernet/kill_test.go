package fernet

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nubo/internal/testx"
)

const (
	rotatorDir = "NUBO_TEST_FERNET_DIR" // makes the test binary a process that rotates
	killRounds = "NUBO_FAULT_ROUNDS"
	keptKeys   = 4
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(rotatorDir); dir != "" {
		rotator(dir)
	}
	os.Exit(m.Run())
}

// rotator rotates until it is killed, and tells each primary key once it is
// one.
func rotator(dir string) {
	for {
		r, err := OpenRepository(dir, keptKeys)
		if err == nil {
			err = r.Rotate()
		}
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(r.Keys()[0])
	}
}

// TestKilledRotation kills processes that rotate, two of them at a time. No
// key that sealed is lost before its time, and the folder is whole after the
// next rotation.
func TestKilledRotation(t *testing.T) {
	t.Parallel()
	rounds := 10
	if s := os.Getenv(killRounds); s != "" {
		n, err := strconv.Atoi(s)
		testx.NoErr(t, err)
		rounds = n
	}
	dir := t.TempDir()
	server, err := OpenRepository(dir, keptKeys)
	testx.NoErr(t, err)
	server.minAge = 0
	told := 0
	for round := range rounds {
		var last []string // of each process, the last key it told
		var ended []func() error
		for range 2 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), rotatorDir+"="+dir)
			out, err := cmd.StdoutPipe()
			testx.NoErr(t, err)
			testx.NoErr(t, cmd.Start())
			in := bufio.NewScanner(out)
			in.Scan() // it has begun
			last = append(last, in.Text())
			i := len(last) - 1
			ended = append(ended, func() error {
				cmd.Process.Kill() //nolint:errcheck // an error of it shows below
				for in.Scan() {
					if strings.HasPrefix(in.Text(), "error") {
						return fmt.Errorf("%s", in.Text())
					}
					last[i] = in.Text()
					told++
				}
				cmd.Wait() //nolint:errcheck // killed
				return nil
			})
		}
		time.Sleep(rand.N(20 * time.Millisecond)) // not a wait: when to kill
		for _, end := range ended {
			testx.NoErr(t, end())
		}
		// Nobody rotates now: the newest key told of is the primary, or is
		// next to it if the last rotation was killed before it was told.
		known := server.Keys()
		r, err := OpenRepository(dir, keptKeys)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		recent := false
		for _, k := range r.Keys()[:min(3, len(r.Keys()))] {
			recent = recent || slices.Contains(last, k.String())
		}
		if !recent {
			t.Fatalf("round %d: keys %v, of which none of %v was the primary", round, r.Keys(), last)
		}
		if !slices.Equal(known[:1], r.Keys()[:1]) {
			t.Fatalf("round %d: another process would seal with %v, not with %v", round, known[0], r.Keys()[0])
		}
		testx.NoErr(t, r.Rotate())
		wantWhole(t, dir)
	}
	t.Logf("%d rounds, %d rotations told", rounds, told)
}

// wantWhole looks at the folder after a rotation.
func wantWhole(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	testx.NoErr(t, err)
	var numbers []int
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		testx.NoErr(t, err)
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if len(numbers) != keptKeys || numbers[0] != 0 || numbers[keptKeys-1]-numbers[1] != keptKeys-2 {
		t.Fatalf("the folder holds keys %v", numbers)
	}
}

// TestRepair: what a killed rotation may leave.
func TestRepair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := OpenRepository(dir, 3)
	testx.NoErr(t, err)
	staged := r.Keys()[1]
	testx.NoErr(t, os.Rename(r.path(0), r.path(2)))
	testx.NoErr(t, os.WriteFile(dir+"/"+tempPrefix+"1", []byte("half"), 0o600))
	again, err := OpenRepository(dir, 3)
	testx.NoErr(t, err)
	testx.Equal(t, again.Keys()[0], staged)
	testx.Equal(t, len(again.Keys()), 3)
	testx.NoErr(t, again.Rotate())
	testx.Equal(t, again.Keys()[1], staged)
	entries, err := os.ReadDir(dir)
	testx.NoErr(t, err)
	testx.Equal(t, len(entries), 3)
}

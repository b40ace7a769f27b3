// Package hashing makes and checks bcrypt hashes in a process of its own with
// a low priority. In the process of the API a hash would hold one of Go's few
// processors for tens of milliseconds, and requests would wait for it; beside
// it, the kernel lets requests go first.
//
// The process is the program itself, called with [Command]. It starts with the
// first hash, ends when nobody has wanted one for a while, and ends with its
// parent, however that ends: its standard input closes.
package hashing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Command is the argument with which the program is the process that hashes.
const Command = "hash-passwords"

// niceness is that process's: low enough to let others go first, and not so
// low that nobody could sign in to a busy machine.
const niceness = 10

// idleLimit is how long the process stays when nobody wants a hash.
const idleLimit = time.Minute

// request is a hash to make, at a cost, or to check.
type request struct {
	Password []byte `json:"password"`
	Cost     int    `json:"cost,omitempty"`
	Hash     []byte `json:"hash,omitempty"`
}

type reply struct {
	Hash  []byte `json:"hash,omitempty"`
	Match bool   `json:"match,omitempty"`
	Error string `json:"error,omitempty"`
}

// Serve answers requests until in ends.
func Serve(in io.Reader, out io.Writer) error {
	runtime.LockOSThread() // Linux keeps a niceness for each thread
	defer runtime.UnlockOSThread()
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness); err != nil {
		return fmt.Errorf("lower the priority: %w", err)
	}
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q request
		if err := dec.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := enc.Encode(q.answer()); err != nil {
			return err
		}
	}
}

func (q request) answer() reply {
	if q.Hash != nil {
		return reply{Match: bcrypt.CompareHashAndPassword(q.Hash, q.Password) == nil}
	}
	hash, err := bcrypt.GenerateFromPassword(q.Password, q.Cost)
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Hash: hash}
}

// Pool has some such processes hash, each one password at a time.
type Pool struct{ free chan *process }

// process is one, while there is one.
type process struct {
	program func() *exec.Cmd
	idle    time.Duration

	mu    sync.Mutex // guards what follows, and is held during a hash
	child *child     // nil while there is none
	timer *time.Timer
	uses  int // tells the timer that there was another
}

// child is a process that runs.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	enc *json.Encoder
	dec *json.Decoder
}

// New makes a Pool of n processes. program makes the command that serves; nil
// stands for this program itself.
func New(n int, program func() *exec.Cmd) *Pool {
	if program == nil {
		program = self
	}
	p := &Pool{make(chan *process, max(n, 1))}
	for range cap(p.free) {
		p.free <- &process{program: program, idle: idleLimit}
	}
	return p
}

// self is this program, also after its file has been replaced.
func self() *exec.Cmd {
	path := "/proc/self/exe"
	if _, err := os.Stat(path); err != nil {
		path, _ = os.Executable() //nolint:errcheck // "" does not start, which is told
	}
	cmd := exec.Command(path, Command)
	cmd.Args[0] = "nubo"
	return cmd
}

// Hash makes a hash.
func (p *Pool) Hash(password []byte, cost int) ([]byte, error) {
	r, err := p.ask(request{Password: password, Cost: cost})
	return r.Hash, err
}

// Match reports whether the hash is that of the password.
func (p *Pool) Match(hash, password []byte) (bool, error) {
	r, err := p.ask(request{Password: password, Hash: hash})
	return r.Match, err
}

func (p *Pool) ask(q request) (reply, error) {
	h := <-p.free
	defer func() { p.free <- h }()
	return h.ask(q)
}

// Close ends the processes, when none of them hashes any more.
func (p *Pool) Close() error {
	var errs []error
	for range cap(p.free) {
		h := <-p.free
		h.mu.Lock()
		errs = append(errs, h.end())
		h.mu.Unlock()
		defer func() { p.free <- h }()
	}
	return errors.Join(errs...)
}

func (h *process) ask(q request) (reply, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var r reply
	if h.child == nil {
		if err := h.start(); err != nil {
			return r, fmt.Errorf("start the process that hashes: %w", err)
		}
	}
	h.rest()
	if err := errors.Join(h.child.enc.Encode(q), h.child.dec.Decode(&r)); err != nil {
		return r, fmt.Errorf("ask the process that hashes: %w", errors.Join(err, h.end()))
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// start starts the process; h.mu is held.
func (h *process) start() error {
	cmd := h.program()
	if cmd.Env == nil {
		cmd.Env = []string{"GOMAXPROCS=1"} // and none of our secrets
	}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's interrupt is ours to follow
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	h.child = &child{cmd: cmd, in: in, enc: json.NewEncoder(in), dec: json.NewDecoder(out)}
	return nil
}

// rest has the process end when it is not used again for a while; h.mu is
// held.
func (h *process) rest() {
	h.uses++
	uses := h.uses
	if h.timer != nil {
		h.timer.Stop()
	}
	h.timer = time.AfterFunc(h.idle, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.uses == uses {
			h.end() //nolint:errcheck // nobody waits for it
		}
	})
}

// end ends the process if there is one; h.mu is held.
func (h *process) end() error {
	if h.timer != nil {
		h.timer.Stop()
	}
	if h.child == nil {
		return nil
	}
	c := h.child
	h.child = nil
	c.in.Close() //nolint:errcheck // it ends by it, or has ended
	return c.cmd.Wait()
}

package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// socketName is the control socket's name in the broker's directory.
const socketName = "control.sock"

// defaultTimeout is how long a command may take.
const defaultTimeout = time.Minute

// nodeError is that the broker is another node than the one asked for.
type nodeError struct{ name string }

func (e *nodeError) Error() string { return "the broker is node " + e.name }

// Listen makes the control socket in a broker's directory, for its owner
// alone. A socket left over by a process that is gone is replaced: who calls
// holds the directory's lock.
func Listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	var l net.Listener
	err := shortPath(dir, func(dir string) (err error) {
		l, err = net.Listen("unix", filepath.Join(dir, socketName))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	// The directory is its owner's alone already; this says it again.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("make the control socket: %w", err), l.Close())
	}
	return l, nil
}

// maxSocketPath is what fits into a socket's address.
const maxSocketPath = 100

// shortPath calls f with a name of the directory that is short enough for a
// socket's address: a long one is reached through a file descriptor.
func shortPath(dir string, f func(dir string) error) error {
	if len(dir)+len(socketName) < maxSocketPath {
		return f(dir)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	return f("/proc/self/fd/" + strconv.Itoa(int(d.Fd())))
}

// Dial connects to the control socket in a broker's directory.
func Dial(ctx context.Context, dir string) (net.Conn, error) {
	var nc net.Conn
	err := shortPath(dir, func(dir string) (err error) {
		nc, err = new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, socketName))
		return err
	})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNotRunning
	}
	return nc, err
}

// send has the broker in a directory carry out a command.
func send(ctx context.Context, dir string, c *call, req request) (response, error) {
	req.Node = c.str("node")
	limit := c.timeout(defaultTimeout)
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	var resp response
	body, err := json.Marshal(req)
	if err != nil {
		return resp, err
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return Dial(ctx, dir) },
	}}
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/ctl", bytes.NewReader(body))
	if err != nil {
		return resp, err
	}
	answer, err := client.Do(hr)
	if errors.Is(err, context.DeadlineExceeded) {
		return resp, &failure{code: exitTempFail, raw: true, text: fmt.Sprintf(
			"Error: operation %s on node %s timed out. Timeout value used: %d", c.cmd.name, nodeName(c), limit.Milliseconds())}
	}
	if err != nil {
		return resp, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	switch answer.StatusCode {
	case http.StatusOK:
		return resp, json.NewDecoder(answer.Body).Decode(&resp)
	case http.StatusMisdirectedRequest:
		return resp, &nodeError{answer.Header.Get("X-Node")}
	}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
	return resp, fmt.Errorf("%s: %s", answer.Status, bytes.TrimSpace(text))
}

// timeout is how long the command may take; 0 is for ever.
func (c *call) timeout(otherwise time.Duration) time.Duration {
	v, ok := c.opts["timeout"]
	if !ok {
		return otherwise
	}
	s, err := strconv.ParseFloat(v, 64)
	if err != nil || s <= 0 { // infinity
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

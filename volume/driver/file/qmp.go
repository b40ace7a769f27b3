package file

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"nubo/internal/trace"
)

// qmp is a conversation on a QEMU monitor: JSON objects, one a line. After
// the greeting each command has one answer; events come in between.
type qmp struct {
	conn  net.Conn
	lines *bufio.Scanner
	span  *trace.Active // who speaks; each command is a span below
}

// qmpLimits bound one conversation, so that a hung daemon hangs nobody.
const (
	qmpTimeout = 30 * time.Second
	qmpMaxLine = 4 << 20
)

// qmpError is a command's refusal.
type qmpError struct {
	Class string `json:"class"`
	Desc  string `json:"desc"`
}

func (e *qmpError) Error() string { return e.Desc }

// qmpMessage is any line the monitor sends.
type qmpMessage struct {
	Greeting json.RawMessage `json:"QMP"`
	Event    string          `json:"event"`
	Return   json.RawMessage `json:"return"`
	Error    *qmpError       `json:"error"`
}

// parseQMP reads a line.
func parseQMP(line []byte) (qmpMessage, error) {
	var m qmpMessage
	if err := json.Unmarshal(line, &m); err != nil {
		return m, fmt.Errorf("read the monitor's answer: %w", err)
	}
	if m.Greeting == nil && m.Event == "" && m.Return == nil && m.Error == nil {
		return m, errors.New("read the monitor's answer: neither answer nor event")
	}
	return m, nil
}

func dialQMP(ctx context.Context, path string) (*qmp, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(qmpTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = conn.SetDeadline(deadline)
	q := &qmp{conn: conn, lines: bufio.NewScanner(conn), span: trace.From(ctx)}
	q.lines.Buffer(make([]byte, 64<<10), qmpMaxLine)
	m, err := q.read()
	if err == nil && m.Greeting == nil {
		err = errors.New("no greeting from the monitor")
	}
	if err == nil {
		err = q.execute("qmp_capabilities", nil, nil)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return q, nil
}

func (q *qmp) close() { q.conn.Close() }

func (q *qmp) read() (qmpMessage, error) {
	if !q.lines.Scan() {
		if err := q.lines.Err(); err != nil {
			return qmpMessage{}, err
		}
		return qmpMessage{}, errors.New("the monitor closed the connection")
	}
	return parseQMP(q.lines.Bytes())
}

// execute runs a command and decodes its answer into result, if not nil.
func (q *qmp) execute(command string, arguments, result any) (err error) {
	begun := time.Now()
	defer func() { q.span.Note(trace.Native, "qemu-storage-daemon: "+command, begun, err) }()
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := q.conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	for {
		m, err := q.read()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", command, err)
		case m.Error != nil:
			return fmt.Errorf("%s: %w", command, m.Error)
		case m.Return != nil && result != nil:
			return json.Unmarshal(m.Return, result)
		case m.Return != nil:
			return nil
		}
	}
}

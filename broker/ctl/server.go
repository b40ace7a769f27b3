package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"

	"nubo/broker"
)

// Node is the process that the broker runs in, as far as commands are about
// it.
type Node interface {
	// Name is the node's name: rabbit@HOST.
	Name() string
	// Broker is the broker that serves; nil after StopApp.
	Broker() *broker.Broker
	// StopApp ends the broker and leaves the process; StartApp starts it again.
	StopApp(ctx context.Context) error
	StartApp(ctx context.Context) error
	// Reset deletes all that a stopped broker keeps.
	Reset(ctx context.Context) error
	// Stop ends the process, a moment after it returns.
	Stop() error
	// SuspendListeners takes no new clients until ResumeListeners.
	SuspendListeners() error
	ResumeListeners() error
	// Plugins are the names of the plugins that are enabled; SetPlugins enables
	// others, at once and for the next start.
	Plugins() []string
	SetPlugins(ctx context.Context, names []string) error
	// MemoryLimit is how much memory the process may use before publishers wait,
	// in octets and as it was set: a fraction of the machine's, or an amount.
	MemoryLimit() (setting string, octets int64)
	SetMemoryLimit(setting string, octets int64)
	// SetLogLevel changes what is logged.
	SetLogLevel(slog.Level) error
	// Facts describe the process.
	Facts() Facts
}

// Facts describe a node's process.
type Facts struct {
	// DataDir is where the broker keeps what is durable.
	DataDir, ConfigFile, LogFile, PluginsFile string
	// Version is that of the process.
	Version  string
	Settings []Setting
}

// Setting is one setting in force.
type Setting struct {
	Name  string
	Value any
}

// request is a command sent to the broker's process.
type request struct {
	Program Program
	Args    []string
	Node    string // the node it is meant for; empty for any
	Input   []byte
}

// maxRequest is how long a request may be; definitions are the longest.
const maxRequest = 64 << 20

// Handler serves commands. It belongs on a socket that only the owner reaches.
func Handler(n Node) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ctl", func(w http.ResponseWriter, r *http.Request) {
		var req request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&req); err != nil {
			http.Error(w, "malformed request: "+err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("X-Node", n.Name())
		if req.Node != "" && req.Node != n.Name() {
			http.Error(w, "another node", http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(serve(r.Context(), n, req)) // the client is gone: nobody to tell
	})
	return mux
}

// serve runs a command.
func serve(ctx context.Context, n Node, req request) response {
	c, err := parse(req.Program, req.Args)
	if err == nil {
		c.node, c.input = n, req.Input
		err = c.ready()
	}
	if err != nil {
		text, code := describe(c, err)
		return response{Stderr: text, Code: code}
	}
	return execute(c, func() (result, error) { return c.cmd.run(ctx, c) })
}

// ready checks that the broker is in the state that the command needs.
func (c *call) ready() error {
	up := c.node.Broker() != nil
	switch {
	case c.cmd.run == nil:
		return fmt.Errorf("%s does not run in the broker", c.cmd.name)
	case c.cmd.needs == running && !up:
		return &usageError{text: "this command requires the 'rabbit' app to be running on the target node. Start it with 'rabbitmqctl start_app'.", code: exitUsage}
	case c.cmd.needs == stopped && up:
		return &usageError{text: "this command requires the 'rabbit' app to be stopped on the target node. Stop it with 'rabbitmqctl stop_app'.", code: exitUsage}
	}
	return nil
}

// broker is the broker that the command is about.
func (c *call) broker() *broker.Broker { return c.node.Broker() }

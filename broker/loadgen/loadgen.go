// Package loadgen loads an AMQP 0-9-1 broker, this one or any other, and
// measures what it does: "nubo mq bench".
//
// It speaks either as fast as can be, with frames encoded beforehand and
// written 64 KiB at a time, or through amqp091-go as a program would. Whatever
// it publishes it waits for: a run whose published, confirmed and delivered
// messages are not as many as each other fails.
//
//	loadgen.go     options, running, what comes out
//	flow.go        transient, persistent, quorum: messages through queues
//	clients.go     producers and consumers, of either kind of client
//	window.go      confirms outstanding, and how long they took
//	rpc.go         requests and replies
//	churn.go       queues and connections by the thousand
//	raw.go         a connection of frames
//	blocking.go    one that blocks in the kernel, for calls
//	histogram.go   percentiles
//	process.go     what the broker's process takes
package loadgen

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"
)

// Options say what to do. The tags are for a command line.
type Options struct {
	Scenario  string        `arg:"" optional:"" default:"transient" enum:"transient,persistent,quorum,rpc,queues,connections" help:"transient: messages without acknowledgement. persistent: durable ones, confirmed and acknowledged. quorum: the same through quorum queues. rpc: requests and replies. queues: declared and deleted. connections: opened and closed."`
	URL       string        `default:"amqp://guest:guest@127.0.0.1:5672/" help:"The broker."`
	Client    string        `default:"raw" enum:"raw,amqp091" help:"raw: frames encoded beforehand. amqp091: through amqp091-go."`
	Producers int           `default:"1" help:"Connections that publish; that call, for rpc."`
	Consumers int           `default:"1" help:"Connections that consume; that answer, for rpc. 0 leaves the messages in the queues, and deletes them in the end."`
	Queues    int           `help:"How many queues they are spread over; one per consumer if 0. For the scenario queues, how many there are (10,000 if 0)."`
	Size      int           `default:"16" help:"Octets of a message."`
	Window    int           `help:"Confirms that may be outstanding per producer; if 0, none are asked for, or 1,000 for persistent and quorum."`
	Time      time.Duration `default:"10s" help:"How long to publish or call."`
	Count     int           `help:"How many messages or calls, or connections (1,000 if 0), in place of a time."`
	PID       int           `help:"The broker's process, whose memory and processor time are reported."`
	JSON      bool          `help:"Print the result as JSON, and no progress."`
}

// Result is what came out.
type Result struct {
	Scenario  string  `json:"scenario"`
	Client    string  `json:"client"`
	Producers int     `json:"producers"`
	Consumers int     `json:"consumers"`
	Queues    int     `json:"queues,omitempty"`
	Size      int     `json:"size"`
	Window    int     `json:"window,omitempty"`
	Seconds   float64 `json:"seconds"`
	Published uint64  `json:"published,omitempty"`
	Confirmed uint64  `json:"confirmed,omitempty"`
	Delivered uint64  `json:"delivered,omitempty"`
	// Rate is per second, in the middle of the run: messages confirmed, or
	// delivered if there are no confirms; calls; queues declared and deleted;
	// connections opened.
	Rate float64 `json:"rate"`
	// Latency is from publishing to the confirm, or of a call.
	Latency *Latency `json:"latency,omitempty"`
	// Blocked is how often the broker said connection.blocked.
	Blocked uint64   `json:"blocked,omitempty"`
	Process *Process `json:"process,omitempty"`
}

// Latency is percentiles, in microseconds.
type Latency struct {
	P50  float64 `json:"p50_us"`
	P90  float64 `json:"p90_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	Max  float64 `json:"max_us"`
}

// Run does what the options say and prints what came out.
func Run(ctx context.Context, o Options, w io.Writer) error {
	r := &run{Options: o, out: w}
	if err := r.complete(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	switch r.Scenario {
	case "rpc":
		err = r.rpc(ctx)
	case "queues":
		err = r.queues(ctx)
	case "connections":
		err = r.connections(ctx)
	default:
		err = r.flow(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Scenario, err)
	}
	return r.print()
}

// run is one run.
type run struct {
	Options
	uri    rabbit.URI
	out    io.Writer
	result Result
}

// complete checks the options and puts in what is left to choose.
func (r *run) complete() error {
	var err error
	if r.uri, err = rabbit.ParseURI(r.URL); err != nil {
		return fmt.Errorf("%s: %w", r.URL, err)
	}
	if r.Client != "raw" && r.Client != "amqp091" {
		return fmt.Errorf("no client is called %q; there are raw and amqp091", r.Client)
	}
	for _, n := range []int{r.Queues, r.Size, r.Window, r.Count, r.Consumers} {
		if n < 0 {
			return fmt.Errorf("%d is less than nothing", n)
		}
	}
	if r.Producers < 1 {
		return fmt.Errorf("there must be a producer")
	}
	if r.Count == 0 && r.Time <= 0 {
		return fmt.Errorf("neither time nor count says when to stop")
	}
	switch r.Scenario {
	case "persistent", "quorum":
		if r.Window == 0 {
			r.Window = 1000
		}
	case "rpc":
		if r.Consumers < 1 {
			return fmt.Errorf("somebody must answer: there must be a consumer")
		}
	case "transient", "queues", "connections":
	default:
		return fmt.Errorf("no scenario is called %q; there are transient, persistent, quorum, rpc, queues and connections", r.Scenario)
	}
	r.result = Result{
		Scenario: r.Scenario, Client: r.Client, Producers: r.Producers, Consumers: r.Consumers, Size: r.Size, Window: r.Window,
	}
	return nil
}

// print prints the result.
func (r *run) print() error {
	if r.JSON {
		return json.NewEncoder(r.out).Encode(r.result)
	}
	res := &r.result
	unit := map[string]string{"rpc": "calls", "queues": "queues declared and deleted", "connections": "connections opened"}[r.Scenario]
	if unit == "" {
		unit = "messages"
	}
	fmt.Fprintf(r.out, "%.0f %s/s", res.Rate, unit)
	if l := res.Latency; l != nil {
		fmt.Fprintf(r.out, "; latency p50 %.0f, p90 %.0f, p99 %.0f, p99.9 %.0f, max %.0f µs", l.P50, l.P90, l.P99, l.P999, l.Max)
	}
	fmt.Fprintf(r.out, "; %.1f s", res.Seconds)
	if res.Published > 0 {
		fmt.Fprintf(r.out, ", published %d, confirmed %d, delivered %d", res.Published, res.Confirmed, res.Delivered)
	}
	if res.Blocked > 0 {
		fmt.Fprintf(r.out, ", blocked %d times", res.Blocked)
	}
	if p := res.Process; p != nil {
		fmt.Fprintf(r.out, "; the broker took %.1f s of processor, its memory was %.1f MB before and %.1f MB at most", p.CPU, p.Before, p.Peak)
	}
	_, err := fmt.Fprintln(r.out)
	return err
}

// progress prints a line a second until it is stopped.
func (r *run) progress(line func() string) (stop func()) {
	if r.JSON {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				fmt.Fprintln(r.out, line())
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

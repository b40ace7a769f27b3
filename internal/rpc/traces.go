package rpc

import (
	"context"
	"encoding/json"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/trace"
)

// tracesTopic is that of the fan-out by which processes tell what their
// requests did. Nobody waits for it: where no dashboard listens the broker
// drops it, and a dashboard that went away leaves a queue that keeps little
// and not for long.
const (
	tracesTopic   = "nubo_traces"
	tracesEvery   = time.Second
	tracesBatch   = 2000
	tracesQueued  = 100    // messages
	tracesExpires = 60_000 // milliseconds
)

// traceBatch is what a process tells at once.
type traceBatch struct {
	Spans []trace.Span  `json:"spans"`
	Calls []trace.Count `json:"calls"`
}

// SendTraces tells, until ctx ends, those that ReceiveTraces of what rec
// records, and removes it there. What cannot be sent is lost.
func (b *Bus) SendTraces(ctx context.Context, rec *trace.Recorder) {
	tick := time.NewTicker(tracesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		batch := traceBatch{rec.Take(tracesBatch), rec.Calls.Take()}
		if len(batch.Spans)+len(batch.Calls) == 0 {
			continue
		}
		body, err := encodeRequest(&request{method: "record", uniqueID: clock.NewHexID()}, batch, &auth.Context{})
		if err == nil {
			err = b.send(ctx, envelopeFor(Target{Topic: tracesTopic, Fanout: true}, body), tracesEvery*5)
		}
		if err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "what requests did is not told", "spans", len(batch.Spans), "error", err)
		}
	}
}

// ReceiveTraces records what other processes send, until ctx ends.
func (b *Bus) ReceiveTraces(ctx context.Context, rec *trace.Recorder, ready func()) error {
	if err := b.check(); err != nil {
		return err
	}
	queue := tracesTopic + "_fanout_" + clock.NewHexID()
	d := newDispatcher(b, 1)
	d.handle = func(_ context.Context, m *message) outcome {
		var batch traceBatch
		r, err := decodeRequest(m.Body)
		if err == nil {
			err = json.Unmarshal(r.args, &batch)
		}
		if err != nil {
			b.log.Warn("an unreadable batch of traces was dropped", "error", err)
			return done
		}
		rec.Add(batch.Spans)
		rec.Calls.Add(batch.Calls)
		return done
	}
	d.queues = func(t topology) ([]string, error) {
		return []string{queue}, t.fanout(tracesTopic, queue, amqp.Table{
			"x-expires": int32(tracesExpires), "x-max-length": int32(tracesQueued), "x-overflow": "drop-head",
		})
	}
	d.stopped = func(ch *amqp.Channel) { _, _ = ch.QueueDelete(queue, false, false, true) } // it would expire
	return d.run(ctx, "traces", ready)
}

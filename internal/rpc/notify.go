package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/trace"
)

// Notification is a one-way event.
type Notification struct {
	// Exchange is the component's; Topic is "notifications" if empty.
	Exchange, Topic string
	// PublisherID says who tells, as "compute.host1".
	PublisherID string
	// EventType says what happened, as "compute.instance.create.end".
	EventType string
	// Priority is INFO if empty, or AUDIT, DEBUG, WARN, ERROR, CRITICAL,
	// SAMPLE. It is part of the queue's name.
	Priority string
	// Payload is encoded as JSON; a handler gets a json.RawMessage.
	Payload any

	// MessageID and Timestamp are made when the notification is encoded.
	MessageID string
	Timestamp time.Time
}

const timestampLayout = "2006-01-02 15:04:05.000000"

// Decode reads the payload of a received notification.
func (n Notification) Decode(v any) error {
	raw, _ := n.Payload.(json.RawMessage)
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("decode the payload of %s: %w", n.EventType, err)
	}
	return nil
}

// Notify sends a notification and returns when the broker has it. It waits in
// its queue for a listener that has not started yet.
func (b *Bus) Notify(ctx context.Context, n Notification) error {
	env, err := EncodeNotification(ctx, n)
	if err != nil {
		return err
	}
	return b.send(ctx, env, b.cfg.CallTimeout)
}

// EncodeNotification encodes what Notify would send, for Bus.Publish. The
// caller's token is left out: who listens to notifications must not act in
// the caller's name.
func EncodeNotification(ctx context.Context, n Notification) (Envelope, error) {
	if n.Topic == "" {
		n.Topic = "notifications"
	}
	if n.Priority == "" {
		n.Priority = "INFO"
	}
	n.MessageID, n.Timestamp = clock.NewID(), clock.System.Now()
	body, err := seal(func(dst []byte) ([]byte, error) {
		dst = appendString(append(dst, `{"message_id":`...), n.MessageID)
		dst = appendString(append(dst, `,"publisher_id":`...), n.PublisherID)
		dst = appendString(append(dst, `,"event_type":`...), n.EventType)
		dst = appendString(append(dst, `,"priority":`...), strings.ToUpper(n.Priority))
		dst = append(dst, `,"payload":`...)
		var err error
		if dst, err = appendJSON(dst, n.Payload); err != nil {
			return nil, fmt.Errorf("encode the payload of %s: %w", n.EventType, err)
		}
		dst = appendString(append(dst, `,"timestamp":`...), n.Timestamp.Format(timestampLayout))
		dst = appendString(append(dst, `,"_unique_id":`...), clock.NewHexID())
		return append(appendContext(dst, auth.From(ctx), false), '}'), nil
	})
	if err != nil {
		return Envelope{}, err
	}
	key := n.Topic + "." + strings.ToLower(n.Priority)
	_, span := trace.Begin(ctx, trace.Notify, n.EventType)
	span.Routed(n.Exchange, key, key)
	span.End(nil)
	trace.Called(ctx, trace.Notify, n.Exchange, key, n.EventType, 0, nil)
	return Envelope{
		Exchange: n.Exchange, Kind: "topic", Key: key,
		Body: body, Mandatory: true, Notification: true,
	}, nil
}

// decodeNotification reads a notification, the caller it carries, and its
// _unique_id.
func decodeNotification(body []byte) (n Notification, caller auth.Context, id string, err error) {
	inner, err := open(body)
	if err != nil {
		return n, caller, "", err
	}
	err = walkObject(inner, func(key, value []byte) error {
		if k, ok := bytes.CutPrefix(key, contextPrefix); ok {
			readContext(&caller, k, value)
			return nil
		}
		switch string(key) {
		case "message_id":
			n.MessageID = text(value)
		case "publisher_id":
			n.PublisherID = text(value)
		case "event_type":
			n.EventType = text(value)
		case "priority":
			n.Priority = text(value)
		case "payload":
			n.Payload = json.RawMessage(value)
		case "timestamp":
			// A time in another form is left zero: it is the sender's.
			n.Timestamp, _ = time.Parse("2006-01-02 15:04:05.999999", text(value))
		case "_unique_id":
			id = text(value)
		}
		return nil
	})
	if err == nil && n.EventType == "" {
		err = fmt.Errorf("%w: no event type", errSyntax)
	}
	return n, caller, id, err
}

// ListenTarget is a stream of notifications.
type ListenTarget struct {
	// Exchange is the component's; Topic is "notifications" if empty.
	Exchange, Topic string
	// Priorities are INFO and ERROR if empty.
	Priorities []string
	// Pool names a queue of its own, so that several kinds of listeners each
	// get every notification. Without it all share one queue.
	Pool string
}

// NotificationHandler takes one notification; Requeue makes it come again.
type NotificationHandler func(ctx context.Context, n Notification) error

// Listen hands over the notifications of the targets, one at a time in the
// order of each queue, and calls ready when it does. It returns as Serve does.
func (b *Bus) Listen(ctx context.Context, targets []ListenTarget, handler NotificationHandler, ready func()) error {
	if err := b.check(); err != nil {
		return err
	}
	d := newDispatcher(b, 1)
	d.handle = func(ctx context.Context, m *message) outcome { return b.notified(ctx, handler, m) }
	d.queues = func(t topology) ([]string, error) {
		var queues []string
		for _, target := range targets {
			made, err := target.declare(t)
			if err != nil {
				return nil, err
			}
			queues = append(queues, made...)
		}
		return queues, nil
	}
	return d.run(ctx, "listen", ready)
}

// declare makes the target's queues and names them.
func (l ListenTarget) declare(t topology) ([]string, error) {
	topic, priorities := l.Topic, l.Priorities
	if topic == "" {
		topic = "notifications"
	}
	if len(priorities) == 0 {
		priorities = []string{"INFO", "ERROR"}
	}
	var queues []string
	for _, p := range priorities {
		key := topic + "." + strings.ToLower(p)
		queue := key
		if l.Pool != "" {
			queue = l.Pool
		}
		if err := t.topic(l.Exchange, queue, key); err != nil {
			return nil, err
		}
		if l.Pool == "" || len(queues) == 0 {
			queues = append(queues, queue)
		}
	}
	return queues, nil
}

// notified runs the handler for one notification.
func (b *Bus) notified(ctx context.Context, handler NotificationHandler, m *message) outcome {
	n, caller, id, err := decodeNotification(m.Body)
	if err != nil {
		b.log.Warn("an unreadable notification was dropped", "error", err)
		return done
	}
	if !m.enter(id, false) {
		return done
	}
	n.Exchange, n.Topic = m.Exchange, strings.TrimSuffix(m.RoutingKey, "."+strings.ToLower(n.Priority))
	if m.Redelivered {
		ctx = context.WithValue(ctx, redeliveredKey{}, true)
	}
	ctx = auth.With(ctx, &caller)
	err = b.handleNotification(ctx, handler, n)
	var again *requeueError
	switch {
	case err == nil:
		return done
	case errors.As(err, &again) || ctx.Err() != nil:
		return requeue
	}
	b.log.ErrorContext(ctx, "a notification's handler failed", "event_type", n.EventType, "error", err)
	return done
}

func (b *Bus) handleNotification(ctx context.Context, handler NotificationHandler, n Notification) (err error) {
	defer b.recovered(ctx, "notification "+n.EventType, &err)
	return handler(ctx, n)
}

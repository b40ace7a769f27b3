package management

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/queue"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// getBody asks for messages of a queue.
type getBody struct {
	Count    *integer
	AckMode  *string
	Encoding *string
	Truncate *integer
}

func getMessages(c *call) error {
	var in getBody
	if err := c.body(&in); err != nil {
		return err
	}
	switch {
	case in.AckMode == nil:
		return missing("ackmode")
	case in.Count == nil:
		return missing("count")
	case in.Encoding == nil:
		return missing("encoding")
	case *in.Encoding != "auto" && *in.Encoding != "base64":
		return badRequest([]string{"unsupported_encoding", *in.Encoding})
	}
	requeue, reject := false, false
	switch *in.AckMode {
	case "ack_requeue_true":
		requeue = true
	case "ack_requeue_false":
	case "reject_requeue_true":
		requeue, reject = true, true
	case "reject_requeue_false":
		reject = true
	default:
		return badRequest([]string{"unsupported_ackmode", *in.AckMode})
	}
	_, q, err := c.queue(user.Read)
	if errors.Is(err, errNotFound) {
		return &failure{http.StatusNotFound, "not_found", fmt.Sprintf("NOT_FOUND - no queue '%s' in vhost '%s'", c.args["queue"], c.args["vhost"])}
	}
	var bad *amqp.Error
	if errors.As(err, &bad) && bad.Code == amqp.ResourceLocked {
		return badRequest(coded(bad))
	}
	if err != nil {
		return err
	}
	if q.Initial.Type == queue.Stream {
		return badRequest("540 basic.get" + noStreams(q))
	}
	list := []object{}
	var taken []queue.Entry
	for range max(*in.Count, 0) {
		e, left, ok := q.Get(false)
		if !ok {
			break
		}
		taken = append(taken, e)
		list = append(list, messageObject(&e, left, in))
	}
	switch {
	case requeue:
		q.Requeue(taken)
	case reject:
		q.Discard(taken)
	default:
		q.Ack(taken)
	}
	return c.ok(list)
}

func messageObject(e *queue.Entry, left int, in getBody) object {
	m := e.Msg
	var p amqp.Properties
	_ = p.Decode(m.Props) // it was checked when it was published
	o := object{
		"payload_bytes": len(m.Body), "redelivered": e.Redelivered, "exchange": m.Exchange, "routing_key": m.RoutingKey,
		"message_count": left, "properties": propertiesObject(&p), "payload_encoding": "string",
	}
	body := m.Body
	if in.Truncate != nil && *in.Truncate >= 0 && int64(*in.Truncate) < int64(len(body)) {
		body = body[:*in.Truncate]
	}
	if *in.Encoding == "base64" || !utf8.Valid(body) {
		o["payload"], o["payload_encoding"] = base64.StdEncoding.EncodeToString(body), "base64"
	} else {
		o["payload"] = string(body)
	}
	return o
}

// propertiesObject shows the properties that are there; [] if there are none,
// as RabbitMQ does.
func propertiesObject(p *amqp.Properties) any {
	o := object{}
	for name, s := range texts(p) {
		if *s != "" {
			o[name] = *s
		}
	}
	if p.Headers != nil {
		o["headers"] = plain(p.Headers)
	}
	if p.DeliveryMode != 0 {
		o["delivery_mode"] = p.DeliveryMode
	}
	if p.Priority != 0 {
		o["priority"] = p.Priority
	}
	if !p.Timestamp.IsZero() {
		o["timestamp"] = p.Timestamp.Unix()
	}
	if len(o) == 0 {
		return []object{}
	}
	return o
}

// texts are the properties that are words.
func texts(p *amqp.Properties) map[string]*string {
	return map[string]*string{
		"content_type": &p.ContentType, "content_encoding": &p.ContentEncoding, "correlation_id": &p.CorrelationID,
		"reply_to": &p.ReplyTo, "expiration": &p.Expiration, "message_id": &p.MessageID, "type": &p.Type,
		"user_id": &p.UserID, "app_id": &p.AppID, "cluster_id": &p.ClusterID,
	}
}

// plain makes a value of a table one of JSON.
func plain(v any) any {
	switch v := v.(type) {
	case amqp.Table:
		o := object{}
		for k, e := range v {
			o[k] = plain(e)
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case time.Time:
		return v.Unix()
	case []byte:
		return string(v)
	}
	return v
}

// publishBody is a message to publish.
type publishBody struct {
	Properties      json.RawMessage
	RoutingKey      *string `json:"routing_key"`
	Payload         *string
	PayloadEncoding *string `json:"payload_encoding"`
}

func publish(c *call) error {
	var in publishBody
	if err := c.body(&in); err != nil {
		return err
	}
	switch {
	case in.RoutingKey == nil:
		return missing("routing_key")
	case in.Payload == nil:
		return missing("payload")
	case in.PayloadEncoding == nil:
		return missing("payload_encoding")
	case in.Properties == nil:
		return missing("properties")
	case len(*in.RoutingKey) > maxShort:
		return badRequest("routing key is too long")
	}
	p := broker.Publication{Exchange: exchangeName(c.args["exchange"]), RoutingKey: *in.RoutingKey, Body: []byte(*in.Payload)}
	var err error
	switch *in.PayloadEncoding {
	case "string":
	case "base64":
		if p.Body, err = base64.StdEncoding.DecodeString(*in.Payload); err != nil {
			return badRequest([]string{"not_base64", *in.Payload})
		}
	default:
		return badRequest([]string{"unsupported_encoding", *in.PayloadEncoding})
	}
	if p.Properties, err = parseProperties(in.Properties); err != nil {
		return err
	}
	v, err := c.vhost()
	if err != nil {
		return err
	}
	routed := false
	if err = c.mayPublish(v, &p); err == nil {
		routed, err = c.b.Publish(v.Name, p)
	}
	var bad *amqp.Error
	if errors.As(err, &bad) && bad.Code != amqp.InternalError {
		return badRequest(coded(bad))
	}
	if err != nil {
		return err
	}
	return c.ok(object{"routed": routed})
}

// coded is an error with its code.
func coded(err *amqp.Error) string { return fmt.Sprintf("%d %s", err.Code, err.ReplyText()) }

// mayPublish checks the caller's permissions, and whom it says it is.
func (c *call) mayPublish(v *vhost.VHost, p *broker.Publication) error {
	if id := p.Properties.UserID; id != "" && id != c.user.Name {
		return amqp.Errorf(amqp.PreconditionFailed, "user_id property set to '%s' but authenticated user was '%s'", id, c.user.Name)
	}
	if err := c.allow(user.Write, v.Name, "exchange", p.Exchange); err != nil {
		return err
	}
	return c.allowTopic(user.Write, v, p.Exchange, p.RoutingKey)
}

// maxShort is how long a short string may be.
const maxShort = 255

// parseProperties reads the properties of a message; unknown ones mean nothing.
func parseProperties(text json.RawMessage) (amqp.Properties, error) {
	var p amqp.Properties
	var in broker.Args
	if err := json.Unmarshal(text, &in); err != nil {
		return p, badRequest("properties is not an object")
	}
	for name, s := range texts(&p) {
		v, ok := in[name]
		if !ok {
			continue
		}
		word, ok := v.(string)
		if !ok {
			return p, badRequest([]string{"not_string", name})
		}
		if len(word) > maxShort {
			return p, badRequest(name + " is too long")
		}
		*s = word
	}
	for name, set := range map[string]func(int64){
		"delivery_mode": func(n int64) { p.DeliveryMode = uint8(n) },
		"priority":      func(n int64) { p.Priority = uint8(n) },
		"timestamp":     func(n int64) { p.Timestamp = time.Unix(n, 0) },
	} {
		v, ok := in[name]
		if !ok {
			continue
		}
		n, ok := amqp.Integer(v)
		if s, isText := v.(string); isText {
			var err error
			n, err = strconv.ParseInt(s, 10, 64)
			ok = err == nil
		}
		if !ok || n < 0 || name != "timestamp" && n > 255 {
			return p, badRequest([]string{"not_int", name})
		}
		set(n)
	}
	if h, ok := in["headers"]; ok {
		if p.Headers, ok = h.(amqp.Table); !ok {
			return p, badRequest([]string{"not_object", "headers"})
		}
	}
	return p, nil
}

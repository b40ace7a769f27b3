package broker_test

import (
	"errors"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/internal/testx"
)

// errorTests is what clients match on: code and text. TestRabbitMQ holds the
// same table against RabbitMQ.
var errorTests = []struct {
	name string
	do   func(c ch) error
	code int
	text string
}{
	{"no queue", func(c ch) error { _, err := c.QueueDeclarePassive("nope", false, false, false, false, nil); return err },
		404, "NOT_FOUND - no queue 'nope' in vhost '/'"},
	{"no exchange", func(c ch) error { return c.ExchangeDeclarePassive("nope", "direct", false, false, false, false, nil) },
		404, "NOT_FOUND - no exchange 'nope' in vhost '/'"},
	{"publish to no exchange", func(c ch) error {
		closed := c.NotifyClose(make(chan *rabbit.Error, 1))
		c.Publish("nope", "k", false, false, rabbit.Publishing{})
		return <-closed
	}, 404, "NOT_FOUND - no exchange 'nope' in vhost '/'"},
	{"bind to no exchange", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		return c.QueueBind("q", "k", "nope", false, nil)
	}, 404, "NOT_FOUND - no exchange 'nope' in vhost '/'"},
	{"bind no queue", func(c ch) error { return c.QueueBind("nope", "k", "amq.direct", false, nil) },
		404, "NOT_FOUND - no queue 'nope' in vhost '/'"},
	{"stream got", func(c ch) error { streamQueue(c); _, _, err := c.Get("q", false); return err },
		540, "NOT_IMPLEMENTED - basic.get not supported by stream queues queue 'q' in vhost '/'"},
	{"stream purged", func(c ch) error { streamQueue(c); _, err := c.QueuePurge("q", false); return err },
		540, "NOT_IMPLEMENTED - queue.purge not supported by stream queues queue 'q' in vhost '/'"},
	{"stream without prefetch", func(c ch) error {
		streamQueue(c)
		_, err := c.Consume("q", "", false, false, false, false, nil)
		return err
	}, 406, "PRECONDITION_FAILED - consumer prefetch count is not set for 'queue 'q' in vhost '/''"},
	{"stream with auto-ack", func(c ch) error {
		streamQueue(c)
		c.Qos(1, 0, false)
		_, err := c.Consume("q", "", true, false, false, false, nil)
		return err
	}, 540, "NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queues queue 'q' in vhost '/'"},
	{"stream with global qos", func(c ch) error {
		streamQueue(c)
		c.Qos(1, 0, false)
		c.Qos(1, 0, true)
		_, err := c.Consume("q", "", false, false, false, false, nil)
		return err
	}, 540, "NOT_IMPLEMENTED - queue 'q' in vhost '/' does not support global qos"},
	{"transient stream", func(c ch) error {
		_, err := c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-queue-type": "stream"})
		return err
	}, 406, "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'q' in vhost '/'"},
	{"exclusive stream", func(c ch) error {
		_, err := c.QueueDeclare("q", true, false, true, false, rabbit.Table{"x-queue-type": "stream"})
		return err
	}, 406, "PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue 'q' in vhost '/'"},
	{"stream with a TTL", func(c ch) error {
		_, err := c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-queue-type": "stream", "x-message-ttl": int32(5)})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in vhost '/' of queue type rabbit_stream_queue"},
	{"age of a classic queue", func(c ch) error {
		_, err := c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-max-age": "1h"})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"},
	{"age without unit", func(c ch) error {
		_, err := c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-queue-type": "stream", "x-max-age": "1"})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q' in vhost '/': invalid_max_age"},
	{"large stream segments", func(c ch) error {
		_, err := c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-queue-type": "stream", "x-stream-max-segment-size-bytes": int64(3_000_000_001)})
		return err
	}, 406, "PRECONDITION_FAILED - Exceeded max value for x-stream-max-segment-size-bytes"},
	{"unnamed queue", func(c ch) error { _, _, err := c.Get("", true); return err },
		404, "NOT_FOUND - no previously declared queue"},
	{"durable differs", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		_, err := c.QueueDeclare("q", true, false, false, false, nil)
		return err
	}, 406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'"},
	{"auto-delete differs", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		_, err := c.QueueDeclare("q", false, true, false, false, nil)
		return err
	}, 406, "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'"},
	{"argument added", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		_, err := c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-expires": int32(60000)})
		return err
	}, 406, "PRECONDITION_FAILED - inequivalent arg 'x-expires' for queue 'q' in vhost '/': received the value '60000' of type 'signedint' but current is none"},
	{"argument missing", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-message-ttl": int64(60000)})
		_, err := c.QueueDeclare("q", false, false, false, false, nil)
		return err
	}, 406, "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '60000' of type 'long'"},
	{"argument differs", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-max-length": int32(5)})
		_, err := c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-max-length": int32(6)})
		return err
	}, 406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received '6' but current is '5'"},
	{"argument negative", func(c ch) error {
		_, err := c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-message-ttl": int32(-1)})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}"},
	{"argument zero", func(c ch) error {
		_, err := c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-expires": int32(0)})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}"},
	{"argument of wrong type", func(c ch) error {
		_, err := c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-expires": "long"})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'q' in vhost '/': \"expected integer, got longstr\""},
	{"argument too big", func(c ch) error {
		_, err := c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-message-ttl": int64(1) << 40})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_too_large,1099511627776}"},
	{"overflow unknown", func(c ch) error {
		_, err := c.QueueDeclare("q", false, false, false, false, rabbit.Table{"x-overflow": "explode"})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'q' in vhost '/': invalid_overflow"},
	{"reserved queue name", func(c ch) error { _, err := c.QueueDeclare("amq.mine", false, false, false, false, nil); return err },
		403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'"},
	{"reserved exchange name", func(c ch) error { return c.ExchangeDeclare("amq.mine", "direct", false, false, false, false, nil) },
		403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'"},
	{"delete reserved exchange", func(c ch) error { return c.ExchangeDelete("amq.direct", false, false) },
		403, "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed"},
	{"bind to default exchange", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		return c.QueueBind("q", "k", "", false, nil)
	}, 403, "ACCESS_REFUSED - operation not permitted on the default exchange"},
	{"declare default exchange", func(c ch) error { return c.ExchangeDeclare("", "direct", true, false, false, false, nil) },
		403, "ACCESS_REFUSED - operation not permitted on the default exchange"},
	{"exchange type differs", func(c ch) error { return c.ExchangeDeclare("amq.direct", "topic", true, false, false, false, nil) },
		406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': received 'topic' but current is 'direct'"},
	{"exchange durable differs", func(c ch) error { return c.ExchangeDeclare("amq.direct", "direct", false, false, false, false, nil) },
		406, "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'amq.direct' in vhost '/': received 'false' but current is 'true'"},
	{"exchange type unknown", func(c ch) error { return c.ExchangeDeclare("x", "funnel", true, false, false, false, nil) },
		503, "COMMAND_INVALID - unknown exchange type 'funnel'"},
	{"exchange in use", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		c.ExchangeDeclare("x", "direct", false, false, false, false, nil)
		c.QueueBind("q", "k", "x", false, nil)
		return c.ExchangeDelete("x", true, false)
	}, 406, "PRECONDITION_FAILED - exchange 'x' in vhost '/' in use"},
	{"queue in use", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		c.Consume("q", "", true, false, false, false, nil)
		_, err := c.QueueDelete("q", true, false, false)
		return err
	}, 406, "PRECONDITION_FAILED - queue 'q' in vhost '/' in use"},
	{"queue not empty", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		c.Publish("", "q", false, false, rabbit.Publishing{})
		_, err := c.QueueDelete("q", false, true, false)
		return err
	}, 406, "PRECONDITION_FAILED - queue 'q' in vhost '/' not empty"},
	{"exclusive use", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		c.Consume("q", "a", true, true, false, false, nil)
		_, err := c.Consume("q", "b", true, false, false, false, nil)
		return err
	}, 403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"},
	{"not exclusive before", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		_, err := c.QueueDeclare("q", false, false, true, false, nil)
		return err
	}, 405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."},
	{"consumer tag again", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		c.Consume("q", "tag", true, false, false, false, nil)
		c.Consume("q", "other", true, false, false, false, nil)
		_, err := c.Consume("q", "tag", true, false, false, false, nil)
		return err
	}, 530, "NOT_ALLOWED - attempt to reuse consumer tag 'tag'"},
	{"unknown delivery tag", func(c ch) error {
		closed := c.NotifyClose(make(chan *rabbit.Error, 1))
		c.Ack(7, false)
		return <-closed
	}, 406, "PRECONDITION_FAILED - unknown delivery tag 7"},
	{"prefetch size", func(c ch) error { return c.Qos(1, 100, false) },
		540, "NOT_IMPLEMENTED - prefetch_size!=0 (100)"},
	{"recover without requeue", func(c ch) error { return c.Recover(false) },
		540, "NOT_IMPLEMENTED - requeue=false"},
	{"flow off", func(c ch) error { return c.Flow(false) },
		540, "NOT_IMPLEMENTED - active=false"},
	{"immediate", func(c ch) error {
		closed := c.NotifyClose(make(chan *rabbit.Error, 1))
		c.Publish("", "q", false, true, rabbit.Publishing{})
		return <-closed
	}, 540, "NOT_IMPLEMENTED - immediate=true"},
	{"bad expiration", func(c ch) error { return publishing(c, rabbit.Publishing{Expiration: "soon"}) },
		406, "PRECONDITION_FAILED - invalid expiration 'soon': no_integer"},
	{"expiration with rest", func(c ch) error { return publishing(c, rabbit.Publishing{Expiration: "12x"}) },
		406, "PRECONDITION_FAILED - invalid expiration '12x': {leftover_string,\"x\"}"},
	{"negative expiration", func(c ch) error { return publishing(c, rabbit.Publishing{Expiration: "-1"}) },
		406, "PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}"},
	{"huge expiration", func(c ch) error { return publishing(c, rabbit.Publishing{Expiration: "1099511627776"}) },
		406, "PRECONDITION_FAILED - invalid expiration '1099511627776': {value_too_large,1099511627776}"},
	{"user id", func(c ch) error { return publishing(c, rabbit.Publishing{UserId: "other"}) },
		406, "PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'"},
	{"CC is no list", func(c ch) error { return publishing(c, rabbit.Publishing{Headers: rabbit.Table{"CC": "q"}}) },
		406, "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}"},
	{"internal exchange", func(c ch) error {
		closed := c.NotifyClose(make(chan *rabbit.Error, 1))
		c.ExchangeDeclare("in", "direct", false, false, true, false, nil)
		c.Publish("in", "q", false, false, rabbit.Publishing{})
		return <-closed
	}, 403, "ACCESS_REFUSED - cannot publish to internal exchange 'in' in vhost '/'"},
	{"x-match value", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		return c.QueueBind("q", "", "amq.headers", false, rabbit.Table{"x-match": "some"})
	}, 406, "PRECONDITION_FAILED - Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x"},
	{"x-match type", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		return c.QueueBind("q", "", "amq.headers", false, rabbit.Table{"x-match": int32(1)})
	}, 406, "PRECONDITION_FAILED - Invalid x-match field type signedint (value 1); expected longstr"},
	{"alternate exchange type", func(c ch) error {
		return c.ExchangeDeclare("x", "direct", false, false, false, false, rabbit.Table{"alternate-exchange": int32(1)})
	}, 406, "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"},
	{"consumer priority type", func(c ch) error {
		c.QueueDeclare("q", false, false, false, false, nil)
		_, err := c.Consume("q", "", true, false, false, false, rabbit.Table{"x-priority": "high"})
		return err
	}, 406, "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\""},
	{"reply consumer with acks", func(c ch) error {
		_, err := c.Consume("amq.rabbitmq.reply-to", "", false, false, false, false, nil)
		return err
	}, 406, "PRECONDITION_FAILED - reply consumer cannot acknowledge"},
	{"second reply consumer", func(c ch) error {
		c.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
		_, err := c.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
		return err
	}, 406, "PRECONDITION_FAILED - reply consumer already set"},
	{"reply without consumer", func(c ch) error { return publishing(c, rabbit.Publishing{ReplyTo: "amq.rabbitmq.reply-to"}) },
		406, "PRECONDITION_FAILED - fast reply consumer does not exist"},
	{"quorum transient", declaring(false, false, false, rabbit.Table{"x-queue-type": "quorum"}),
		406, "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'q' in vhost '/'"},
	{"quorum auto-delete", declaring(true, true, false, rabbit.Table{"x-queue-type": "quorum"}),
		406, "PRECONDITION_FAILED - invalid property 'auto-delete' for queue 'q' in vhost '/'"},
	{"quorum exclusive", declaring(true, false, true, rabbit.Table{"x-queue-type": "quorum"}),
		406, "PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue 'q' in vhost '/'"},
	{"quorum with priorities", declaring(true, false, false, rabbit.Table{"x-queue-type": "quorum", "x-max-priority": int32(5)}),
		406, "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue"},
	{"classic with delivery limit", declaring(true, false, false, rabbit.Table{"x-delivery-limit": int32(5)}),
		406, "PRECONDITION_FAILED - invalid arg 'x-delivery-limit' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"},
	{"quorum global qos", func(c ch) error {
		c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-queue-type": "quorum"})
		c.Qos(1, 0, true)
		_, err := c.Consume("q", "", false, false, false, false, nil)
		return err
	}, 540, "NOT_IMPLEMENTED - queue 'q' in vhost '/' does not support global qos"},
	{"queue type unknown", declaring(true, false, false, rabbit.Table{"x-queue-type": "foo"}),
		406, "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'foo'\""},
	{"queue type of wrong type", declaring(true, false, false, rabbit.Table{"x-queue-type": int32(1)}),
		406, "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q' in vhost '/': {unacceptable_type,signedint}"},
	{"queue type differs", func(c ch) error {
		c.QueueDeclare("q", true, false, false, false, nil)
		_, err := c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-queue-type": "quorum"})
		return err
	}, 406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received the value 'quorum' of type 'longstr' but current is none"},
	{"priority too big", declaring(true, false, false, rabbit.Table{"x-max-priority": int32(256)}),
		406, "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'q' in vhost '/': {max_value_exceeded,256}"},
	{"single active consumer type", declaring(true, false, false, rabbit.Table{"x-single-active-consumer": "a"}),
		406, "PRECONDITION_FAILED - invalid arg 'x-single-active-consumer' for queue 'q' in vhost '/': {unacceptable_type,longstr}"},
	{"single active consumer, exclusive", func(c ch) error {
		c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-single-active-consumer": true})
		_, err := c.Consume("q", "", false, true, false, false, nil)
		return err
	}, 403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"},
	{"dead letter exchange type", declaring(true, false, false, rabbit.Table{"x-dead-letter-exchange": int32(1)}),
		406, "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"},
	{"dead letter key alone", declaring(true, false, false, rabbit.Table{"x-dead-letter-routing-key": "k"}),
		406, "PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': routing_key_but_no_dlx_defined"},
	{"queue mode unknown", declaring(true, false, false, rabbit.Table{"x-queue-mode": "foo"}),
		406, "PRECONDITION_FAILED - invalid arg 'x-queue-mode' for queue 'q' in vhost '/': \"unsupported queue mode 'foo'\""},
	{"queue version unknown", declaring(true, false, false, rabbit.Table{"x-queue-version": int32(3)}),
		406, "PRECONDITION_FAILED - invalid arg 'x-queue-version' for queue 'q' in vhost '/': \"unsupported queue version '3'\""},
	{"overflow of wrong type", declaring(true, false, false, rabbit.Table{"x-overflow": int32(3)}),
		406, "PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'q' in vhost '/': {unacceptable_type,signedint}"},
	{"commit without tx", func(c ch) error { return c.TxCommit() }, 406, "PRECONDITION_FAILED - channel is not transactional"},
	{"rollback without tx", func(c ch) error { return c.TxRollback() }, 406, "PRECONDITION_FAILED - channel is not transactional"},
	{"tx after confirm", func(c ch) error { c.Confirm(false); return c.Tx() }, 406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode"},
	{"confirm after tx", func(c ch) error { c.Tx(); return c.Confirm(false) }, 406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode"},
	{"commit to a full queue", func(c ch) error {
		c.Tx()
		c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-max-length": int32(0), "x-overflow": "reject-publish"})
		c.Publish("", "q", false, false, rabbit.Publishing{})
		return c.TxCommit()
	}, 406, "PRECONDITION_FAILED - partial tx completion"},
}

type ch = *rabbit.Channel

// declaring declares the queue q.
func declaring(durable, autoDelete, exclusive bool, args rabbit.Table) func(ch) error {
	return func(c ch) error {
		_, err := c.QueueDeclare("q", durable, autoDelete, exclusive, false, args)
		return err
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range errorTests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, broker.Config{})
			err := tc.do(channel(t, b))
			var got *rabbit.Error
			if !errors.As(err, &got) || got == nil {
				t.Fatalf("got error %v; want one of AMQP", err)
			}
			testx.Equal(t, []any{got.Code, got.Reason}, []any{tc.code, tc.text})
		})
	}
}

// publishing publishes one message and returns why the channel was closed.
func publishing(c *rabbit.Channel, p rabbit.Publishing) error {
	closed := c.NotifyClose(make(chan *rabbit.Error, 1))
	c.Publish("", "q", false, false, p)
	return <-closed
}

func streamQueue(c ch) {
	c.QueueDeclare("q", true, false, false, false, rabbit.Table{"x-queue-type": "stream"})
}

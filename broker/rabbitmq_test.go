package broker_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/internal/rpc/rabbittest"
	"nubo/internal/testx"
)

// peer is a broker that scenarios are played on.
type peer struct {
	t    *testing.T
	dial func() (*rabbit.Connection, error)
}

// channel opens a channel on a connection of its own.
func (p *peer) channel() *rabbit.Channel {
	p.t.Helper()
	c, err := p.dial()
	testx.NoErr(p.t, err)
	p.t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	testx.NoErr(p.t, err)
	return ch
}

// dead describes a delivery with the story of its deaths, but for the times.
func dead(m rabbit.Delivery) string {
	s := fmt.Sprintf("%s via %q key %q exp %q redelivered %v prio %d", m.Body, m.Exchange, m.RoutingKey, m.Expiration, m.Redelivered, m.Priority)
	for _, h := range []string{"CC", "x-first-death-reason", "x-first-death-queue", "x-first-death-exchange", "x-delivery-count"} {
		if v, ok := m.Headers[h]; ok {
			s += fmt.Sprintf(" %s=%v", h, v)
		}
	}
	list, _ := m.Headers["x-death"].([]any)
	for _, d := range list {
		t := d.(rabbit.Table)
		if t["time"] == nil {
			s += " NO TIME"
		}
		s += fmt.Sprintf(" [%v %T %v %v %v %v %v]", t["count"], t["count"], t["reason"], t["queue"], t["exchange"], t["routing-keys"], t["original-expiration"])
	}
	return s
}

// scenarios are played on this broker and on RabbitMQ; they tell what they saw.
var scenarios = map[string]func(p *peer, c ch) []string{
	"rejected": func(p *peer, c ch) []string {
		durable(p, c, "dl", nil)
		durable(p, c, "q", rabbit.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dl"})
		publishFull(p, c, "amq.fanout", "q", rabbit.Publishing{Body: []byte("1"), Priority: 3, Headers: rabbit.Table{"CC": []any{"other"}, "mine": "x"}})
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("2"), Headers: rabbit.Table{"CC": []any{"other"}}})
		m := wait(p, c, "q")
		testx.NoErr(p.t, m.Reject(false))
		return []string{dead(m), dead(wait(p, c, "dl"))}
	},
	"expired": func(p *peer, c ch) []string {
		durable(p, c, "dl", nil)
		testx.NoErr(p.t, c.QueueBind("dl", "key", "amq.direct", false, nil))
		durable(p, c, "q", rabbit.Table{"x-dead-letter-exchange": "amq.direct", "x-message-ttl": int32(60000)})
		testx.NoErr(p.t, c.QueueBind("q", "key", "amq.topic", false, nil))
		publishFull(p, c, "amq.topic", "key", rabbit.Publishing{Body: []byte("1"), Expiration: "30"})
		return []string{dead(wait(p, c, "dl"))}
	},
	"maxlen": func(p *peer, c ch) []string {
		durable(p, c, "dl", nil)
		durable(p, c, "q", rabbit.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dl", "x-max-length": int32(1)})
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("1")})
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("2")})
		return []string{dead(wait(p, c, "dl")), dead(wait(p, c, "q"))}
	},
	"reject-publish-dlx": func(p *peer, c ch) []string {
		durable(p, c, "dl", nil)
		durable(p, c, "q", rabbit.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dl", "x-max-length": int32(1), "x-overflow": "reject-publish-dlx"})
		testx.NoErr(p.t, c.Confirm(false))
		var got []string
		for _, body := range []string{"1", "2"} {
			conf, err := c.PublishWithDeferredConfirm("", "q", false, false, rabbit.Publishing{Body: []byte(body)})
			testx.NoErr(p.t, err)
			got = append(got, fmt.Sprint(conf.Wait()))
		}
		return append(got, dead(wait(p, c, "dl")), dead(wait(p, c, "q")))
	},
	"cycle": func(p *peer, c ch) []string {
		// Expired goes from q to dl; refused comes back, twice.
		durable(p, c, "dl", rabbit.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q"})
		durable(p, c, "q", rabbit.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dl", "x-message-ttl": int32(20)})
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("1")})
		var got []string
		for range 3 {
			m := wait(p, c, "dl")
			got = append(got, dead(m))
			testx.NoErr(p.t, m.Reject(false))
		}
		return got
	},
	"fully automatic cycle": func(p *peer, c ch) []string {
		durable(p, c, "q", rabbit.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q", "x-max-length": int32(1)})
		for _, body := range []string{"1", "2", "3"} {
			publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte(body)})
		}
		return []string{dead(wait(p, c, "q")), left(p, c, "q")}
	},
	"delivery limit": func(p *peer, c ch) []string {
		durable(p, c, "dl", nil)
		durable(p, c, "q", rabbit.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(2), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dl"})
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("1"), Headers: rabbit.Table{"mine": "x"}})
		var got []string
		for range 3 {
			m := wait(p, c, "q")
			got = append(got, dead(m))
			testx.NoErr(p.t, m.Reject(true))
		}
		return append(got, dead(wait(p, c, "dl")))
	},
	"priorities": func(p *peer, c ch) []string {
		durable(p, c, "q", rabbit.Table{"x-max-priority": int32(5)})
		for i, prio := range []uint8{0, 5, 9, 1, 5, 0} {
			publishFull(p, c, "", "q", rabbit.Publishing{Body: fmt.Append(nil, i), Priority: prio})
		}
		var got []string
		m := wait(p, c, "q")
		testx.NoErr(p.t, m.Reject(true))
		for range 6 {
			got = append(got, dead(wait(p, c, "q")))
		}
		return got
	},
	"single active consumer": func(p *peer, c ch) []string {
		durable(p, c, "q", rabbit.Table{"x-single-active-consumer": true})
		second := p.channel()
		a, err := c.Consume("q", "a", false, false, false, false, nil)
		testx.NoErr(p.t, err)
		b, err := second.Consume("q", "b", false, false, false, false, nil)
		testx.NoErr(p.t, err)
		var got []string
		for i := range 3 {
			publishFull(p, c, "", "q", rabbit.Publishing{Body: fmt.Append(nil, i)})
			m := next(p.t, a)
			got = append(got, "a "+dead(m))
		}
		testx.NoErr(p.t, c.Close())
		for range 3 {
			got = append(got, "b "+dead(next(p.t, b)))
		}
		return got
	},
	"stream": func(p *peer, c ch) []string {
		durable(p, c, "q", rabbit.Table{"x-queue-type": "stream", "x-max-age": "1h", "x-max-length-bytes": int64(1 << 30)})
		testx.NoErr(p.t, c.Confirm(false))
		for i := range 10 {
			conf, err := c.PublishWithDeferredConfirm("", "q", false, false, rabbit.Publishing{Body: fmt.Append(nil, i), Headers: rabbit.Table{"mine": "x"}})
			testx.NoErr(p.t, err)
			testx.Equal(p.t, conf.Wait(), true)
		}
		var got []string
		for _, from := range []any{"first", int64(7), "1h"} {
			ch := p.channel()
			testx.NoErr(p.t, ch.Qos(2, 0, false))
			d, err := ch.Consume("q", "", false, false, false, false, rabbit.Table{"x-stream-offset": from})
			testx.NoErr(p.t, err)
			for range 3 {
				m := next(p.t, d)
				got = append(got, fmt.Sprintf("%s offset %v %T redelivered %v %v", m.Body, m.Headers["x-stream-offset"], m.Headers["x-stream-offset"], m.Redelivered, m.Headers["mine"]))
				testx.NoErr(p.t, m.Ack(false))
			}
		}
		late := p.channel()
		testx.NoErr(p.t, late.Qos(2, 0, false))
		d, err := late.Consume("q", "", false, false, false, false, nil)
		testx.NoErr(p.t, err)
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("new")})
		return append(got, string(next(p.t, d).Body))
	},
	"transactions": func(p *peer, c ch) []string {
		durable(p, c, "q", nil)
		testx.NoErr(p.t, c.Tx())
		returns := c.NotifyReturn(make(chan rabbit.Return, 10))
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("rolled back")})
		testx.NoErr(p.t, c.TxRollback())
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("1")})
		publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("2"), DeliveryMode: 2})
		testx.NoErr(p.t, c.Publish("", "nowhere", true, false, rabbit.Publishing{Body: []byte("3")}))
		got := []string{left(p, c, "q"), fmt.Sprint(len(returns))}
		testx.NoErr(p.t, c.TxCommit())
		r := <-returns
		got = append(got, left(p, c, "q"), string(r.Body), r.ReplyText)
		m := wait(p, c, "q")
		testx.NoErr(p.t, m.Ack(false))
		testx.NoErr(p.t, c.TxRollback())
		testx.NoErr(p.t, m.Nack(false, true)) // it is unacknowledged again
		testx.NoErr(p.t, c.TxCommit())
		got = append(got, dead(wait(p, c, "q")))
		m = wait(p, c, "q")
		testx.NoErr(p.t, m.Ack(true))
		testx.NoErr(p.t, c.TxCommit())
		return append(got, left(p, c, "q"))
	},
}

func durable(p *peer, c ch, name string, args rabbit.Table) {
	p.t.Helper()
	_, err := c.QueueDeclare(name, true, false, false, false, args)
	testx.NoErr(p.t, err)
}

func publishFull(p *peer, c ch, exchange, key string, m rabbit.Publishing) {
	p.t.Helper()
	testx.NoErr(p.t, c.Publish(exchange, key, false, false, m))
}

// wait takes a message with basic.get once there is one.
func wait(p *peer, c ch, q string) (m rabbit.Delivery) {
	p.t.Helper()
	testx.Eventually(p.t, "a message in "+q, func() bool {
		var ok bool
		m, ok = get(p.t, c, q, false)
		return ok
	})
	return m
}

func left(p *peer, c ch, q string) string {
	p.t.Helper()
	s, err := c.QueueDeclarePassive(q, true, false, false, false, nil)
	testx.NoErr(p.t, err)
	return fmt.Sprint("left ", s.Messages)
}

// TestRabbitMQ plays all scenarios on this broker and on RabbitMQ, and holds
// the table of errors against the latter.
func TestRabbitMQ(t *testing.T) {
	url := strings.Replace(rabbittest.Start(t), "rabbit://", "amqp://", 1)
	t.Cleanup(rabbittest.Stop)
	theirs := &peer{t, func() (*rabbit.Connection, error) { return rabbit.Dial(url) }}
	clean := func() {
		ch := theirs.channel()
		for _, q := range []string{"q", "dl"} {
			_, err := ch.QueueDelete(q, false, false, false)
			testx.NoErr(t, err)
		}
		testx.NoErr(t, ch.ExchangeDelete("x", false, false))
		testx.NoErr(t, ch.ExchangeDelete("in", false, false))
	}
	for name, play := range scenarios {
		t.Run(name, func(t *testing.T) {
			defer clean()
			b := newBroker(t, broker.Config{})
			ours := &peer{t, func() (*rabbit.Connection, error) {
				return rabbit.DialConfig("amqp://guest:guest@memory/", rabbit.Config{Dial: func(string, string) (net.Conn, error) { return b.Dial() }})
			}}
			want := &peer{t, theirs.dial}
			testx.Equal(t, play(ours, ours.channel()), play(want, want.channel()))
		})
	}
	t.Run("tracing", func(t *testing.T) {
		defer clean()
		tracesLikeRabbitMQ(t, &peer{t, theirs.dial})
	})
	for _, tc := range errorTests {
		t.Run(tc.name, func(t *testing.T) {
			defer clean()
			p := &peer{t, theirs.dial}
			err := tc.do(p.channel())
			var got *rabbit.Error
			if !errors.As(err, &got) || got == nil {
				t.Fatalf("got error %v; want one of AMQP", err)
			}
			testx.Equal(t, []any{tc.code, tc.text}, []any{got.Code, got.Reason})
		})
	}
}

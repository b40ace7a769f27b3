package broker_test

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/policy"
	"nubo/broker/user"
	"nubo/internal/testx"
)

func dialVHost(b *broker.Broker, name, vhost string) (*rabbit.Connection, error) {
	return rabbit.DialConfig("amqp://memory", rabbit.Config{
		Vhost: vhost, SASL: []rabbit.Authentication{&rabbit.PlainAuth{Username: name, Password: name}},
		Dial: func(string, string) (net.Conn, error) { return b.Dial() },
	})
}

func wantError(t *testing.T, err error, code int, text string) {
	t.Helper()
	var got *rabbit.Error
	if !errors.As(err, &got) || got == nil {
		t.Fatalf("got error %v; want one of AMQP", err)
	}
	testx.Equal(t, []any{got.Code, got.Reason}, []any{code, text})
}

// TestPolicies has policies come and go while queues and exchanges live.
func TestPolicies(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	v, err := b.VHost("/")
	testx.NoErr(t, err)
	declare(t, ch, "dl", nil)
	declare(t, ch, "work.1", nil)
	for _, body := range []string{"1", "2", "3"} {
		publish(t, ch, "", "work.1", body)
	}
	set := func(operator bool, name string, priority int, def amqp.Table) {
		t.Helper()
		testx.NoErr(t, v.SetPolicy(policy.Policy{Name: name, Pattern: "^work", ApplyTo: "queues", Priority: priority, Definition: def}, operator))
	}
	set(false, "loses", 0, amqp.Table{"max-length": int64(0)})
	testx.Equal(t, drain(t, ch, "work.1"), []string{})
	set(false, "wins", 1, amqp.Table{"max-length": int64(2), "dead-letter-exchange": "", "dead-letter-routing-key": "dl"})
	for _, body := range []string{"4", "5", "6"} {
		publish(t, ch, "", "work.1", body)
	}
	testx.Equal(t, drain(t, ch, "dl"), []string{"4"})
	set(true, "bounds", 0, amqp.Table{"max-length": int64(1)})
	testx.Equal(t, drain(t, ch, "dl"), []string{"5"})
	declare(t, ch, "work.2", nil) // has them from the start
	publish(t, ch, "", "work.2", "7")
	publish(t, ch, "", "work.2", "8")
	testx.Equal(t, drain(t, ch, "work.2"), []string{"8"})
	for _, name := range []string{"wins", "loses"} {
		found, err := v.DeletePolicy(name, false)
		testx.NoErr(t, err)
		testx.Equal(t, found, true)
	}
	testx.Equal(t, len(v.Policies(false)), 0)
	publish(t, ch, "", "work.1", "9")
	testx.Equal(t, drain(t, ch, "work.1"), []string{"9"})
	testx.Equal(t, drain(t, ch, "dl"), []string{"7"})

	testx.NoErr(t, ch.ExchangeDeclare("x", "direct", false, false, false, false, nil))
	testx.NoErr(t, v.SetPolicy(policy.Policy{Name: "alt", Pattern: "^x$", Definition: amqp.Table{"alternate-exchange": "amq.fanout"}}, false))
	bind(t, ch, "dl", "", "amq.fanout", nil)
	publish(t, ch, "x", "nowhere", "lost and found")
	testx.Equal(t, drain(t, ch, "dl"), []string{"lost and found"})
}

func TestPolicyValidation(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]policy.Policy{
		"Validation failed\n\nno policy provided\n":                                                                 {Pattern: ".*"},
		"Validation failed\n\n[{<<\"nope\">>,1}] are not recognised policy settings\n":                              {Definition: amqp.Table{"nope": int64(1)}},
		"Validation failed\n\n-1 is not a valid message ttl\n":                                                      {Definition: amqp.Table{"message-ttl": int64(-1)}},
		"Validation failed\n\n<<\"x\">> is not a valid overflow\n":                                                  {Definition: amqp.Table{"overflow": "x"}},
		"Validation failed\n\n\"(\" should be a regular expression: error parsing regexp: missing closing ): `(`\n": {Pattern: "("},
	} {
		err := p.Check(false)
		if err == nil || err.Error() != want {
			t.Errorf("got %q; want %q", err, want)
		}
	}
	bad := policy.Policy{Definition: amqp.Table{"dead-letter-exchange": "x"}}
	testx.NoErr(t, bad.Check(false))
	if bad.Check(true) == nil {
		t.Error("an operator policy took a setting that is not a limit")
	}
}

// TestVHosts keeps virtual hosts, their users and their limits apart.
func TestVHosts(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	testx.NoErr(t, b.AddVHost(broker.VHostInfo{Name: "other", Description: "another", Tags: []string{"t"}}))
	testx.ErrIs(t, b.AddVHost(broker.VHostInfo{Name: "other"}), broker.ErrVHostExists)
	testx.NoErr(t, b.AddUser("nova", "nova"))
	_, err := dialVHost(b, "nova", "other")
	wantError(t, err, 530, "NOT_ALLOWED - access to vhost 'other' refused for user 'nova'")
	testx.NoErr(t, b.SetPermissions("nova", "other", ".*", ".*", ".*"))
	testx.ErrIs(t, b.SetPermissions("nova", "none", ".*", ".*", ".*"), broker.ErrUnknownVHost)

	v, err := b.VHost("other")
	testx.NoErr(t, err)
	testx.NoErr(t, v.SetLimit("max-connections", 1))
	testx.NoErr(t, v.SetLimit("max-queues", 1))
	c, err := dialVHost(b, "nova", "other")
	testx.NoErr(t, err)
	defer c.Close()
	_, err = dialVHost(b, "nova", "other")
	wantError(t, err, 530, "NOT_ALLOWED - access to vhost 'other' refused for user 'nova': connection limit (1) is reached")
	ch, err := c.Channel()
	testx.NoErr(t, err)
	declare(t, ch, "q", nil)
	_, err = ch.QueueDeclare("q2", false, false, false, false, nil)
	wantError(t, err, 406, "PRECONDITION_FAILED - cannot declare queue 'q2': queue limit in vhost 'other' (1) is reached")

	closed := c.NotifyClose(make(chan *rabbit.Error, 1))
	testx.NoErr(t, b.DeleteVHost("other"))
	wantError(t, <-closed, 320, "CONNECTION_FORCED - vhost 'other' is deleted")
	testx.ErrIs(t, b.DeleteVHost("other"), broker.ErrUnknownVHost)
	testx.Equal(t, b.VHosts(), []broker.VHostInfo{{Name: "/", Description: "Default virtual host"}})
	_, err = dialVHost(b, "nova", "other")
	wantError(t, err, 530, "NOT_ALLOWED - vhost other not found")
}

// TestUserLimits counts a user's connections and channels.
func TestUserLimits(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	testx.NoErr(t, b.AddUser("nova", "nova"))
	r := b.UserRegistry()
	testx.ErrIs(t, r.SetLimit("nova", "max-fun", 1), user.ErrLimit)
	testx.NoErr(t, r.SetLimit("nova", user.MaxConnections, 1))
	testx.NoErr(t, r.SetLimit("nova", user.MaxChannels, 1))
	c, err := dialVHost(b, "nova", "/")
	testx.NoErr(t, err)
	_, err = dialVHost(b, "nova", "/")
	wantError(t, err, 530, "NOT_ALLOWED - connection refused for user 'nova': user connection limit (1) is reached")
	ch, err := c.Channel()
	testx.NoErr(t, err)
	testx.NoErr(t, ch.Close())
	_, err = c.Channel() // the first does not count any more
	testx.NoErr(t, err)
	_, err = c.Channel()
	wantError(t, err, 530, "NOT_ALLOWED - number of channels opened for user 'nova' has reached the maximum allowed user limit of (1)")
	testx.NoErr(t, r.ClearLimit("nova", user.MaxConnections))
	for range 2 {
		c, err = dialVHost(b, "nova", "/")
		testx.NoErr(t, err)
	}
	closed := c.NotifyClose(make(chan *rabbit.Error, 1))
	testx.NoErr(t, b.DeleteUser("nova"))
	wantError(t, <-closed, 320, "CONNECTION_FORCED - user 'nova' was deleted")
}

func TestTopicPermissions(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	testx.NoErr(t, b.AddUser("nova", "nova"))
	testx.NoErr(t, b.UserRegistry().SetTopicPermissions(user.TopicGrant{User: "nova", VHost: "/", Exchange: "amq.topic", Write: "^{username}\\.", Read: "^public\\."}))
	open := func() *rabbit.Channel {
		c, err := dialVHost(b, "nova", "/")
		testx.NoErr(t, err)
		t.Cleanup(func() { c.Close() })
		ch, err := c.Channel()
		testx.NoErr(t, err)
		return ch
	}
	ch := open()
	declare(t, ch, "q", nil)
	wantError(t, ch.QueueBind("q", "private.x", "amq.topic", false, nil), 403,
		"ACCESS_REFUSED - access to topic 'private.x' in exchange 'amq.topic' in vhost '/' refused for user 'nova'")
	ch = open()
	bind(t, ch, "q", "public.x", "amq.topic", nil)
	publish(t, ch, "amq.topic", "nova.x", "allowed")
	closed := ch.NotifyClose(make(chan *rabbit.Error, 1))
	publish(t, ch, "amq.topic", "glance.x", "refused")
	wantError(t, <-closed, 403, "ACCESS_REFUSED - access to topic 'glance.x' in exchange 'amq.topic' in vhost '/' refused for user 'nova'")
	testx.NoErr(t, b.UserRegistry().ClearTopicPermissions("nova", "/", ""))
	testx.Equal(t, len(b.UserRegistry().TopicGrants()), 0)
	bind(t, open(), "q", "private.x", "amq.topic", nil)
}

// TestConsumerTimeout closes the channel of a consumer that never acknowledges
// and gives its message to another.
func TestConsumerTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, broker.Config{ConsumerTimeout: time.Minute})
		conn := dial(t, b)
		slow, err := conn.Channel()
		testx.NoErr(t, err)
		declare(t, slow, "q", nil)
		declare(t, slow, "patient", rabbit.Table{"x-consumer-timeout": int64(30000)})
		closed := slow.NotifyClose(make(chan *rabbit.Error, 1))
		d := consume(t, slow, "patient", false)
		publish(t, slow, "", "patient", "m")
		next(t, d)
		start := time.Now()
		wantError(t, <-closed, 406, "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 30000 ms. This timeout value can be configured, see consumers doc guide to learn more")
		if waited := time.Since(start); waited < 30*time.Second || waited > 40*time.Second {
			t.Errorf("closed after %s", waited)
		}
		other, err := conn.Channel() // the connection lives on
		testx.NoErr(t, err)
		m, ok := get(t, other, "patient", true)
		testx.Equal(t, []any{ok, string(m.Body), m.Redelivered}, []any{true, "m", true})
		conn.Close()
	})
}

// TestDefaultQueueType gives queues that do not say a type that of the vhost.
func TestDefaultQueueType(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	testx.NoErr(t, b.AddVHost(broker.VHostInfo{Name: "q", DefaultQueueType: "quorum"}))
	testx.NoErr(t, b.SetPermissions("guest", "q", ".*", ".*", ".*"))
	c, err := dialVHost(b, "guest", "q")
	testx.NoErr(t, err)
	defer c.Close()
	ch, err := c.Channel()
	testx.NoErr(t, err)
	for range 2 { // again is the same
		_, err = ch.QueueDeclare("durable", true, false, false, false, nil)
		testx.NoErr(t, err)
	}
	_, err = ch.QueueDeclare("classic", true, false, false, false, rabbit.Table{"x-queue-type": "classic"})
	testx.NoErr(t, err)
	_, err = ch.QueueDeclare("transient", false, false, false, false, nil)
	testx.NoErr(t, err)
	v, err := b.VHost("q")
	testx.NoErr(t, err)
	got := map[string]string{}
	for _, q := range v.Queues() {
		got[q.Name] = string(q.Type)
	}
	testx.Equal(t, got, map[string]string{"durable": "quorum", "classic": "classic", "transient": "classic"})
	testx.NoErr(t, b.UpdateVHost(broker.VHostInfo{Name: "q"}))
	_, err = ch.QueueDeclare("now classic", true, false, false, false, nil)
	testx.NoErr(t, err)
	_, err = ch.QueueDeclare("durable", true, false, false, false, nil)
	if err == nil {
		t.Error("a quorum queue was declared as what is now the default")
	}
}

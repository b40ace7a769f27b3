package broker_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"nubo/amqp"
	"nubo/broker"
	"nubo/internal/testx"
)

func context100() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 100*time.Millisecond)
}

// TestHeartbeat has a client that reads but says nothing: it gets heartbeats,
// and is cut off after two intervals of silence.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, broker.Config{})
		r := rawDial(t, b)
		r.login(nil, "PLAIN", "\x00guest\x00guest")
		r.expect(0, amqp.IDConnectionTune)
		r.send(0, &amqp.ConnectionTuneOk{Heartbeat: 10})
		r.send(0, &amqp.ConnectionOpen{VirtualHost: "/"})
		r.expect(0, amqp.IDConnectionOpenOk)
		testx.NoErr(t, r.nc.SetDeadline(time.Time{}))
		beats := func() (n int, life time.Duration) {
			for start := time.Now(); ; n++ {
				f, err := r.frame()
				if err != nil {
					testx.ErrIs(t, err, io.EOF)
					return n, time.Since(start).Round(time.Second)
				}
				testx.Equal(t, f.Type, uint8(amqp.FrameHeartbeat))
			}
		}
		n, life := beats()
		testx.Equal(t, n >= 3 && n <= 5, true)
		testx.Equal(t, life >= 20*time.Second && life <= 23*time.Second, true)
	})
}

// TestHeartbeatKeepsAlive has a client that sends heartbeats and nothing else.
func TestHeartbeatKeepsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, broker.Config{})
		r := rawDial(t, b)
		r.login(nil, "PLAIN", "\x00guest\x00guest")
		r.expect(0, amqp.IDConnectionTune)
		r.send(0, &amqp.ConnectionTuneOk{Heartbeat: 10})
		r.send(0, &amqp.ConnectionOpen{VirtualHost: "/"})
		r.expect(0, amqp.IDConnectionOpenOk)
		testx.NoErr(t, r.nc.SetDeadline(time.Time{}))
		for range 20 {
			time.Sleep(10 * time.Second)
			r.write(amqp.AppendHeartbeat(nil))
		}
		testx.Equal(t, len(b.Stats().Connections), 1)
	})
}

// TestSilentHandshake has a client that connects and says nothing.
func TestSilentHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rawDial(t, newBroker(t, broker.Config{}))
		testx.NoErr(t, r.nc.SetDeadline(time.Time{}))
		start := time.Now()
		_, err := r.frame()
		testx.ErrIs(t, err, io.EOF)
		testx.Equal(t, time.Since(start) <= 11*time.Second, true)
	})
}

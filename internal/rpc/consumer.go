package rpc

import (
	"context"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// consumer keeps a connection on which queues are consumed.
type consumer struct {
	bus     *Bus
	purpose string
	// prefetch bounds the unacknowledged messages of each queue; 0 is no bound.
	prefetch int
	// declare makes the queues.
	declare func(topology) (queues []string, err error)
	// up and down tell when the queues are consumed and when no more.
	up, down func()
	// consume handles one queue's messages until the channel is closed or
	// ctx ends.
	consume func(ctx context.Context, deliveries <-chan amqp.Delivery)
	// stopped runs on the still open channel when ctx has ended and every
	// consume has returned.
	stopped func(*amqp.Channel)
}

// run consumes until ctx or the bus ends.
func (c *consumer) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.bus.ctx, cancel)()
	for attempt := 0; ; attempt++ {
		// A broker that takes the connection but refuses the queues must
		// not be asked in a tight loop.
		if sleep(ctx, backoff(attempt)) != nil {
			break
		}
		l, err := c.bus.connect(ctx, c.purpose)
		if err != nil {
			break
		}
		consumed, err := c.session(ctx, l)
		l.close()
		if ctx.Err() != nil {
			break
		}
		if consumed {
			attempt = 0
		}
		c.bus.log.Warn("consuming was interrupted", "purpose", c.purpose, "error", err)
	}
}

// session consumes on one connection; it reports whether that ever began.
func (c *consumer) session(ctx context.Context, l *link) (consumed bool, err error) {
	ch, err := l.Channel()
	if err != nil {
		return false, err
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	queues, err := c.declare(topology{ch, c.bus.cfg.AMQPDurableQueues})
	if err != nil {
		return false, err
	}
	if c.prefetch > 0 {
		if err := ch.Qos(c.prefetch, 0, false); err != nil {
			return false, err
		}
	}
	// A queue that is deleted takes its consumer with it.
	canceled := ch.NotifyCancel(make(chan string, len(queues)))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for i, q := range queues {
		deliveries, err := ch.Consume(q, strconv.Itoa(i+1), false, false, false, false, nil)
		if err != nil {
			stop(err)
			wg.Wait()
			return false, err
		}
		wg.Go(func() { c.consume(ctx, deliveries) })
	}
	c.up()
	select {
	case <-ctx.Done():
		for i := range queues {
			// An error means the channel is closed, and so is the consumer.
			_ = ch.Cancel(strconv.Itoa(i+1), true)
		}
	case tag := <-canceled:
		err = &amqp.Error{Code: amqp.NotFound, Reason: "the queue of consumer " + tag + " was deleted", Server: true}
	case e := <-closed:
		if err = amqp.ErrClosed; e != nil {
			err = e
		}
	}
	c.down()
	if ctx.Err() == nil {
		stop(err)
		wg.Wait()
		return true, err
	}
	wg.Wait()
	if c.stopped != nil {
		c.stopped(ch)
	}
	return true, nil
}

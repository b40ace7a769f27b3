package vhost

import (
	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/queue"
)

// Route is where messages published to an exchange with some key go.
type Route struct {
	Exchange *Exchange
	Queues   []*queue.Queue
	// ByKey is set if the route depends on exchange and key only, so that it
	// may be used again for others while Generation stands still.
	ByKey bool
}

// Route finds the queues for a message, each once.
func (v *VHost) Route(exchange string, m match.Message) (Route, *amqp.Error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	x := v.exchanges[exchange]
	if x == nil {
		return Route{}, v.NoExchange(exchange)
	}
	w := walk{v: v, msg: m, route: Route{Exchange: x, ByKey: true}}
	w.exchange(x)
	for len(w.todo) > 0 {
		next := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		w.exchange(next)
	}
	return w.route, nil
}

// walk is one search through the exchanges. The vhost's lock is held.
type walk struct {
	v     *VHost
	msg   match.Message
	route Route
	found []dest
	todo  []*Exchange
	seenX map[*Exchange]bool
	seenQ map[*queue.Queue]bool
}

// exchange adds what x leads to: queues to the route, exchanges to the list of
// those to do; the alternate exchange if it leads nowhere.
func (w *walk) exchange(x *Exchange) {
	if w.seenX[x] {
		return
	}
	if w.seenX == nil {
		w.seenX = make(map[*Exchange]bool, 1)
	}
	w.seenX[x] = true
	if x.Kind == match.Headers {
		w.route.ByKey = false
	}
	if x.Name == "" {
		if q := w.v.queues[w.msg.Key]; q != nil {
			w.queue(q)
			return
		}
	}
	w.found = x.match(w.msg, w.found[:0])
	for _, d := range w.found {
		if d.x != nil {
			w.todo = append(w.todo, d.x)
		} else {
			w.queue(d.q)
		}
	}
	if len(w.found) == 0 && x.alternate != "" {
		if alt := w.v.exchanges[x.alternate]; alt != nil {
			w.todo = append(w.todo, alt)
		}
	}
}

// queue adds q to the route unless it is there.
func (w *walk) queue(q *queue.Queue) {
	if len(w.route.Queues) < 8 {
		for _, o := range w.route.Queues {
			if o == q {
				return
			}
		}
	} else {
		if w.seenQ == nil {
			w.seenQ = make(map[*queue.Queue]bool)
			for _, o := range w.route.Queues {
				w.seenQ[o] = true
			}
		}
		if w.seenQ[q] {
			return
		}
		w.seenQ[q] = true
	}
	w.route.Queues = append(w.route.Queues, q)
}

// match appends the destinations of a message. The vhost's lock is held, for
// reading at least.
func (x *Exchange) match(m match.Message, dst []dest) []dest {
	mt := x.matcher.Load()
	if mt == nil {
		list := make([]match.Binding[dest], 0, len(x.bindings))
		for _, b := range x.bindings {
			list = append(list, match.Binding[dest]{Dest: b.dest, Key: b.key, Args: b.args})
		}
		mt = &matcher{match.New(x.Kind, list)}
		x.matcher.Store(mt)
	}
	return mt.Match(m, dst)
}

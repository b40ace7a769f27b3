// Package match decides where a message goes: given the bindings of one
// exchange, which destinations take a routing key and headers.
//
// A Matcher is immutable. An exchange builds a new one after its bindings
// changed and swaps it in; publishers use whichever they loaded, without locks.
package match

import "nubo/amqp"

// Binding is one binding of an exchange. D identifies the destination.
type Binding[D comparable] struct {
	Dest D
	Key  string
	Args amqp.Table
}

// Message is what bindings are matched against.
type Message struct {
	Key string
	// Headers gives the headers; it is called only by exchanges that need them.
	Headers func() amqp.Table
}

// Matcher finds destinations.
type Matcher[D comparable] interface {
	// Match appends the destinations of a message to dst. One may appear
	// more than once if several bindings lead to it.
	Match(m Message, dst []D) []D
}

// The exchange types.
const (
	Direct  = "direct"
	Fanout  = "fanout"
	Topic   = "topic"
	Headers = "headers"
)

// Known tells whether there is an exchange type of the name.
func Known(kind string) bool {
	switch kind {
	case Direct, Fanout, Topic, Headers:
		return true
	}
	return false
}

// New builds the matcher of an exchange type.
func New[D comparable](kind string, bindings []Binding[D]) Matcher[D] {
	switch kind {
	case Fanout:
		return newFanout(bindings)
	case Topic:
		return newTopic(bindings)
	case Headers:
		return newHeaders(bindings)
	default:
		return newDirect(bindings)
	}
}

// direct maps a routing key to destinations.
type direct[D comparable] map[string][]D

func newDirect[D comparable](bindings []Binding[D]) direct[D] {
	m := make(direct[D], len(bindings))
	for _, b := range bindings {
		m[b.Key] = append(m[b.Key], b.Dest)
	}
	return m
}

func (m direct[D]) Match(msg Message, dst []D) []D { return append(dst, m[msg.Key]...) }

// fanout is every destination.
type fanout[D comparable] []D

func newFanout[D comparable](bindings []Binding[D]) fanout[D] {
	m := make(fanout[D], 0, len(bindings))
	seen := make(map[D]bool, len(bindings))
	for _, b := range bindings {
		if !seen[b.Dest] {
			seen[b.Dest] = true
			m = append(m, b.Dest)
		}
	}
	return m
}

func (m fanout[D]) Match(_ Message, dst []D) []D { return append(dst, m...) }

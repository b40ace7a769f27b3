package metrics

import (
	"strconv"

	"nubo/broker"
)

// exposition is the text Prometheus reads, as far as it is written.
type exposition struct{ buf []byte }

// family begins a metric with its type and help.
func (e *exposition) family(name, kind, help string) {
	e.buf = append(e.buf, "# TYPE "+name+" "+kind+"\n# HELP "+name+" "+help+"\n"...)
}

// value writes a value without labels.
func (e *exposition) value(name string, v float64) {
	e.buf = append(append(e.buf, name...), ' ')
	e.buf = append(strconv.AppendFloat(e.buf, v, 'g', -1, 64), '\n')
}

func (e *exposition) overview(b *broker.Broker) {
	s := b.Stats()
	e.family("rabbitmq_connections", "gauge", "Connections currently open")
	e.value("rabbitmq_connections", float64(len(s.Connections)))
}

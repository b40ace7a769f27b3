package metrics

import (
	"strconv"
	"strings"
)

// exposition is the text Prometheus reads, as far as it is written.
type exposition struct{ buf []byte }

// sample is the values of one object.
type sample struct {
	labels string
	values []float64
}

// write writes a family: every object with its labels, or all added up. in
// says which virtual hosts are asked for; nil is all.
func (e *exposition) write(prefix string, f family, s *snapshot, perObject bool, in func(vhost string) bool) {
	var samples []sample
	sum := make([]float64, len(f.metrics))
	f.collect(s, func(vhost, labels string, values ...float64) {
		if in != nil && !in(vhost) {
			return
		}
		samples = append(samples, sample{labels, values})
		for i, v := range values {
			sum[i] += v
		}
	})
	if !perObject {
		samples = []sample{{values: sum}}
	}
	if len(samples) == 0 {
		return
	}
	for i, m := range f.metrics {
		name := "rabbitmq_" + prefix + m.name
		e.buf = append(e.buf, "# TYPE "+name+" "+m.kind+"\n# HELP "+name+" "+m.help+"\n"...)
		for _, x := range samples {
			e.buf = append(e.buf, name...)
			if x.labels != "" {
				e.buf = append(append(append(e.buf, '{'), x.labels...), '}')
			}
			e.buf = append(e.buf, ' ')
			e.buf = strconv.AppendFloat(e.buf, x.values[i], 'g', -1, 64)
			e.buf = append(e.buf, '\n')
		}
	}
}

// escape makes a label's value safe.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labels joins names and values.
func labels(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(pairs[i])
		b.WriteString(`="`)
		b.WriteString(escape.Replace(pairs[i+1]))
		b.WriteByte('"')
	}
	return b.String()
}

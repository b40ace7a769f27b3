// Package metrics is what Prometheus collects of a broker, under the names
// RabbitMQ's plugin gives it: /metrics adds all objects up, /metrics/per-object
// tells them apart, /metrics/detailed has the families and virtual hosts that
// are asked for.
package metrics

import (
	"net/http"
	"net/url"
	"slices"

	"nubo/broker"
)

// Handler serves the metrics of a broker.
func Handler(b *broker.Broker) http.Handler {
	mux := http.NewServeMux()
	serve := func(path string, write func(*exposition, *snapshot, url.Values)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			e := &exposition{}
			s := take(b)
			write(e, s, r.URL.Query())
			e.write("", identity, s, true, nil)
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = w.Write(e.buf) // the client is gone: nobody to tell
		})
	}
	serve("/metrics", func(e *exposition, s *snapshot, _ url.Values) { e.all(s, false) })
	serve("/metrics/per-object", func(e *exposition, s *snapshot, _ url.Values) { e.all(s, true) })
	serve("/metrics/detailed", detailed)
	serve("/metrics/memory-breakdown", func(e *exposition, s *snapshot, _ url.Values) { e.write("", memory, s, true, nil) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!DOCTYPE html><html><body><a href="metrics">metrics</a></body></html>`))
	})
	return mux
}

// all writes all families.
func (e *exposition) all(s *snapshot, perObject bool) {
	for _, f := range families {
		e.write("", f, s, perObject || f.always, nil)
	}
}

// detailed writes the families that are asked for, of the virtual hosts that
// are asked for.
func detailed(e *exposition, s *snapshot, q url.Values) {
	var in func(string) bool
	if hosts := q["vhost"]; len(hosts) > 0 {
		in = func(vhost string) bool { return slices.Contains(hosts, vhost) }
	}
	for _, f := range families {
		if slices.Contains(q["family"], f.name) {
			e.write("detailed_", f, s, true, in)
		}
	}
	for _, f := range clusterFamilies {
		if slices.Contains(q["family"], f.name) {
			e.write("cluster_", f, s, true, in)
		}
	}
}

// family is a group of metrics that are collected together.
type family struct {
	name    string
	always  bool // the objects are few: they are never added up
	metrics []metric
	// collect calls add for every object, with its virtual host, its labels
	// and the values of the metrics in their order.
	collect func(s *snapshot, add func(vhost, labels string, values ...float64))
}

type metric struct {
	name, kind, help string
}

const (
	counter = "counter"
	gauge   = "gauge"
)

// snapshot is what metrics are collected from.
type snapshot struct {
	b       *broker.Broker
	stats   broker.Stats
	process broker.Process
}

func take(b *broker.Broker) *snapshot { return &snapshot{b, b.Snapshot(), b.Process()} }

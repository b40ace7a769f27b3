// Package metrics is what Prometheus collects of a broker, under the names
// RabbitMQ's plugin gives it.
package metrics

import (
	"net/http"

	"nubo/broker"
)

// Handler serves /metrics.
func Handler(b *broker.Broker) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		e := &exposition{}
		e.overview(b)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write(e.buf) // the client is gone: nobody to tell
	})
	return mux
}

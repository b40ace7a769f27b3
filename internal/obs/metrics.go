package obs

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry is a process's metrics. Modules register theirs through the
// embedded Prometheus registry, under names that begin with "nubo_".
type Registry struct{ *prometheus.Registry }

// NewRegistry makes a registry that has Go's and the process's own metrics.
func NewRegistry() *Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Registry{r}
}

// Handler serves the metrics at /metrics. One that cannot be collected is
// left out and told of by the status 500 only if none can.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, Registry: r.Registry})
}

// Must registers a metric and returns it, for use where it is declared. A
// metric of the same description that is registered already is returned in
// its place: a restarted module goes on counting where it was.
func Must[C prometheus.Collector](r *Registry, c C) C {
	err := r.Register(c)
	if dup, ok := err.(prometheus.AlreadyRegisteredError); ok {
		return dup.ExistingCollector.(C)
	}
	if err != nil {
		panic(err) // a programmer's mistake: the name is taken by another metric
	}
	return c
}

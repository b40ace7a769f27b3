package app

import (
	"context"
	"slices"

	"nubo/internal/service"
	"nubo/internal/trace"
)

// module is a line of the map: a name, what must be ready before it, and how
// it starts.
type module struct {
	name  string
	needs []string
	build func(*cloud) func(context.Context) (service.Service, error)
}

// modules is the map of the system. The order is for reading: the manager
// starts each as soon as what it needs is ready.
var modules = []module{
	{"broker", nil, of((*cloud).buildBroker)},
	{"identity", nil, of((*cloud).buildIdentity)},
	{"placement", []string{"identity"}, of((*cloud).buildPlacement)},
	{"image", []string{"identity", "broker"}, of((*cloud).buildImage)},

	{"network-api", []string{"identity", "broker"}, of((*cloud).buildNetworkAPI)},
	{"network-agent", []string{"network-api"}, of((*cloud).buildNetworkAgent)},

	{"volume-api", []string{"identity", "broker"}, of((*cloud).buildVolumeAPI)},
	{"volume-scheduler", []string{"volume-api"}, of((*cloud).buildVolumeScheduler)},
	{"volume-manager", []string{"volume-api", "image"}, of((*cloud).buildVolumeManager)},

	{"compute-api", []string{"identity", "broker"}, of((*cloud).buildComputeAPI)},
	{"compute-conductor", []string{"compute-api"}, of((*cloud).buildConductor)},
	{"compute-scheduler", []string{"compute-api", "placement"}, of((*cloud).buildScheduler)},
	{"compute-agent", []string{"compute-conductor", "placement"}, of((*cloud).buildComputeAgent)},
	{"compute-console", []string{"compute-api"}, of((*cloud).buildConsoleProxy)},

	{"dashboard", []string{"identity", "broker"}, of((*cloud).buildDashboard)},
}

// of makes a method of cloud a module's builder.
func of(m func(*cloud, context.Context) (service.Service, error)) func(*cloud) func(context.Context) (service.Service, error) {
	return func(c *cloud) func(context.Context) (service.Service, error) {
		return func(ctx context.Context) (service.Service, error) { return m(c, ctx) }
	}
}

// nodeModules are those of a compute host; all others make a controller.
var nodeModules = []string{"compute-agent", "network-agent"}

var allModules, controllerModules = names(func(string) bool { return true }),
	names(func(n string) bool { return !slices.Contains(nodeModules, n) })

func names(want func(string) bool) []string {
	var out []string
	for _, m := range modules {
		if want(m.name) {
			out = append(out, m.name)
		}
	}
	return out
}

// traced makes what a module does by itself known as its work.
func (c *cloud) traced(name string, build func(context.Context) (service.Service, error)) func(context.Context) (service.Service, error) {
	return func(ctx context.Context) (service.Service, error) {
		s, err := build(ctx)
		if err != nil {
			return nil, err
		}
		return service.Func(func(ctx context.Context, ready func()) error {
			return s.Run(trace.With(ctx, c.trace, name), ready)
		}), nil
	}
}

// addModules tells the manager of the modules this process is to run. What
// one needs of another process it reaches over the network, and waits for by
// trying again.
func (c *cloud) addModules(targets []string) {
	for _, m := range modules {
		if slices.Contains(targets, m.name) {
			needs := slices.DeleteFunc(slices.Clone(m.needs), func(n string) bool { return !slices.Contains(targets, n) })
			c.manager.Add(m.name, needs, c.traced(m.name, m.build(c)))
		}
	}
}

// Package compute does Nova's job: servers, and what they need around them.
//
// This package holds the domain types and the service logic, one file a
// resource; it knows neither JSON bodies nor SQL. Around it:
//
//	api/        the Compute API v2.1 with microversions, and the metadata service
//	store/      SQL
//	conductor/  takes builds from the API, asks the scheduler, writes for the agents
//	scheduler/  chooses hosts
//	agent/      nova-compute: one per host, drives a hypervisor by driver/
//	rpc.go      what these say to each other over the bus
//	notify.go   what the world is told
//
// The API, the conductor and the scheduler share the database; the agents
// have none and reach it by calls to the conductor.
//
// A server's row is changed only by compare-and-swap on its states (see
// Update): whoever loses the race gets a conflict and looks again.
package compute

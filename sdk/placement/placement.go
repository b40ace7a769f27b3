// Package placement holds the wire types and the client of the Placement API
// that the other components use.
package placement

import (
	"net/http"

	"nubo/sdk/rest"
)

// Version is the microversion the client speaks.
const Version = "placement 1.39"

// compactVersion is the newest microversion whose allocation candidates hold
// only what was asked for: no traits, no other classes, no mappings.
const compactVersion = "placement 1.16"

// Client speaks Placement; its endpoint is the service's root. It sets the
// microversion itself.
type Client struct{ *rest.Client }

// at is the client speaking a microversion.
func (c Client) at(version string) *rest.Client {
	d := *c.Client
	d.Version = version
	return &d
}

func (c Client) newest() *rest.Client { return c.at(Version) }

// The standard resource classes that nubo reports.
const (
	VCPU     = "VCPU"
	MemoryMB = "MEMORY_MB"
	DiskGB   = "DISK_GB"
)

// Resources are amounts by resource class.
type Resources map[string]int

// concurrentUpdate is the code of a conflict of generations.
const concurrentUpdate = "placement.concurrent_update"

// IsConcurrentUpdate reports whether err says that somebody else changed the
// provider or consumer meanwhile: read it again and retry.
func IsConcurrentUpdate(err error) bool {
	e, ok := asError(err)
	return ok && e.Status == http.StatusConflict && e.Type == concurrentUpdate
}

// IsRefused reports whether err says that the provider has not enough left
// for a claim, or not in such amounts: choose another one.
func IsRefused(err error) bool {
	e, ok := asError(err)
	return ok && e.Status == http.StatusConflict && e.Type != concurrentUpdate
}

// Package placement does Placement's job: it knows what every provider of
// resources has, who has which part of it, and where a request would fit.
//
//	providers.go    resource providers and their trees
//	inventories.go  what a provider has of a resource class
//	allocations.go  what a consumer has of it: claims
//	reshaper.go     both at once, moved between providers
//	candidates.go   where a request fits; groups.go is the request, search.go
//	                looks through one tree, forest.go knows all trees and who
//	                shares with which, nodes.go what is remembered of the
//	                providers between searches
//	traits.go       traits and aggregates of providers
//	classes.go usages.go   the smaller resources
//	faults.go       the errors, in Placement's words
//
// Two numbers keep writers apart. A provider's generation changes with its
// inventories, traits, aggregates and allocations; a consumer's with its
// allocations. Whoever writes says which one it has read. What is used of an
// inventory is kept beside it and changes in the transaction that changes the
// allocations, so that neither a claim nor a search ever adds allocations up.
package placement

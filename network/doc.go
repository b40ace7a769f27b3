// Package network does Neutron's job: virtual networks, their addresses, and
// routers, floating IPs and security groups between them.
//
// This package holds the domain types and the service logic, one file a
// resource; it knows neither JSON bodies nor SQL. Around it:
//
//	api/     the Networking API v2.0
//	store/   SQL
//	driver/  what carries packets on a host
//	agent/   one per host: makes the driver do what this package decided
//	rpc.go   what the plugin (this package) and the agents say to each other
//	state.go a host's desired state, which agents pull
//	notify.go  what the world, and compute, are told
//
// # How a change reaches a host
//
// One mechanism serves ports, networks, routers and security groups. A
// transaction that changes something adds a Dirty record to the outbox. The
// relay merges the records that have gathered, finds the hosts concerned and
// casts each a Notice: these objects are not as you know them. The agent asks
// for the desired state of just those (get_host_state), applies it, removes
// what came back absent, and tells in one batch what is up
// (update_statuses). A notice carries no state, so notices can be merged,
// repeated and overtaken without harm.
package network

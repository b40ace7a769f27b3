// Package app wires nubo together; there is no logic of a cloud in it.
//
//	cli.go        the command line
//	modules.go    the map of the system: every module, what it needs, how it starts
//	config.go     the configuration, assembled from the components' own structs
//	identity.go … one file a component: store → service → api, rpc, agents
//	up.go down.go status.go node.go   what the commands of those names do
package app

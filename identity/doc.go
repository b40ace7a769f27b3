// Package identity is nubo's Keystone: who is who, who may do what where,
// tokens, and the catalog of services. It serves Identity v3.
//
//	types.go        domains, projects, users, groups, roles, catalog
//	resources.go    the rules of creating, changing and deleting them
//	assignments.go  roles on projects, domains and the system, and what follows of them
//	tokens.go       signing in, and what a token means
//	passwords.go    hashing, bounded, and where there is a way in driver/hashing: apart from the requests
//	bootstrap.go    what a new cloud starts with
//	notify.go       what the bus is told of changes
//	fernet/         the sealed form of tokens, and their keys
//	store/ api/     the doors
package identity

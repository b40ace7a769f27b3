// Package volume is nubo's Cinder: block devices, their types, and what joins
// them to servers. It serves Block Storage v3.
//
//	volumes.go      volumes and their life
//	types.go        volume types
//	attachments.go  what joins a volume to a server
//	services.go     the processes of the component, their heartbeats
//	quotas.go       what a project may have
//	lifecycle.go    what the manager tells of a volume's way
//	rpc.go          the RPC of the component: scheduler and manager
//	notify.go       what the world is told
//	peers.go        the image service
//	api/ store/     the doors; manager/ the process that keeps the data
//	driver/         where the data is
package volume

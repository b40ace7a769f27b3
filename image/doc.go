// Package image is nubo's Glance: disk images, their description and their
// bytes. It serves Image v2.
//
//	images.go       images and the rules of changing them; recovery
//	data.go         upload and download
//	stores.go       the stores of bytes, and which copies an image has
//	imports.go      staging, and the import methods
//	tasks.go        the work that outlives a request, and its worker
//	members.go      sharing
//	notify.go       what the bus is told of images and members
//	quotas.go       what a project may have; limits.go asks identity
//	protections.go  who may do what with custom properties
//	metadefs.go     metadata definitions; common.json is what there is at first
//	cache.go        copies of what is downloaded
//	inspect/        what a file really is; the gate of every upload and import
//	api/ store/     the doors; driver/file, s3 and web keep and read bytes
package image

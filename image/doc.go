// Package image is nubo's Glance: disk images, their description and their
// bytes. It serves Image v2.
//
//	images.go     images and the rules of changing them
//	data.go       upload and download
//	members.go    sharing
//	inspect/      what a file really is; the gate of every upload
//	api/ store/   the doors; driver/file keeps the bytes
package image

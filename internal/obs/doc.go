// Package obs is how nubo is watched: logs and metrics.
//
// Logs are log/slog with constant messages and typed attributes. The handler
// made by [NewHandler] adds who asked, from auth.From of the context that the
// call was given, so that one request id is found in every component's log.
// It writes either lines in the manner of OpenStack's logs,
//
//	2026-11-21 10:00:00.123 INFO nubo.compute.scheduler [req-5d0… user project] host was weighed host=compute1 weight=3
//
// or JSON, one object a line. [Module] names a logger; levels go by name.
package obs

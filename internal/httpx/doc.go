// Package httpx is door 1 of every component: HTTP.
//
// An API is a table of routes. One line of it reads method, path, policy
// rule, handler:
//
//	httpx.GET("/servers/{id}", "os_compute_api:servers:show", h.showServer),
//	httpx.POST("/servers", "os_compute_api:servers:create", h.createServer, httpx.Body(schemas, "servers.create")),
//
// For each request the router, in this order: gives it a request id, finds
// the route, validates the token, negotiates the microversion, enforces the
// route's policy rule on the target, reads and validates the body, calls the
// handler, and turns the fault it returns into the service's own error
// envelope. Handlers return errors; they never write one.
//
// The rest of the package are the small things all handlers need: Decode,
// JSON, Param, page and filter parsing that reaches SQL, and Local, the
// transport by which components in one process call each other's handlers
// with the same bytes as over a socket.
package httpx

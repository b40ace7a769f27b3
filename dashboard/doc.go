// Package dashboard is the cloud's web page: what Skyline and Horizon are to
// OpenStack. It is a client of the other components like any other, and has
// no state of its own:
//
//	service.go   the routes
//	session.go   who is signed in: tokens sealed into an HttpOnly cookie
//	signin.go    sign in and out, choose a scope
//	answers.go   bodies read and written, errors in one envelope
//	guard.go     what every request must pass: origin, size, session
//	relay.go     /dashboard/api/SERVICE/…, the components' own APIs in the
//	             session's name
//	can.go       which policy rules allow the session something, in one call
//	pages.go     one request a page: several lists joined
//	search.go    things of every kind by a part of their name or address
//	events.go    what changes in the cloud, pushed: one stream a browser tab
//	broker.go    the message broker's pages, and who may see them
//	policies.go  the dashboard's own policy rules
//	console.go   servers' screens and serial ports, by WebSocket
//	ui.go        the front end's files (../web), or a small page without them
//
// # Safety
//
// The token never reaches the browser's scripts: it lives in a cookie that is
// sealed (AES-256-GCM), HttpOnly and SameSite=Strict. A request that changes
// something must come from a page of the same origin, shown by the Origin
// header, and carry the header X-Nubo-Dashboard, which no form can send.
package dashboard

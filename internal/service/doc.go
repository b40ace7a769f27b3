// Package service starts the modules of a process in the order of their
// needs, restarts what fails, and stops them in reverse.
//
// A module is a name, the names it needs, and a function that builds its
// [Service]. The states of a module:
//
//	new ──▶ starting ──ready()──▶ running
//	         ▲ ▲   │ error          │  │ Stop, or Run's end
//	         │ │   ▼                │  ▼            (also from starting)
//	back-off │ │  failed ◀──error───┘ stopping
//	         │ │   │  │                │
//	         └─│───┘  │ Stop           ▼
//	           │      └────────────▶ stopped
//	           └───────Start───────────┘
//
// Starting waits until every need is running. A module that fails takes none
// of those that need it with it: they have to reconnect, as they would to a
// peer in another process.
package service

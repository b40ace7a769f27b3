// Package trace remembers what requests did: for each the tree of its hops,
// with how long each took, over HTTP, the message bus, SQL and native APIs,
// and for the bus who calls what how often (see [Calls]).
//
// A [Recorder] belongs to a process and keeps the newest spans in bounded
// memory. A module's context names it and the module ([With]); a request
// that comes in begins a span there ([Root]), and whatever it does further
// hangs on that ([Begin], [Note]). Without a request there is no span: what
// components do by themselves leaves none.
//
// The trace's id is that of the request which somebody outside made: his own
// request id, or the global one he sent. Which span a request of another
// component belongs to travels beside the request id: in the header [Header]
// over HTTP, in the caller's context over RPC. A span's id is random and told
// to nobody who may not see the span, so that no foreign request can hang
// itself under it.
package trace

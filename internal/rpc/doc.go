// Package rpc is how processes of one component talk to each other (call,
// cast, fanout) and how every component tells the world what happened
// (notifications): oslo.messaging's protocol over AMQP 0-9-1, so that
// OpenStack's own Python services can be at either end.
//
// A Bus is one process's way to the broker. It keeps one connection for
// publishing, one for the replies to its calls, and one for each Serve or
// Listen, and opens each again for ever when it is lost.
//
// # Delivery
//
// A call is acknowledged to the broker when its handler starts, as
// oslo.messaging does: if the server dies the caller times out, and decides.
// Its handler's context ends when the caller stops waiting.
//
// A call that waits when a connection is lost is sent again, as it was, when
// the connection is back: a broker that ended has taken along requests that
// nobody had, and replies. The server that ran the call knows it by its
// _unique_id and sends the same reply again, if it remembers that (see
// answers); the server that is running it will reply. Another server of the
// topic, and one that was started meanwhile, runs it anew, perhaps while the
// first still does. So a call has its effect at least once if it is answered,
// seldom twice: its handler has to make the second time do what the first did,
// or refuse it. Of replies the first counts. oslo.messaging's servers drop a
// repeat of one of the last 16 requests; its callers repeat nothing.
//
// A cast or notification is acknowledged when its handler has returned, so
// that its effect is durable first; oslo.messaging acknowledges before. A
// handler that returns Requeue, or fails because the server is being stopped,
// has its message put back; any other error is logged and the message is
// done. A message that comes again carries Redelivered in its context, unless
// this server still remembers that it ran it (see window): then it is dropped.
//
// A publisher sends again what the broker did not confirm. Calls and casts
// are published mandatory (oslo.messaging's at_least_once option): a call
// nobody has a queue for is tried until it times out, a cast makes its
// server's queue and waits there. Fanouts are not: who is not there misses
// them.
//
// # Wire
//
// Bodies are {"oslo.version": "2.0", "oslo.message": "<JSON as a string>"}.
// The inner object has method, args, version, the caller flattened into
// _context_* keys, _unique_id for recognising repeats, and for calls _msg_id,
// _reply_q and _timeout. Exchanges and queues are not durable unless
// Config.AMQPDurableQueues says so:
//
//	topic    exchange nova (topic),                queues compute and compute.HOST
//	fanout   exchange compute_fanout (fanout),     queue compute_fanout_ID, expires
//	reply    default exchange,                     queue reply_ID, expires
//	notify   exchange nova (topic),                queue notifications.info
package rpc

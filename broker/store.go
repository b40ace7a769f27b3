package broker

import "nubo/broker/store"

// Store keeps the persistent messages of durable queues; see package store for
// what it must provide.
type Store = store.Store

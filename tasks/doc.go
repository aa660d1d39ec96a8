// Package tasks is the contract with producers and consumers: what an order is,
// how it is accepted, and how its result is read.
//
// A producer in Go needs this package and a go-redis client, nothing else:
// [Producer.Enqueue] writes the order into its journal and wakes a worker. A
// consumer reads [Result]s from the result stream. What happens in between is the
// worker's.
//
// An order is identified by merchant and out_trade_no. Enqueuing it again with
// the same content is harmless, with other content a conflict; either way nothing
// is submitted twice.
package tasks

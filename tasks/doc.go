// Package tasks is the contract with producers and consumers: the form of an order, how an
// order is accepted, and how its result is read.
//
// A producer in Go needs only this package and a go-redis client: [Producer.Enqueue] writes
// the order into its journal and wakes a worker. A consumer reads [Result]s from the result
// stream, with [NewResults] and [consume.Reader.Consume]. The worker does everything in between.
//
// Merchant and out_trade_no identify an order. Enqueuing it again with the same content is
// harmless; with other content it is a conflict. In neither case is anything submitted twice.
package tasks

// Package metrics counts what the worker does, and shows the numbers to Prometheus.
//
// [Metrics] receives events, as a event.Observer, and keeps the counters. [Metrics.Queues]
// reads the queues and streams in Redis at each scrape. [Mux] serves both, and the health
// pages. The worker does not import this package.
//
// Every metric follows three rules. [New] registers it with the given registry, never with a
// global one. Its labels have closed sets of values, so that no out_trade_no, and no text
// from the gateway or a producer, can become a series: a value outside the set counts as
// "other". A series that is known in advance exists from the start with the value 0, because
// rate() and increase() do not notice that a counter appears.
package metrics

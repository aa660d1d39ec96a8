// Package metrics counts what the worker does and shows it to Prometheus.
//
// [Metrics] is told events, as a worker.Observer, and keeps the counters;
// [Metrics.Queues] reads what stands in Redis at each scrape; [Mux] serves both,
// with the health pages. The worker imports none of this.
//
// Three rules hold for every metric. It is registered where [New] is told, never
// in a global registry. Its labels come from closed sets, so that no order number
// and no text sent by the gateway or a producer can become a series: what is not
// in the set counts as "other". And a series that can be foreseen exists from the
// start with the value 0, because rate() and increase() do not see a counter
// appear.
package metrics

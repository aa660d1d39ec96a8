package metrics

import "github.com/prometheus/client_golang/prometheus"

// described is a metric whose value a server tells by itself.
type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// healthDescs are the metrics of the server that has the shard, by the name that
// INFO gives the figure.
var healthDescs = map[string]described{
	"used_memory": {desc("redis_memory_used_bytes", "Memory that Redis uses for its data."), prometheus.GaugeValue},
	"maxmemory":   {desc("redis_memory_max_bytes", "maxmemory of Redis; 0 when it has none."), prometheus.GaugeValue},
	"evicted_keys": {desc("redis_evicted_keys_total", "Keys that Redis deleted to make room. Journals may be among them."),
		prometheus.CounterValue},
	"aof_enabled": {desc("redis_aof_enabled", "1 when Redis keeps an append-only file."), prometheus.GaugeValue},
	"aof_last_write_status": {desc("redis_aof_last_write_ok", "1 when the last write to Redis's append-only file went well."),
		prometheus.GaugeValue},
}

var (
	clockOffset = desc("redis_clock_offset_seconds",
		"How far this process's clock is ahead of Redis's; exact to half of the scrape's round trip to Redis.")
	oldestUnread = desc("results_oldest_unread_seconds",
		"How long the oldest entry has waited that a group has not read or not acknowledged; near WORKER_RESULTS_KEEP it is about to be removed.", "group")
)

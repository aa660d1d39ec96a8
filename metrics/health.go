package metrics

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// health is the state of the server that has the shard, as it reports it.
type health struct {
	now    time.Time          // its clock; zero if it did not answer
	offset time.Duration      // how far our clock is ahead of it
	values map[string]float64 // by the names of healthDescs; without the values that it did not report
}

//go:embed lua/health.lua
var healthScript string

// askHealth uses a script, because only a key leads to the right server of a Cluster. It must
// be the first command of the pipeline, so that the time of its answer is known best.
func askHealth(ctx context.Context, pipe redis.Pipeliner, keys tasks.Keys) *redis.Cmd {
	return pipe.Eval(ctx, healthScript, []string{keys.Due()})
}

// readHealth reads the answer to askHealth. The server read its clock between asked and
// answered; the middle is the best estimate, wrong by half of the round trip at most.
func readHealth(answer *redis.Cmd, asked, answered time.Time) health {
	words, err := answer.StringSlice()
	if err != nil || len(words) != 3 {
		return health{}
	}
	seconds, err := strconv.ParseInt(words[0], 10, 64)
	micros, err2 := strconv.ParseInt(words[1], 10, 64)
	if err != nil || err2 != nil {
		return health{}
	}
	now := time.Unix(seconds, micros*1000)
	middle := asked.Add(answered.Sub(asked) / 2)
	return health{now: now, offset: middle.Sub(now), values: figures(words[2])}
}

// figures returns the values of INFO that have a metric.
func figures(text string) map[string]float64 {
	values := map[string]float64{}
	info := redisserver.ParseInfo(text)
	for name := range healthDescs {
		value, told := info[name]
		switch {
		case !told:
			continue
		case value == "ok":
			value = "1"
		case value == "err":
			value = "0"
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = n
		}
	}
	return values
}

// collect shows the state of the server. A value that it did not report is missing, not 0:
// otherwise an alert would fire on a value that nobody measured.
func (h health) collect(ch chan<- prometheus.Metric) {
	if h.now.IsZero() {
		return
	}
	ch <- prometheus.MustNewConstMetric(clockOffset, prometheus.GaugeValue, h.offset.Seconds())
	for name, value := range h.values {
		d := healthDescs[name]
		ch <- prometheus.MustNewConstMetric(d.desc, d.kind, value)
	}
}

// described is a metric whose value the server reports itself.
type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// healthDescs are the metrics of the server that has the shard, by their names in INFO.
var healthDescs = map[string]described{
	"used_memory": {desc("redis_memory_used_bytes", "Memory that Redis uses for its data."), prometheus.GaugeValue},
	"maxmemory":   {desc("redis_memory_max_bytes", "maxmemory of Redis; 0 when it has none."), prometheus.GaugeValue},
	"evicted_keys": {desc("redis_evicted_keys_total", "Keys that Redis deleted to make room. Journals may be among them."),
		prometheus.CounterValue},
	"aof_enabled": {desc("redis_aof_enabled", "1 when Redis keeps an append-only file."), prometheus.GaugeValue},
	"aof_last_write_status": {desc("redis_aof_last_write_ok", "1 when the last write to Redis's append-only file succeeded."),
		prometheus.GaugeValue},
}

var (
	clockOffset = desc("redis_clock_offset_seconds",
		"How far this process's clock is ahead of Redis's; exact to half of the scrape's round trip to Redis.")
)

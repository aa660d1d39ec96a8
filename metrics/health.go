package metrics

import (
	"context"
	_ "embed"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// health is what the server that has the shard says of itself.
type health struct {
	now    time.Time          // its clock; zero when it was not asked
	offset time.Duration      // how far our clock is ahead of it
	says   map[string]float64 // by the names of healthDescs; what it does not tell is missing
}

//go:embed lua/health.lua
var healthScript string

//go:embed lua/unread.lua
var unreadScript string

// mostGroups bounds what a scrape costs, and how many series it has: anybody can make
// groups of the stream.
const mostGroups = 50

// askHealth asks with a script, since only a key leads to the right server of a
// Cluster. It asks first, so that the moment of the answer is known best.
func askHealth(ctx context.Context, pipe redis.Pipeliner, keys tasks.Keys) *redis.Cmd {
	return pipe.Eval(ctx, healthScript, []string{keys.Due()})
}

// askUnread asks how long the oldest unread entry of each group has waited.
func askUnread(ctx context.Context, pipe redis.Pipeliner, keys tasks.Keys) *redis.Cmd {
	return pipe.Eval(ctx, unreadScript, []string{keys.Results()}, mostGroups)
}

// readHealth reads the answer to askHealth. The server's clock was read between asked
// and answered; the middle is the best guess, and off by half of the round trip at most.
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
	return health{now: now, offset: middle.Sub(now), says: readInfo(words[2])}
}

// readInfo picks from INFO what alerts are about.
func readInfo(text string) map[string]float64 {
	says := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if _, wanted := healthDescs[name]; !wanted {
			continue
		}
		if value == "ok" {
			value = "1"
		} else if value == "err" {
			value = "0"
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			says[name] = n
		}
	}
	return says
}

// readUnread reads the answer to askUnread.
func readUnread(answer *redis.Cmd) map[string]time.Duration {
	oldest := map[string]time.Duration{}
	words, err := answer.Slice()
	if err != nil {
		return oldest
	}
	for i := 0; i+1 < len(words); i += 2 {
		group, isText := words[i].(string)
		ms, isNumber := words[i+1].(int64)
		if isText && isNumber {
			oldest[group] = time.Duration(ms) * time.Millisecond
		}
	}
	return oldest
}

// collect shows what the server said. What it did not tell is not there, rather
// than 0: an alert on a figure that nobody has would be about nothing.
func (h health) collect(ch chan<- prometheus.Metric) {
	if h.now.IsZero() {
		return
	}
	ch <- prometheus.MustNewConstMetric(clockOffset, prometheus.GaugeValue, h.offset.Seconds())
	for name, value := range h.says {
		d := healthDescs[name]
		ch <- prometheus.MustNewConstMetric(d.desc, d.kind, value)
	}
}

package batches

import (
	"math"
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

const (
	// AssumedPerMinute is the quota of a merchant that no running worker has told: QFPay's standard.
	AssumedPerMinute = 400
	assumedPerSecond = 100
)

// Forecast says how long orders take if QFPay answers and nothing is held or paused. Each order counts
// as one call, which gets the slot that the limiter would give it: lost answers cost more, so it is the least
// that the quotas allow.
type Forecast struct {
	Starts  time.Duration `json:"-"` // until the first of the orders may be made
	Takes   time.Duration `json:"-"` // until the last one is made
	DoneAt  time.Time     `json:"done_at"`
	Seconds int64         `json:"seconds"` // Takes, rounded up

	// Before is how many other orders go before the last one, on the same app_codes.
	Before int `json:"before"`
	// Later is how many orders of the same app_codes are put off for more than a minute, by not_before
	// for example. They are not counted.
	Later int `json:"later,omitempty"`
	// Assumed are the merchants that no running worker has, sorted. Each counts as if it had an app_code
	// of its own with [AssumedPerMinute].
	Assumed []string `json:"assumed,omitempty"`
}

// OfNew forecasts orders that are not accepted yet, by merchant: they go behind what waits.
func (b Backlog) OfNew(orders map[string]Waits) Forecast {
	return b.forecast(orders, false, time.Time{})
}

// ofWaiting forecasts accepted orders, by merchant: they are among what waits. None of them is done
// before notBefore, unless that is zero.
func (b Backlog) ofWaiting(orders map[string]Waits, notBefore time.Time) Forecast {
	return b.forecast(orders, true, notBefore)
}

func (b Backlog) forecast(orders map[string]Waits, among bool, notBefore time.Time) Forecast {
	f := Forecast{Starts: math.MaxInt64, Takes: max(0, notBefore.Sub(b.now))}
	if notBefore.IsZero() {
		f.Takes = 0
	}
	for _, l := range b.lines(orders) {
		if l.assumed != "" {
			f.Assumed = append(f.Assumed, l.assumed)
		}
		starts, takes, before := l.takes(among)
		f.Starts, f.Takes = min(f.Starts, starts), max(f.Takes, takes)
		f.Before, f.Later = f.Before+before, f.Later+l.later
	}
	f.Starts = min(f.Starts, f.Takes)
	f.Seconds = int64(math.Ceil(f.Takes.Seconds()))
	f.DoneAt = b.now.Add(f.Takes).Truncate(time.Second)
	slices.Sort(f.Assumed)
	return f
}

// line is what waits for one quota.
type line struct {
	quota   journal.Quota
	assumed string // the merchant, if the quota is not known
	own     Waits  // the orders of the forecast
	all     Waits  // what waits in Redis; of orders that are in no wait queue the lane is not known: bulk
	later   int
	log     ratelimit.Log
}

// lines returns the lines in which the orders stand.
func (b Backlog) lines(orders map[string]Waits) map[string]*line {
	lines := map[string]*line{}
	of := func(merchant string) *line {
		q, known := b.quotas[merchant]
		key := "code " + q.AppCode
		if !known {
			key, q = "merchant "+merchant, journal.Quota{PerSecond: assumedPerSecond, PerMinute: AssumedPerMinute}
		}
		l := lines[key]
		if l == nil {
			c := b.calls[q.AppCode]
			l = &line{quota: q, all: c.Waits, later: -c.Interactive - c.Bulk, log: c.log.Past()}
			if !known {
				l.assumed, l.later = merchant, 0
			}
			lines[key] = l
		}
		return l
	}
	for merchant, n := range orders {
		l := of(merchant)
		l.own.Interactive += n.Interactive
		l.own.Bulk += n.Bulk
	}
	for merchant, d := range b.due {
		l := of(merchant)
		l.all.Bulk += d.soon
		if l.assumed != "" { // a wait queue or not_before: nobody can tell
			l.all.Bulk += d.later
		} else {
			l.later += d.later
		}
	}
	for key, l := range lines {
		// Fewer are due later than stand in wait queues: the others have waited so long that they are due
		// soon, and were counted there.
		l.all.Bulk, l.later = max(0, l.all.Bulk+min(0, l.later)), max(0, l.later)
		if l.own == (Waits{}) {
			delete(lines, key)
		}
	}
	return lines
}

// takes returns when the first and the last of the own orders are made, and how many others go before
// the last one. Interactive orders go before bulk.
func (l *line) takes(among bool) (starts, takes time.Duration, before int) {
	own, all := l.own.Interactive, l.all.Interactive
	if l.own.Bulk > 0 {
		own, all = own+l.own.Bulk, all+l.all.Bulk
	}
	total, interactive := own+all, l.own.Interactive+l.all.Interactive
	if among {
		total, interactive = max(own, all), max(l.own.Interactive, l.all.Interactive)
	}
	first := total - own
	if l.own.Interactive > 0 {
		first = min(first, l.all.Interactive)
	}
	schedule := ratelimit.NewSchedule(ratelimit.Limits{PerSecond: l.quota.PerSecond, PerMinute: l.quota.PerMinute}, l.log)
	take := func(n int) time.Duration {
		urgent := min(n, interactive)
		interactive -= urgent
		schedule.Take(ratelimit.Interactive, urgent)
		return schedule.Take(ratelimit.Bulk, n-urgent)
	}
	return take(first + 1), take(total - first - 1), total - own
}

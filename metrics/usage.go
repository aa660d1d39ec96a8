package metrics

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// usage shows how much of a merchant's quota is in use. It is a collector, not a gauge, because
// the limiter reports only when a call needs a permit: a gauge would show the last second of
// a load long after it ended.
type usage struct {
	desc *prometheus.Desc

	mu    sync.Mutex
	shown set             // the merchants that are shown by name
	last  map[string]used // by merchant, also those not shown by name
}

// used is the latest report of the limiter, in shares of 1.
type used struct {
	second, minute float64
	at             time.Time
}

// forgotten is how long after the limiter's last report both windows certainly contain no
// calls of this process.
const forgotten = time.Minute

func newUsage(shown set) *usage {
	return &usage{
		shown: shown,
		desc: prometheus.NewDesc(namespace+"_limiter_used_ratio",
			"Share of the quota in use, as the limiter last reported it; 0 after a minute without a report.",
			[]string{"merchant", "window"}, nil),
		last: map[string]used{},
	}
}

func (u *usage) set(merchant string, second, minute float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last[merchant] = used{second, minute, time.Now()}
}

// show changes which merchants are shown by name, and forgets removed ones.
func (u *usage) show(shown, configured set) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.shown = shown
	maps.DeleteFunc(u.last, func(merchant string, _ used) bool { return !configured[merchant] && merchant != other })
}

// Describe implements [prometheus.Collector].
func (u *usage) Describe(ch chan<- *prometheus.Desc) { ch <- u.desc }

// Collect implements [prometheus.Collector].
func (u *usage) Collect(ch chan<- prometheus.Metric) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for merchant, is := range u.byLabel() {
		ch <- prometheus.MustNewConstMetric(u.desc, prometheus.GaugeValue, is.second, merchant, "second")
		ch <- prometheus.MustNewConstMetric(u.desc, prometheus.GaugeValue, is.minute, merchant, "minute")
	}
}

// byLabel returns the current shares; of merchants that share a label, the largest. The caller
// has the lock.
func (u *usage) byLabel() map[string]used {
	most := map[string]used{}
	for merchant := range u.last {
		label, is := u.shown.label(merchant), u.now(merchant)
		most[label] = used{second: max(is.second, most[label].second), minute: max(is.minute, most[label].minute)}
	}
	return most
}

// now returns the current shares of a merchant. The caller has the lock.
func (u *usage) now(merchant string) used {
	last := u.last[merchant]
	if time.Since(last.at) > forgotten {
		return used{}
	}
	return last
}

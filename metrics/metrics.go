package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics keeps the counters of one process. It implements worker.Observer, and is
// safe for use from many goroutines.
type Metrics struct {
	mu    sync.RWMutex // of who uses labels of merchants: only SetMerchants writes
	known labels

	settled       *prometheus.CounterVec
	judged        *prometheus.CounterVec
	reissued      *prometheus.CounterVec
	limits        *prometheus.GaugeVec
	orderSeconds  *prometheus.HistogramVec
	waitSeconds   *prometheus.HistogramVec
	requests      *prometheus.CounterVec
	callSeconds   *prometheus.HistogramVec
	leaveSeconds  *prometheus.HistogramVec
	used          *usage
	held          *prometheus.GaugeVec
	deferrals     *prometheus.CounterVec
	inFlight      *prometheus.GaugeVec
	redisFailures *prometheus.CounterVec
}

// BuildInfo says which program is running.
type BuildInfo struct{ Version, Commit, GoVersion string }

// New registers all metrics of a process with reg, those of the Go runtime and of
// the process included, and creates the series that can be foreseen. merchants are
// the names of the configured merchants: any other counts as "other".
//
// It panics when reg has one of these metrics already, which is a mistake of the
// program and shows at its start.
func New(reg prometheus.Registerer, build BuildInfo, merchants []string) *Metrics {
	showProcess(reg, build)
	in := promauto.With(reg)
	known := newLabels(merchants)
	m := &Metrics{
		known: known,
		used:  newUsage(known.merchant),

		settled: in.NewCounterVec(counter("orders_settled_total",
			"Orders that got their result, published by this process."),
			[]string{"merchant", "pay_type", "outcome"}),
		judged: in.NewCounterVec(counter("orders_judged_total",
			"Orders that got their result, by how they stand to the objective of their lane: good, late, doubt, declined or throttled."),
			[]string{"lane", "verdict"}),
		reissued: in.NewCounterVec(counter("orders_reissued_total",
			"Times that an order was issued again under another number, since its QR code was lost."),
			[]string{"merchant"}),
		orderSeconds: in.NewHistogramVec(histogram("order_seconds",
			"From the enqueuing of an order to its result.", orderBuckets),
			[]string{"lane", "outcome"}),
		waitSeconds: in.NewHistogramVec(histogram("order_wait_seconds",
			"From the enqueuing of an order to the first attempt at it.", orderBuckets),
			[]string{"lane"}),
		requests: in.NewCounterVec(counter("gateway_requests_total",
			"Calls to the gateway, by respcd or by what came instead of one."),
			[]string{"merchant", "endpoint", "result"}),
		callSeconds: in.NewHistogramVec(histogram("gateway_request_seconds",
			"How long calls to the gateway took, without the wait for leave.", gatewayBuckets),
			[]string{"endpoint"}),
		leaveSeconds: in.NewHistogramVec(histogram("limiter_wait_seconds",
			"How far off the limiter's leave was when a call asked for it; a call does not wait for one that is far off.", leaveBuckets),
			[]string{"merchant"}),
		limits: in.NewGaugeVec(gauge("limiter_limit",
			"Calls that the configuration allows a merchant in a window; not there when there is no limit."),
			[]string{"merchant", "window"}),
		held: in.NewGaugeVec(gauge("merchant_held",
			"1 while a merchant is held because the gateway refuses its configuration; reason is the respcd, http, or none."),
			[]string{"merchant", "reason"}),
		deferrals: in.NewCounterVec(counter("order_deferrals_total",
			"Times that an order was put down without a result, to come back."),
			[]string{"reason"}),
		inFlight: in.NewGaugeVec(gauge("orders_in_flight",
			"Orders that this process has in hand."),
			[]string{"lane"}),
		redisFailures: in.NewCounterVec(counter("redis_errors_total",
			"Operations on Redis that failed."),
			[]string{"op"}),
	}
	reg.MustRegister(m.used)
	m.foresee(merchants)
	return m
}

// ShowLimit shows how many calls a second and a minute the configuration allows a
// merchant; 0 is no limit. Merchants that are not shown by name are left out: their
// limits could only be added up, and each has its own.
func (m *Metrics) ShowLimit(merchant string, perSecond, perMinute int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !m.known.merchant[merchant] {
		return
	}
	for window, limit := range map[string]int{"second": perSecond, "minute": perMinute} {
		if limit > 0 {
			m.limits.WithLabelValues(merchant, window).Set(float64(limit))
		} else {
			m.limits.DeleteLabelValues(merchant, window)
		}
	}
}

// showProcess registers what says which process this is and how it fares.
func showProcess(reg prometheus.Registerer, build BuildInfo) {
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	promauto.With(reg).NewGaugeVec(gauge("build_info", "Always 1; which program is running, by its labels."),
		[]string{"version", "commit", "goversion"}).
		WithLabelValues(build.Version, build.Commit, build.GoVersion).Set(1)
}

const namespace = "qfpay"

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}
}

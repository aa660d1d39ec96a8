package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The bounds of the histograms, in seconds. They are closest where a decision depends on
// them, and end where a longer time makes no difference.
var (
	// An order takes a few milliseconds at least, and waits for up to an hour behind a large
	// file at 400 calls a minute.
	orderBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600}
	// A call is never faster than the round trip to Hong Kong. QFPAY_TIMEOUT (10 s unless
	// set) is between two bounds, so that a call that just succeeded and one that was given
	// up are in different buckets.
	gatewayBuckets = []float64{.05, .1, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 7.5, 9, 11, 15, 30}
	// A call waits for its permit for about a second at most. If the permit is further away, up
	// to the length of the longest window, the order is deferred.
	permitBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 30, 60}
	// A customer pays within seconds or minutes; a code lives for 30 minutes, and for up to two hours.
	paymentBuckets = []float64{5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200}
)

// Metrics keeps the counters of one process. It implements event.Observer, and is safe for
// concurrent use.
type Metrics struct {
	mu    sync.RWMutex // guards the labels of merchants: only SetMerchants writes
	known labels

	settled       *prometheus.CounterVec
	judged        *prometheus.CounterVec
	reissued      *prometheus.CounterVec
	limits        *prometheus.GaugeVec
	orderSeconds  *prometheus.HistogramVec
	waitSeconds   *prometheus.HistogramVec
	requests      *prometheus.CounterVec
	signatures    *prometheus.CounterVec
	callSeconds   *prometheus.HistogramVec
	permitSeconds *prometheus.HistogramVec
	used          *usage
	held          *prometheus.GaugeVec
	deferrals     *prometheus.CounterVec
	inFlight      *prometheus.GaugeVec
	redisFailures *prometheus.CounterVec
	dropped       *prometheus.CounterVec
	closings      *prometheus.CounterVec

	payments        *prometheus.CounterVec
	paymentSeconds  *prometheus.HistogramVec
	paymentsOpen    *prometheus.GaugeVec
	paymentsOverdue *prometheus.GaugeVec
	paidLate        *prometheus.CounterVec
	notifications   *prometheus.CounterVec
}

// BuildInfo identifies the program that is running.
type BuildInfo struct{ Version, Commit, GoVersion string }

// New registers all metrics of a process with reg, including those of the Go runtime and of
// the process, and creates the series that are known in advance. merchants are the names of
// the configured merchants; any other merchant counts as "other".
//
// It panics if reg already has one of these metrics, which is a programming error and shows
// at the start.
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
			"Orders that got their result, compared with the objective of their lane: good, late, doubt, declined or throttled."),
			[]string{"lane", "verdict"}),
		reissued: in.NewCounterVec(counter("orders_reissued_total",
			"Times that an order was issued again under another out_trade_no, because its QR code was lost."),
			[]string{"merchant"}),
		orderSeconds: in.NewHistogramVec(histogram("order_seconds",
			"Time from the enqueuing of an order, or from its not_before, to its result.", orderBuckets),
			[]string{"lane", "outcome"}),
		waitSeconds: in.NewHistogramVec(histogram("order_wait_seconds",
			"Time from the enqueuing of an order, or from its not_before, to its first attempt.", orderBuckets),
			[]string{"lane"}),
		requests: in.NewCounterVec(counter("gateway_requests_total",
			"Calls to the gateway, by respcd, or by the error if there was no respcd."),
			[]string{"merchant", "endpoint", "result"}),
		signatures: in.NewCounterVec(counter("response_signatures_total",
			"Answers of the gateway by their signature: right, absent, wrong, reflected (the request's own) or uncovered (right, but not about what decides)."),
			[]string{"merchant", "result"}),
		callSeconds: in.NewHistogramVec(histogram("gateway_request_seconds",
			"Duration of calls to the gateway, without the wait for the limiter.", gatewayBuckets),
			[]string{"endpoint"}),
		permitSeconds: in.NewHistogramVec(histogram("limiter_wait_seconds",
			"How long a call had to wait for a permit of the limiter; if that is too long, the order is deferred instead.", permitBuckets),
			[]string{"merchant"}),
		limits: in.NewGaugeVec(gauge("limiter_limit",
			"Calls that the configuration allows a merchant in a window; missing if there is no limit."),
			[]string{"merchant", "window"}),
		held: in.NewGaugeVec(gauge("merchant_held",
			"1 while the gateway refuses a merchant, or one of its pay types (pay_type empty: all), and its orders wait; reason is the respcd, http, or none."),
			[]string{"merchant", "pay_type", "reason"}),
		deferrals: in.NewCounterVec(counter("order_deferrals_total",
			"Times that an order was deferred to a later attempt."),
			[]string{"reason"}),
		inFlight: in.NewGaugeVec(gauge("orders_in_flight",
			"Orders in flight in this process."),
			[]string{"lane"}),
		redisFailures: in.NewCounterVec(counter("redis_errors_total",
			"Operations on Redis that failed."),
			[]string{"op"}),
		payments: in.NewCounterVec(counter("payments_total",
			"Events of published codes that this process has published: paid, expired, closed, refunded, paid_twice."),
			[]string{"merchant", "pay_type", "event"}),
		paymentSeconds: in.NewHistogramVec(histogram("payment_seconds",
			"Time from the publication of a code until its customer paid.", paymentBuckets),
			[]string{"pay_type"}),
		paymentsOpen: in.NewGaugeVec(gauge("payments_open",
			"Published codes that this process follows and that are neither paid nor dead; one process follows a merchant."),
			[]string{"merchant"}),
		paymentsOverdue: in.NewGaugeVec(gauge("payments_overdue",
			"Of the open codes, those that QFPay still shows unpaid an hour after their life; a person must look."), []string{"merchant"}),
		paidLate: in.NewCounterVec(counter("payments_late_total",
			"Times that a payment was seen of a code that QFPay had shown dead before; a person must look."),
			[]string{"merchant"}),
		dropped: in.NewCounterVec(counter("http_connections_dropped_total",
			"Connections to the HTTP API, to the receiver of notifications or to these pages that were not served to their end: accept_error, full or no_token."),
			[]string{"server", "reason"}),
		closings: in.NewCounterVec(counter("closings_total",
			"Published QR codes whose orders were to be cancelled, by what became of them: closed, paid, cannot_close or unclear."),
			[]string{"result"}),
		notifications: in.NewCounterVec(counter("notifications_total",
			"Notifications of QFPay, by what became of them."),
			[]string{"result"}),
	}
	reg.MustRegister(m.used)
	m.foresee(merchants)
	return m
}

// ShowLimit shows how many calls per second and per minute the configuration allows a
// merchant; 0 is no limit. It ignores a merchant that is not shown by name: each has its own
// limits, and a sum under "other" would mean nothing.
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

// showProcess registers the metrics that identify the process and show its state.
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

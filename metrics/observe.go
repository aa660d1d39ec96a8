package metrics

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// Observe counts an event. It implements event.Observer and does not block.
func (m *Metrics) Observe(e event.Event) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	switch e := e.(type) {
	case event.Settled:
		m.observeSettled(e)
	case event.Started:
		m.waitSeconds.WithLabelValues(m.known.lane.label(string(e.Lane))).Observe(seconds(e.Waited))
	case event.InFlight:
		m.inFlight.WithLabelValues(m.known.lane.label(string(e.Lane))).Add(float64(e.Delta))
	case event.Called:
		m.observeCall(e.Call)
	case event.Deferred:
		m.deferrals.WithLabelValues(string(e.Reason)).Inc()
	case event.LimiterWaited:
		merchant := m.known.merchant.label(e.Merchant)
		m.permitSeconds.WithLabelValues(merchant).Observe(seconds(e.Waited))
		m.used.set(m.known.configured.label(e.Merchant), e.UsedSecond, e.UsedMinute)
	case event.Reissued:
		m.reissued.WithLabelValues(m.known.merchant.label(e.Merchant)).Inc()
	case event.Held:
		m.observeHeld(e)
	case event.Closed:
		m.closings.WithLabelValues(m.known.closing.label(e.Result)).Inc()
	case event.Notified:
		m.notifications.WithLabelValues(m.known.notification.label(e.Result)).Inc()
	case event.Payment:
		m.payments.WithLabelValues(m.known.merchant.label(e.Merchant), m.known.payType.label(string(e.PayType)), string(e.Event)).Inc()
		if e.Event == tasks.Paid {
			m.paymentSeconds.WithLabelValues(m.known.payType.label(string(e.PayType))).Observe(seconds(e.Took))
		}
	case event.OpenCodes:
		if merchant := m.known.merchant.label(e.Merchant); e.Codes < 0 {
			m.paymentsOpen.DeleteLabelValues(merchant)
			m.paymentsOverdue.DeleteLabelValues(merchant)
		} else {
			m.paymentsOpen.WithLabelValues(merchant).Set(float64(e.Codes))
			m.paymentsOverdue.WithLabelValues(merchant).Set(float64(e.Overdue))
		}
	case event.PaidLate:
		m.paidLate.WithLabelValues(m.known.merchant.label(e.Merchant)).Inc()
	case event.RedisFailed:
		m.redisFailures.WithLabelValues(m.known.redisOp.label(e.Op)).Inc()
	}
}

func (m *Metrics) observeSettled(e event.Settled) {
	outcome := m.known.outcome.label(string(e.Outcome))
	m.settled.WithLabelValues(
		m.known.merchant.label(e.Merchant), m.known.payType.label(string(e.PayType)), outcome).Inc()
	lane := m.known.lane.label(string(e.Lane))
	m.orderSeconds.WithLabelValues(lane, outcome).Observe(seconds(e.Took))
	m.judged.WithLabelValues(lane, string(judge(e))).Inc()
}

func (m *Metrics) observeCall(c qfpay.Call) {
	endpoint := m.known.endpoint.label(c.Endpoint)
	result := m.known.result.label(c.Result)
	m.requests.WithLabelValues(m.known.merchant.label(c.Merchant), endpoint, result).Inc()
	if c.Signature != "" {
		m.signatures.WithLabelValues(m.known.merchant.label(c.Merchant), m.known.signature.label(string(c.Signature))).Inc()
	}
	// A call that was not sent took no time at the gateway. If it were counted, the gateway
	// would look fast when it cannot be reached.
	if result != notSent {
		m.callSeconds.WithLabelValues(endpoint).Observe(seconds(c.Took))
	}
}

// observeHeld shows one series for each merchant: 1 with the reason of the hold, or 0 with the
// reason "none". While a pay type of it is held, there is a series for that too. What is held is
// shown by name for any merchant: an alert about "other" would be useless.
func (m *Metrics) observeHeld(e event.Held) {
	merchant, payType := m.known.configured.label(e.Merchant), ""
	if e.PayType != "" {
		payType = m.known.payType.label(string(e.PayType))
	}
	m.held.DeletePartialMatch(map[string]string{"merchant": merchant, "pay_type": payType})
	switch {
	case e.Held:
		m.held.WithLabelValues(merchant, payType, m.known.hold.label(e.Reason)).Set(1)
	case payType == "" && m.known.merchant[merchant]:
		m.held.WithLabelValues(merchant, "", notHeld).Set(0)
	}
}

// seconds is never negative. A duration between the clocks of two machines can be, and would
// make the _sum of a histogram fall, which looks like a restart to Prometheus.
func seconds(d time.Duration) float64 { return max(d, 0).Seconds() }

// Label values that the code of this package uses.
const (
	notHeld  = "none"
	notSent  = "not_sent"
	opScrape = "scrape"
)

// foreseen are the results of calls that alerting rules use. All results of a hundred
// merchants would be some ten thousand series.
var foreseen = []string{"0000", "http_429", "timeout"}

// foresee creates the series that are known in advance, with the value 0.
func (m *Metrics) foresee(merchants []string) {
	for _, lane := range tasks.Lanes() {
		m.waitSeconds.WithLabelValues(string(lane))
		m.inFlight.WithLabelValues(string(lane))
		for _, outcome := range tasks.Outcomes() {
			m.orderSeconds.WithLabelValues(string(lane), string(outcome))
		}
		for _, v := range verdicts {
			m.judged.WithLabelValues(string(lane), string(v))
		}
	}
	for _, endpoint := range endpoints {
		m.callSeconds.WithLabelValues(endpoint)
	}
	for _, reason := range event.DeferReasons() {
		m.deferrals.WithLabelValues(string(reason))
	}
	for _, result := range event.NotificationResults() {
		m.notifications.WithLabelValues(result)
	}
	for _, result := range event.ClosingResults() {
		m.closings.WithLabelValues(result)
	}
	for _, op := range redisOps {
		m.redisFailures.WithLabelValues(op)
	}
	for _, server := range servers {
		for _, reason := range dropReasons {
			m.dropped.WithLabelValues(server, reason)
		}
	}
	for _, merchant := range shown(merchants) {
		m.foreseeShown(merchant)
	}
	if len(merchants) > mostMerchants {
		m.foreseeMerchant(other)
	}
}

// foreseeShown is for a merchant that is shown by name.
func (m *Metrics) foreseeShown(merchant string) {
	m.foreseeMerchant(merchant)
	m.held.WithLabelValues(merchant, "", notHeld)
	m.used.set(merchant, 0, 0)
}

func (m *Metrics) foreseeMerchant(merchant string) {
	for _, payType := range qfpay.PayTypes() {
		for _, outcome := range tasks.Outcomes() {
			m.settled.WithLabelValues(merchant, string(payType), string(outcome))
		}
	}
	for _, endpoint := range endpoints {
		for _, result := range foreseen {
			m.requests.WithLabelValues(merchant, endpoint, result)
		}
	}
	for _, wrong := range []qfpay.Signature{qfpay.SignatureWrong, qfpay.SignatureReflected, qfpay.SignatureUncovered} {
		m.signatures.WithLabelValues(merchant, string(wrong)) // an alerting rule uses them
	}
	m.paidLate.WithLabelValues(merchant)
	m.permitSeconds.WithLabelValues(merchant)
	m.reissued.WithLabelValues(merchant)
}

package metrics

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Queues returns a collector of the state in Redis: the queues, the orders without a result,
// and the streams. All processes that share a Redis show the same numbers, so dashboards use
// max, never sum.
//
// A scrape takes one round trip, with commands whose cost does not grow with the backlog. It
// waits for timeout at most. If Redis has not answered by then, the scrape continues without
// these metrics, or without those of a queue that could not be read, and qfpay_redis_errors_total{op="scrape"} increases, visible at the next
// scrape at the latest.
func (m *Metrics) Queues(rdb redis.UniversalClient, keys tasks.Keys, timeout time.Duration) prometheus.Collector {
	read := func(ctx context.Context) (backlog, error) { return readBacklog(ctx, rdb, keys) }
	return m.queues(read, timeout)
}

func (m *Metrics) queues(read func(context.Context) (backlog, error), timeout time.Duration) *queues {
	return &queues{
		read:    read,
		timeout: timeout,
		failed:  m.redisFailures.WithLabelValues(opScrape),
		turn:    make(chan struct{}, 1),
	}
}

type queues struct {
	read    func(context.Context) (backlog, error)
	timeout time.Duration
	failed  prometheus.Counter
	turn    chan struct{} // held by the one read that may be in progress
}

var (
	queueOrders = desc("queue_orders", "Tasks in the queue of a lane, by asynq's state.", "lane", "state")
	queueOldest = desc("queue_oldest_seconds", "How long the oldest pending task of a lane has waited.", "lane")
	queuePaused = desc("queue_paused", "1 while the queue of a lane is paused in asynq: no worker takes an order from it.", "lane")
	damaged     = desc("orders_damaged", "Orders that were put aside because their journals are damaged; a person must look.")
	unknown     = desc("unknown_merchants", "Merchants that orders wait for and no running worker has; 1000 at most. The log names them.")
	unsettled   = desc("orders_unsettled", "Orders that were accepted and have no result yet, without those that are scheduled.")
	scheduled   = desc("orders_scheduled", "Orders that are not to be submitted yet: their not_before is ahead.")
	paused      = desc("merchant_paused", "1 while a person has paused a merchant, or one of its pay types (pay_type empty: all); no series: nobody has.", "merchant", "pay_type")
	dueLate     = desc("due_late_seconds", "How long the order that became due first has been due; rises when no worker looks.")
	closing     = desc("orders_closing", "Orders whose published QR code is to be closed at QFPay, since somebody asked to cancel them.")
	closingLate = desc("closing_late_seconds", "How long the one of them whose turn came first has been due; rises when no worker looks.")
	waiting     = desc("requests_length", "Entries in the request stream that no worker has accepted or rejected yet.")
	oldestAsked = desc("requests_oldest_seconds", "How long the oldest entry of the request stream has waited for a worker to accept or reject it.")
)

// streamDescs show one stream.
type streamDescs struct{ length, unread, oldest *prometheus.Desc }

var (
	resultStream  = descsOf("results", "result")
	paymentStream = descsOf("payments", "payment")
)

func descsOf(name, kind string) streamDescs {
	return streamDescs{
		length: desc(name+"_length", "Entries in the "+kind+" stream."),
		unread: desc(name+"_unread", "Entries that a group has not read or not acknowledged.", "group"),
		oldest: desc(name+"_oldest_unread_seconds", "Age of the oldest entry that a group has not read or not acknowledged; near WORKER_RESULTS_KEEP the entry is about to be removed.", "group"),
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (q *queues) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queueOrders, queueOldest, queuePaused, damaged, unknown, unsettled, scheduled, paused, dueLate, closing, closingLate, waiting, oldestAsked, clockOffset} {
		ch <- d
	}
	for _, d := range []streamDescs{resultStream, paymentStream} {
		ch <- d.length
		ch <- d.unread
		ch <- d.oldest
	}
	for _, h := range healthDescs {
		ch <- h.desc
	}
}

// Collect implements [prometheus.Collector].
func (q *queues) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), q.timeout)
	defer cancel()
	b, err := q.readInTime(ctx)
	if err != nil {
		q.failed.Inc()
		return
	}
	if b.missing != nil {
		q.failed.Inc()
	}
	show := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for lane, l := range b.lanes {
		for state, n := range l.tasks {
			show(queueOrders, float64(n), string(lane), state)
		}
		show(queueOldest, l.oldest.Seconds(), string(lane))
		show(queuePaused, map[bool]float64{true: 1}[l.paused], string(lane))
	}
	show(damaged, float64(b.damaged))
	show(unknown, float64(b.unknown))
	show(unsettled, float64(b.unsettled))
	show(scheduled, float64(b.scheduled))
	for _, what := range b.paused {
		merchant, payType, _ := strings.Cut(what, ":")
		if tasks.ValidMerchant(merchant) && (payType == "" || qfpay.PayType(payType).Known()) { // else it pauses nothing
			show(paused, 1, merchant, payType)
		}
	}
	show(dueLate, b.late.Seconds())
	show(closing, float64(b.closing))
	show(closingLate, b.closingLate.Seconds())
	for d, s := range map[streamDescs]streamBacklog{resultStream: b.results, paymentStream: b.payments} {
		show(d.length, float64(s.length))
		for group, n := range s.unread {
			show(d.unread, float64(n), group)
		}
		for group, waited := range s.oldest {
			show(d.oldest, waited.Seconds(), group)
		}
	}
	show(waiting, float64(b.requests))
	show(oldestAsked, b.asked.Seconds())
	b.redis.collect(ch)
}

// readInTime returns when ctx ends, even if the client does not: by default, go-redis checks a
// deadline only between its retries. An abandoned read keeps its turn until it ends, so that
// reads cannot pile up.
func (q *queues) readInTime(ctx context.Context) (backlog, error) {
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return backlog{}, ctx.Err()
	}
	type answer struct {
		backlog backlog
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() { <-q.turn }()
		b, err := q.read(ctx)
		done <- answer{b, err}
	}()
	select {
	case a := <-done:
		return a.backlog, a.err
	case <-ctx.Done():
		return backlog{}, ctx.Err()
	}
}

package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// loseAnswers enqueues orders whose creates are carried out and whose answers are lost. query may
// add a fault to a query. It returns how many queries were made until all had their result.
func loseAnswers(t *testing.T, n int, query func(numbers string) simulator.Fault) (queries int) {
	r := newRig(t, simulator.Config{})
	r.config.Merchants[0].PerSecond, r.config.Merchants[0].PerMinute = 100, 400
	r.config.LostResponse = LeaveIt
	sent := 0
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint == "payment" {
			sent++
			return "drop_after"
		}
		if sent < n { // then all are in doubt at once
			return "http_502"
		}
		return query(c.OutTradeNo)
	})
	r.config.Concurrency = 64
	r.start()
	r.enqueue(n, func(_ int, o *tasks.Order) { o.PayType, o.Deadline = qfpay.FPS, time.Now().Add(time.Hour) })
	results := r.results(n)
	r.agree(results)
	for no, res := range results {
		if res.Outcome != string(tasks.Unresolved) || res.Syssn == "" {
			t.Errorf("%s: %+v", no, res)
		}
	}
	for _, c := range r.gateway.Calls() {
		if c.Endpoint == "query" {
			queries++
		}
	}
	return queries
}

// Orders that ask at the same time ask in one call, and each gets its own row.
func TestCollector_AsksAboutManyOrdersInOneCall(t *testing.T) {
	t.Parallel()
	const n = 40
	if queries := loseAnswers(t, n, func(string) simulator.Fault { return "" }); queries > n/2 {
		t.Errorf("%d queries about %d orders", queries, n)
	}
}

// A refusal of a query for several orders may be about one of them. Each is asked about alone then.
func TestCollector_AsksOneByOneAfterARefusal(t *testing.T) {
	t.Parallel()
	spoilt := 0
	loseAnswers(t, 16, func(numbers string) simulator.Fault {
		if strings.Contains(numbers, ",") && spoilt < 3 {
			spoilt++
			return "respcd_1104"
		}
		return ""
	})
	if spoilt == 0 {
		t.Error("no query was about several orders")
	}
}

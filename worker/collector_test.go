package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// loseAnswers enqueues n orders, with numbers of a format, whose creates are carried out and whose answers are lost. query may
// add a fault to a query, once all are in doubt.
func loseAnswers(t *testing.T, n int, format string, query func(numbers string) simulator.Fault) {
	r := newRig(t, simulator.Config{})
	r.config.Merchants[0].PerSecond, r.config.Merchants[0].PerMinute = 100, 4000
	r.config.LostResponse = LeaveIt
	r.times.Doubt, r.times.MaxDoubt = 5*time.Second, 5*time.Second
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
	r.enqueue(n, func(i int, o *tasks.Order) {
		o.OutTradeNo, o.PayType, o.Deadline = fmt.Sprintf(format, i), qfpay.FPS, time.Now().Add(time.Hour)
	})
	results := r.results(n)
	r.agree(results)
	for no, res := range results {
		if res.Outcome != string(tasks.Unresolved) || res.Syssn == "" {
			t.Errorf("%s: %+v", no, res)
		}
	}
}

// Many orders are in doubt at once, more than are in flight. Windows show most of them, and each gets its own row.
func TestCollector_ClearsManyOrdersWithFewCalls(t *testing.T) {
	t.Parallel()
	const n = 400
	queries := 0
	loseAnswers(t, n, "%032d", func(string) simulator.Fault {
		queries++
		return ""
	})
	t.Logf("%d queries about %d orders", queries, n)
	if queries > n/8 {
		t.Errorf("%d queries about %d orders", queries, n)
	}
}

// A refusal of a query for several orders may be about one of them. Each is asked about alone then.
func TestCollector_AsksOneByOneAfterARefusal(t *testing.T) {
	t.Parallel()
	spoilt := 0
	loseAnswers(t, 16, "A%d", func(numbers string) simulator.Fault {
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

package worker

import (
	"slices"
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
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint == "payment" {
			return "drop_after"
		}
		return query(c.OutTradeNo)
	})
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
	loseAnswers(t, 32, func(numbers string) simulator.Fault {
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

// A gateway may keep numbers in another case, or with blanks. A row that is so written goes to the
// order that it can be about, but for one that has the very number.
func TestCollector_GivesARowInAnotherCaseToItsOrder(t *testing.T) {
	t.Parallel()
	batch := []*question{{outTradeNo: "Ord-1"}, {outTradeNo: "ORD-2"}, {outTradeNo: "ord-2"}, {outTradeNo: "ord-3"}}
	rows := []qfpay.Record{{OutTradeNo: "ORD-1"}, {OutTradeNo: " Ord-1 "}, {OutTradeNo: "ord-2"}, {OutTradeNo: "ORD-4"}}
	want := [][]string{{"ORD-1", " Ord-1 "}, nil, {"ord-2"}, nil}
	for i, q := range batch {
		var got []string
		for _, r := range rowsOf(q, batch, rows) {
			got = append(got, r.OutTradeNo)
		}
		if !slices.Equal(got, want[i]) {
			t.Errorf("%s gets the rows %q, want %q", q.outTradeNo, got, want[i])
		}
	}
}

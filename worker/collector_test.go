package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
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
	loseAnswers(t, windowFrom-4, func(numbers string) simulator.Fault {
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

// gate is a limiter that gives no permit until so many questions wait.
type gate struct {
	c *collector
	n int
}

func (g gate) Acquire(ctx context.Context) (qfpay.Permit, error) {
	for {
		g.c.mu.Lock()
		n := len(g.c.waiting)
		g.c.mu.Unlock()
		if n >= g.n || ctx.Err() != nil {
			return qfpay.Permit{}, ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
}

// Orders that were sent at about the same time are asked about by a window of time, when they are many. One
// that the window does not show is asked for by its number; nobody takes it for not found.
func TestCollector_AsksAboutManyOrdersInOneWindow(t *testing.T) {
	t.Parallel()
	const n = 30
	gateway := simulator.New(simulator.Config{})
	merchant := qfpay.Merchant{Name: "default", BaseURL: "http://gateway", AppCode: simulator.SampleAppCode, Key: simulator.SampleKey}
	client := &qfpay.Client{Merchant: merchant, HTTP: &http.Client{Transport: gateway.Transport()}, Timeout: 10 * time.Second}
	sent := time.Now()
	for i := range n {
		if i != 7 {
			_, err := client.CreatePayment(t.Context(), anOrder(fmt.Sprint("A", i)).WithDefaults(sent).Order, nil)
			ok(t, err)
		}
	}
	c := &collector{}
	answers := make([]queryAnswer, n)
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() {
			answers[i] = c.ask(t.Context(), client, &question{outTradeNo: fmt.Sprint("A", i), months: qfpay.MonthsAround(sent, sent), sentAt: sent, limiter: gate{c, n}})
		})
	}
	asking.Wait()
	for i, a := range answers {
		if shown := len(a.rows) == 1 && a.err == nil && !a.apart; shown != (i != 7) || !shown && (!a.apart || a.err == nil) {
			t.Errorf("A%d: %+v", i, a)
		}
	}
	queries := 0
	for _, call := range gateway.Calls() {
		if call.Endpoint == "query" {
			queries++
		}
	}
	if queries != 1 {
		t.Errorf("%d queries about %d orders, want one", queries, n)
	}
}

// What is no order, or only has the number in another case, is not shown by a window. What a page has shown stays
// shown when the next one fails.
func TestCollector_AWindowShowsOrdersByTheirVeryNumber(t *testing.T) {
	t.Parallel()
	batch := []*question{{outTradeNo: "A1"}, {outTradeNo: "A2"}, {outTradeNo: "a3"}}
	rows := []qfpay.Record{{OutTradeNo: "A1"}, {OutTradeNo: "A2", OrderType: "refund"}, {OutTradeNo: "A3"}}
	for i, q := range batch {
		for _, failed := range []error{nil, errors.New("the second page")} {
			a := queryAnswer{rows: rows, err: failed}.to(q, batch, true)
			if shown := i == 0; shown != (a.err == nil && len(a.rows) == 1) || !shown && (len(a.rows) > 0 || failed == nil && (!a.apart || a.err == nil)) {
				t.Errorf("%s: %+v", q.outTradeNo, a)
			}
		}
	}
}

// A window is worth its call for many orders that were sent within seconds, in one month.
func TestCollector_AWindowIsForManyOrdersOfAMoment(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, qfpay.Zone)
	for name, c := range map[string]struct {
		at    time.Time     // of the leader's create
		apart time.Duration // of one create from the one before
		n     int
		want  int
	}{
		"many":                          {noon, 100 * time.Millisecond, 30, 30},
		"few":                           {noon, 100 * time.Millisecond, 19, 0},
		"spread over minutes":           {noon, time.Second, 60, 0},
		"at the end of a month":         {time.Date(2026, 3, 31, 23, 59, 58, 0, qfpay.Zone), 10 * time.Millisecond, 30, 0},
		"not known when they were sent": {time.Time{}, 0, 30, 0},
	} {
		var all []*question
		for i := range c.n {
			all = append(all, &question{sentAt: c.at.Add(time.Duration(i) * c.apart)})
		}
		if c.at.IsZero() {
			all = append(all[:0:0], make([]*question, c.n)...)
			for i := range all {
				all[i] = &question{}
			}
		}
		w, batch := windowOf(all[0], all)
		if len(batch) != c.want {
			t.Errorf("%s: a window for %d orders, want %d", name, len(batch), c.want)
		}
		for _, q := range batch {
			if q.sentAt.Add(-timing.WindowMargin).Before(w.From) || q.sentAt.Add(timing.WindowMargin).After(w.To) {
				t.Errorf("%s: %s is not in %+v", name, q.sentAt, w)
			}
		}
	}
}

package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// A gateway may keep numbers in another case, or with blanks. A row that is so written goes to the
// order that it can be about, but for one that has the very number.
func TestCollector_GivesARowInAnotherCaseToItsOrder(t *testing.T) {
	t.Parallel()
	batch := []*Question{{OutTradeNo: "Ord-1"}, {OutTradeNo: "ORD-2"}, {OutTradeNo: "ord-2"}, {OutTradeNo: "ord-3"}}
	rows := []qfpay.Record{{OutTradeNo: "ORD-1"}, {OutTradeNo: " Ord-1 "}, {OutTradeNo: "ord-2"}, {OutTradeNo: "ORD-4"}}
	want := [][]string{{"ORD-1", " Ord-1 "}, nil, {"ord-2"}, nil}
	for i, q := range batch {
		var got []string
		for _, r := range rowsOf(q, batch, rows) {
			got = append(got, r.OutTradeNo)
		}
		if !slices.Equal(got, want[i]) {
			t.Errorf("%s gets the rows %q, want %q", q.OutTradeNo, got, want[i])
		}
	}
}

// gate is a limiter that gives no permit until so many questions wait.
type gate struct {
	c *Collector
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
			o := qfpay.Order{OutTradeNo: fmt.Sprint("A", i), PayType: qfpay.AlipayOverseas, TxAmt: 2500, TxCurrCd: "HKD", GoodsName: "tea", TxDtm: qfpay.FormatDateTime(sent)}
			if _, err := client.CreatePayment(t.Context(), o, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := &Collector{}
	answers := make([]Answer, n)
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() {
			answers[i] = c.Ask(t.Context(), client, &Question{OutTradeNo: fmt.Sprint("A", i), Months: qfpay.MonthsAround(sent, sent), SentAt: sent, Limiter: gate{c, n}})
		})
	}
	asking.Wait()
	for i, a := range answers {
		if shown := len(a.Rows) == 1 && a.Err == nil && !a.Apart; shown != (i != 7) || !shown && (!a.Apart || a.Err == nil) {
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
	batch := []*Question{{OutTradeNo: "A1"}, {OutTradeNo: "A2"}, {OutTradeNo: "a3"}}
	rows := []qfpay.Record{{OutTradeNo: "A1"}, {OutTradeNo: "A2", OrderType: "refund"}, {OutTradeNo: "A3"}}
	for i, q := range batch {
		for _, failed := range []error{nil, errors.New("the second page")} {
			a := Answer{Rows: rows, Err: failed}.to(q, batch, true)
			if shown := i == 0; shown != (a.Err == nil && len(a.Rows) == 1) || !shown && (len(a.Rows) > 0 || failed == nil && (!a.Apart || a.Err == nil)) {
				t.Errorf("%s: %+v", q.OutTradeNo, a)
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
		var all []*Question
		for i := range c.n {
			all = append(all, &Question{SentAt: c.at.Add(time.Duration(i) * c.apart)})
		}
		if c.at.IsZero() {
			all = append(all[:0:0], make([]*Question, c.n)...)
			for i := range all {
				all[i] = &Question{}
			}
		}
		w, batch := windowOf(all[0], all)
		if len(batch) != c.want {
			t.Errorf("%s: a window for %d orders, want %d", name, len(batch), c.want)
		}
		for _, q := range batch {
			if q.SentAt.Add(-timing.WindowMargin).Before(w.From) || q.SentAt.Add(timing.WindowMargin).After(w.To) {
				t.Errorf("%s: %s is not in %+v", name, q.SentAt, w)
			}
		}
	}
}

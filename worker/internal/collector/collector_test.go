package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// gate is a limiter that gives no permit until so many questions wait, or have waited.
type gate struct {
	c      *Collector
	n      int
	opened *atomic.Bool
}

func (g gate) Acquire(ctx context.Context) (qfpay.Permit, error) {
	for !g.opened.Load() {
		g.c.mu.Lock()
		n := len(g.c.waiting)
		g.c.mu.Unlock()
		if ctx.Err() != nil {
			break
		}
		g.opened.Store(n >= g.n)
		time.Sleep(time.Millisecond)
	}
	return qfpay.Permit{}, ctx.Err()
}

func newGate(c *Collector, n int) gate { return gate{c, n, new(atomic.Bool)} }

// Orders that were sent at about the same time are asked about by a window of time, when they are many. One
// that the window does not show is asked for by its number; nobody takes it for not found.
func TestCollector_AsksAboutManyOrdersInOneWindow(t *testing.T) {
	t.Parallel()
	const n = 30
	gateway, client, sent := createdOrders(t, n, 7)
	c := &Collector{}
	answers, gate := make([]Answer, n), newGate(c, n)
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() {
			answers[i] = c.Ask(t.Context(), client, &Question{OutTradeNo: number(i), Months: qfpay.MonthsAround(sent, sent), SentAt: sent, Limiter: gate})
		})
	}
	asking.Wait()
	for i, a := range answers {
		if shown := len(a.Rows) == 1 && a.Err == nil && !a.Apart; shown != (i != 7) || !shown && (!a.Apart || a.Err == nil) {
			t.Errorf("order %d: %+v", i, a)
		}
	}
	if queries := queriesOf(gateway); queries != 1 {
		t.Errorf("%d queries about %d orders, want one", queries, n)
	}
}

// number is an order's out_trade_no, of which eleven fit into one query.
func number(i int) string { return fmt.Sprintf("ORDER%05d", i) }

// createdOrders creates orders at a gateway, but for one.
func createdOrders(t *testing.T, n, without int) (*simulator.Gateway, *qfpay.Client, time.Time) {
	gateway := simulator.New(simulator.Config{PerSecond: simulator.NoLimit, PerMinute: simulator.NoLimit})
	merchant := qfpay.Merchant{Name: "default", BaseURL: "http://gateway", AppCode: simulator.SampleAppCode, Key: simulator.SampleKey}
	client := &qfpay.Client{Merchant: merchant, HTTP: &http.Client{Transport: gateway.Transport()}, Timeout: 10 * time.Second}
	sent := time.Now()
	for i := range n {
		if i != without {
			create(t, client, i)
		}
	}
	return gateway, client, sent
}

func create(t *testing.T, client *qfpay.Client, i int) {
	o := qfpay.Order{OutTradeNo: number(i), PayType: qfpay.AlipayOverseas, TxAmt: 2500, TxCurrCd: "HKD", GoodsName: "tea", TxDtm: qfpay.FormatDateTime(time.Now())}
	if _, err := client.CreatePayment(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
}

func queriesOf(gateway *simulator.Gateway) (n int) {
	for _, call := range gateway.Calls() {
		if call.Endpoint == "query" {
			n++
		}
	}
	return n
}

// asker asks a collector about orders of a gateway.
type asker struct {
	t       *testing.T
	c       *Collector
	gateway *simulator.Gateway
	client  *qfpay.Client
	sent    time.Time
}

// newAsker has n orders that were just created.
func newAsker(t *testing.T, n int) asker {
	gateway, client, sent := createdOrders(t, n, n)
	return asker{t, &Collector{}, gateway, client, sent}
}

func (a asker) ask(order int, within time.Duration, limiter qfpay.Limiter) Answer {
	return a.c.Ask(a.t.Context(), a.client, &Question{OutTradeNo: number(order), Months: qfpay.MonthsAround(a.sent, a.sent),
		SentAt: a.sent, Limiter: limiter, Within: within})
}

// together asks about n orders at the same time, from one on, and returns the answers and how many calls were made.
func (a asker) together(from, n int) (answers []Answer, calls int) {
	a.t.Helper()
	before, gate := queriesOf(a.gateway), newGate(a.c, n)
	answers = make([]Answer, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { answers[i] = a.ask(from+i, timing.SightedFor, gate) })
	}
	all.Wait()
	return answers, queriesOf(a.gateway) - before
}

// Few orders are asked about by a list of their numbers. A refusal of a list may be about one of them, so then each
// is asked about alone for a while.
func TestCollector_AsksAboutFewByAListOfNumbers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 11
		a := newAsker(t, n)
		refused := false
		a.gateway.Choose(func(c simulator.Call) simulator.Fault {
			if refused && strings.Contains(c.OutTradeNo, ",") {
				return "respcd_1104"
			}
			return ""
		})
		for _, one := range []struct {
			why     string
			refused bool
			later   time.Duration
			calls   int
			apart   bool
		}{
			{"a list", false, 0, 1, false},
			{"a list that is refused", true, 0, 1, true},
			{"alone", false, 0, n, false},
			{"a list again", false, timing.AskApart + time.Second, 1, false},
		} {
			time.Sleep(one.later)
			refused = one.refused
			answers, calls := a.together(0, n)
			if calls != one.calls {
				t.Errorf("%s: %d calls about %d orders, want %d", one.why, calls, n, one.calls)
			}
			for i, answer := range answers {
				if answer.Apart != one.apart || !one.apart && (len(answer.Rows) != 1 || answer.Rows[0].OutTradeNo != number(i)) {
					t.Errorf("%s: order %d: %+v", one.why, i, answer)
				}
			}
		}
	})
}

// QFPay may refuse windows. Lists of numbers go on then.
func TestCollector_ARefusedWindowStopsNoList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, lists = 30, 3
		a := newAsker(t, n)
		a.gateway.Choose(func(c simulator.Call) simulator.Fault {
			if c.Endpoint == "query" && c.OutTradeNo == "" {
				return "respcd_1104"
			}
			return ""
		})
		if answers, calls := a.together(0, n); calls != 1 || !answers[0].Apart {
			t.Errorf("%d calls for the window; %+v", calls, answers[0])
		}
		answers, calls := a.together(0, n)
		if calls != lists {
			t.Errorf("%d calls after it, want %d lists", calls, lists)
		}
		for i, answer := range answers {
			if answer.Err != nil || len(answer.Rows) != 1 {
				t.Errorf("order %d: %+v", i, answer)
			}
		}
	})
}

// What a page of a window shows of others answers those that ask in the next moment. It is no answer to who has made
// a call since, nor later.
func TestCollector_AWindowAnswersThoseThatAskNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, asking = 120, 30
		a := newAsker(t, n)
		a.together(0, asking) // of one second, QFPay's first page has the oldest
		for _, one := range []struct {
			why    string
			order  int
			within time.Duration
			later  time.Duration
			calls  int
		}{
			{"shown", 50, timing.JustShown, 0, 0},
			{"shown, and asked about again", 50, timing.JustShown, 0, 0},
			{"a call was made since", 50, 0, 0, 1},
			{"on the page that was not read", n - 5, timing.SightedFor, 0, 1},
			{"no longer just shown", 50, timing.JustShown, timing.JustShown, 1},
			{"shown a while ago", 50, timing.SightedFor, 0, 0},
			{"too long ago", 50, timing.SightedFor, timing.SightedFor, 1},
		} {
			time.Sleep(one.later)
			before := queriesOf(a.gateway)
			answer := a.ask(one.order, one.within, nil)
			if len(answer.Rows) != 1 || answer.Rows[0].OutTradeNo != number(one.order) || answer.Err != nil || answer.Apart {
				t.Errorf("%s: %+v", one.why, answer)
			}
			if calls := queriesOf(a.gateway) - before; calls != one.calls {
				t.Errorf("%s: %d calls, want %d", one.why, calls, one.calls)
			}
		}
	})
}

// free is a limiter with room for every call.
type free struct{}

func (free) Acquire(context.Context) (qfpay.Permit, error) { return qfpay.Permit{}, nil }

// Creates whose answers were lost at the rate of QFPay's limits, 400 a minute, are cleared with few calls: 2,000 with
// less than half a minute's share. They are asked about as they are dispatched, the oldest first, 25 at once.
func TestCollector_ClearsAnOutageWithFewPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, at, most = 400, 25, 15
		a := newAsker(t, 0)
		sent := make([]time.Time, n)
		for i := range n {
			sent[i] = time.Now()
			create(t, a.client, i)
			time.Sleep(time.Minute / n)
		}
		for first := 0; first < n; first += at {
			var all sync.WaitGroup
			for i := first; i < first+at; i++ {
				all.Go(func() {
					answer := a.c.Ask(t.Context(), a.client, &Question{OutTradeNo: number(i), Months: qfpay.MonthsAround(sent[i], sent[i]),
						SentAt: sent[i], Within: timing.SightedFor, Limiter: free{}})
					if len(answer.Rows) != 1 || answer.Err != nil || answer.Apart {
						t.Errorf("order %d: %+v", i, answer)
					}
				})
			}
			all.Wait()
			time.Sleep(300 * time.Millisecond) // as long as doubt's share spaces its calls
		}
		if calls := queriesOf(a.gateway); calls > most {
			t.Errorf("%d calls about %d orders, want at most %d", calls, n, most)
		}
	})
}

// A window in which there are too many rows of others is not read to its end, and the next
// orders are asked for by their numbers.
func TestCollector_AWindowCostsFewCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, asking, most = 1200, 55, 5 // lists of numbers
		a := newAsker(t, n)
		answers, calls := a.together(n-asking, asking) // of one second, QFPay's first pages have the oldest
		if calls != most {
			t.Errorf("%d pages of the window, want %d", calls, most)
		}
		for _, answer := range answers {
			if !answer.Apart || answer.Err == nil || len(answer.Rows) > 0 {
				t.Errorf("in the window: %+v", answer)
			}
		}
		answers, _ = a.together(n-asking, asking)
		for _, answer := range answers {
			if answer.Apart || answer.Err != nil || len(answer.Rows) != 1 {
				t.Errorf("by their numbers: %+v", answer)
			}
		}
	})
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

// A window is worth its call for many orders that were sent at about the same time, in one month. It does not
// become long for the sake of a few.
func TestCollector_AWindowHoldsAsManyAsItCanInASecond(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, qfpay.Zone)
	for name, c := range map[string]struct {
		at    time.Time     // of the leader's create
		apart time.Duration // of one create from the one before
		n     int
		far   int // further ones, sent most of a minute later
		want  int
	}{
		"many":                          {noon, 100 * time.Millisecond, 30, 0, 30},
		"few":                           {noon, 100 * time.Millisecond, 22, 0, 0},
		"spread over a minute":          {noon, time.Second, 60, 0, 60},
		"spread over minutes":           {noon, 4 * time.Second, 60, 0, 0},
		"many, and a few far from them": {noon, 100 * time.Millisecond, 30, 3, 30},
		"few, and a few far from them":  {noon, 100 * time.Millisecond, 22, 3, 25},
		"at the end of a month":         {time.Date(2026, 3, 31, 23, 59, 58, 0, qfpay.Zone), 10 * time.Millisecond, 30, 0, 0},
		"not known when they were sent": {time.Time{}, 0, 30, 0, 0},
	} {
		var all []*Question
		for i := range c.n {
			all = append(all, &Question{OutTradeNo: number(i), SentAt: c.at.Add(time.Duration(i) * c.apart)})
		}
		for i := range c.far {
			all = append(all, &Question{OutTradeNo: number(i), SentAt: c.at.Add(50*time.Second + time.Duration(i)*time.Second)})
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

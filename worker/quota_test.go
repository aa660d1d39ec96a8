package worker

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// These are small versions of the quota runs in bench/: windows of seconds in place of
// minutes, everything else as in production.

const (
	aMinute   = 4 * time.Second
	perMinute = 40
	// ratelimitGuard is what the limiter adds to a window.
	ratelimitGuard = 250 * time.Millisecond
)

// newQuotaRig is a rig whose merchant may make perMinute calls in aMinute.
func newQuotaRig(t *testing.T) (*rig, *turnstile) {
	r := newRig(t, simulator.Config{Latency: simulator.Latency{Min: 5 * time.Millisecond, Max: 80 * time.Millisecond}})
	gate := newTurnstile(t, r.gateway, aMinute)
	r.config.HTTP, r.config.Merchants[0].BaseURL = nil, gate.url
	r.config.Merchants[0].PerSecond, r.config.Merchants[0].PerMinute = 20, perMinute
	r.windows = [2]time.Duration{time.Second, aMinute}
	return r, gate
}

// allowed is how many calls the limits allow in so many windows, guard included.
func allowed(windows float64) int {
	return int(windows * perMinute * float64(aMinute) / float64(aMinute+ratelimitGuard))
}

// A backlog, four workers: never a call too many, and no call that was allowed is missing.
// Without the guard the ways of calls would have more of them arrive in a window, without
// reservations workers would ask in vain again and again.
func TestLimiter_UsesTheWholeQuotaAndNeverMore(t *testing.T) {
	t.Parallel()
	r, gate := newQuotaRig(t)
	for range 4 {
		r.start()
	}
	const n = 5 * perMinute
	began := time.Now()
	r.enqueue(n, nil)
	results := r.results(n)
	took := time.Since(began)
	r.agree(results)
	if n := gate.excess(perMinute, aMinute); n > 0 {
		t.Errorf("%d calls arrived in windows that had %d already", n, perMinute)
	}
	if n := gate.excess(20, time.Second); n > 0 {
		t.Errorf("%d calls arrived in seconds that had 20 already", n)
	}
	if arrived, _ := gate.between(began, time.Now()); arrived != n {
		t.Errorf("%d calls for %d orders", arrived, n)
	}
	// The first window's calls leave at once, and each later window's when it begins.
	if most := 4*(aMinute+ratelimitGuard) + aMinute + 2*time.Second + gate.late.cost(); took > most {
		t.Errorf("%d orders took %s; the limits allow them within %s", n, took, most)
	}
	touched(t, results, 3, gate.late)
}

// touched checks how often orders were claimed, on the average. Each place that lapsed
// because the machine did not run this process may have cost one more touch.
func touched(t *testing.T, results map[string]tasks.Result, most float64, late *lateness) {
	t.Helper()
	most += 20 * late.cost().Seconds() / float64(len(results)) // 20 places a second
	sum := 0
	for _, res := range results {
		attempts, err := strconv.Atoi(res.Attempts)
		ok(t, err)
		sum += attempts
	}
	if average := float64(sum) / float64(len(results)); average > most {
		t.Errorf("an order was claimed %.2f times on the average, want at most %.2f", average, most)
	}
}

// While bulk takes all there is, an interactive order finds a place at once, or the next
// that comes free; and bulk goes on with the rest.
func TestLimiter_LetsNoInteractiveOrderWaitBehindBulk(t *testing.T) {
	t.Parallel()
	r, gate := newQuotaRig(t)
	r.start()
	r.start()
	one := func(i int, o *tasks.Order) { o.OutTradeNo, o.Lane = fmt.Sprint("I", i), tasks.Interactive }
	r.enqueue(1, one) // there is interactive traffic
	r.results(1)
	const backlog, few = 6 * perMinute, 24
	r.enqueue(backlog, nil)
	began := time.Now()
	for i := range few {
		<-time.After(4 * aMinute / few) // the orders come evenly over four windows
		r.enqueue(1, func(_ int, o *tasks.Order) { one(i+1, o) })
	}
	ended := time.Now()
	var waits []time.Duration
	for _, w := range seen[event.LimiterWaited](r.events) {
		if w.Urgent {
			waits = append(waits, w.Waited)
		}
	}
	slices.Sort(waits)
	// At the full rate a place comes free every 106 ms, and bulk may hold those of 200 ms.
	if worst := waits[len(waits)-1]; worst > 350*time.Millisecond {
		t.Errorf("an interactive call was %s from its place, want at most 350ms; all: %v", worst, waits)
	}
	windows := 4 - gate.late.cost().Seconds()/aMinute.Seconds()
	if arrived, _ := gate.between(began, ended); arrived < allowed(windows)*90/100 {
		t.Errorf("%d calls in %.1f windows, though bulk could have filled them: %d are allowed", arrived, windows, allowed(windows))
	}
	if n := gate.excess(perMinute, aMinute); n > 0 {
		t.Errorf("%d calls arrived in windows that had %d already", n, perMinute)
	}
}

// One merchant's backlog is no other's: a single order of each of the others takes no
// notice of it, and the backlog's orders are not touched while they wait.
func TestWaitQueue_KeepsABacklogToItsOwnMerchant(t *testing.T) {
	t.Parallel()
	r, gate := newQuotaRig(t)
	accounts := simulator.SampleAccounts(5)
	r.gateway = simulator.New(simulator.Config{Merchants: accounts, PerSecond: simulator.NoLimit, PerMinute: simulator.NoLimit})
	gate.Handler = r.gateway
	first := r.config.Merchants[0]
	r.config.Merchants = nil
	for i, account := range accounts {
		m := first
		m.Name, m.AppCode, m.Key = fmt.Sprint("m", i), account.AppCode, account.Key
		r.config.Merchants = append(r.config.Merchants, m)
	}
	r.start()
	const backlog = 6 * perMinute
	r.enqueue(backlog, func(_ int, o *tasks.Order) { o.Merchant = "m0" })
	r.eventually("the backlog is queued", func() bool {
		return r.rdb.ZCard(t.Context(), r.keys.Calls(accounts[0].AppCode)+":waiting:3").Val() > backlog/2
	})
	r.enqueue(4, func(i int, o *tasks.Order) { o.Merchant, o.OutTradeNo = fmt.Sprint("m", i+1), fmt.Sprint("S", i) })
	results := r.results(backlog + 4)
	r.agree(results)
	for i := range 4 {
		if got := results[fmt.Sprint("S", i)]; got.Attempts != "1" {
			t.Errorf("a single order of another merchant was claimed %s times", got.Attempts)
		}
	}
	waiting := 0
	for no, res := range results {
		if no[0] != 'S' && res.SettledAt < results["S0"].SettledAt {
			waiting++
		}
	}
	if waiting > backlog/2 {
		t.Errorf("%d orders of the backlog of %d were done before another merchant's single one", waiting, backlog)
	}
	touched(t, results, 3, gate.late)
}

// The gateway suddenly allows half: the worker finds its way down within two windows,
// is refused now and then while it tries whether there is more again, fails nothing, and
// is back at the whole within five windows.
func TestLimiter_FollowsAGatewayThatAllowsLess(t *testing.T) {
	t.Parallel()
	r, gate := newQuotaRig(t)
	r.start()
	r.start()
	const n = 15 * perMinute
	r.enqueue(n, func(_ int, o *tasks.Order) { o.Deadline = time.Now().Add(time.Hour) })
	window := func() (arrived, refused int) {
		from := time.Now()
		<-time.After(aMinute)
		return gate.between(from, time.Now())
	}
	gate.setLimit(perMinute)
	window()
	gate.setLimit(perMinute / 2)
	window()
	window()
	for i := range 4 {
		stalled := gate.late.cost()
		arrived, refused := window()
		stalled = gate.late.cost() - stalled // the calls of these moments are not the worker's to make
		least := perMinute/4 - int(math.Ceil(perMinute/2*stalled.Seconds()/aMinute.Seconds()))
		if refused > 3 || arrived-refused < least {
			t.Errorf("window %d after it settled: %d calls, %d of them refused; want %d at least, with stalls of %s", i+1, arrived, refused, least, stalled)
		}
	}
	// The gate refuses nothing any more: on a machine that stalls, calls arrive together that were not sent together,
	// and a refusal of those would slow the worker down again.
	gate.setLimit(0)
	full := false
	for range 8 {
		stalled := gate.late.cost()
		arrived, refused := window()
		stalled = gate.late.cost() - stalled // as above
		if arrived-refused >= allowed(1)*90/100-int(math.Ceil(perMinute*stalled.Seconds()/aMinute.Seconds())) {
			full = true
			break
		}
	}
	if !full {
		t.Errorf("eight windows after the gateway allows all again, there was none with %d calls that were allowed", allowed(1)*90/100)
	}
}

// Orders in doubt need several calls each: a query, a close, another query, a create.
// However few the limits allow, they all come to their end: an attempt that has made its
// query makes what follows on it before others begin with theirs.
func TestLimiter_LetsOrdersInDoubtEndHoweverLowItIs(t *testing.T) {
	t.Parallel()
	const n = 4
	r := newRig(t, simulator.Config{})
	gate := newTurnstile(t, r.gateway, aMinute)
	r.config.HTTP, r.config.Merchants[0].BaseURL = nil, gate.url
	stop := r.start()
	r.enqueue(n, nil)
	r.results(n)
	stop()
	ok(t, r.rdb.FlushAll(t.Context()).Err()) // to the gateway they are all duplicates now
	const limit = 4
	r.config.Merchants[0].PerMinute = limit
	r.windows = [2]time.Duration{time.Second, 2 * time.Second}
	r.start()
	r.start()
	r.enqueue(n, nil)
	r.agree(r.results(n))
	if over := gate.excess(limit, r.windows[1]); over > n { // n before the limit was in force
		t.Errorf("%d calls arrived in windows that had %d already", over, limit)
	}
}

// A merchant whose gateway hangs fills its part of the worker, and no more.
func TestMerchants_AHangingGatewayDelaysNoOtherOne(t *testing.T) {
	t.Parallel()
	accounts := simulator.SampleAccounts(2)
	r := newRig(t, simulator.Config{Merchants: accounts})
	hung := newTurnstile(t, simulator.New(simulator.Config{Merchants: accounts,
		Latency: simulator.Latency{Min: time.Minute, Max: time.Minute}}), aMinute)
	quick := newTurnstile(t, r.gateway, aMinute)
	r.config.HTTP, r.config.Concurrency, r.times = nil, 4, quickTimes()
	for i, m := range []Merchant{{PerMinute: 400}, {}} {
		m.Merchant = qfpay.Merchant{Name: fmt.Sprint("m", i), BaseURL: []string{hung.url, quick.url}[i],
			AppCode: accounts[i].AppCode, Key: accounts[i].Key}
		r.config.Merchants = append(r.config.Merchants[:i], m)
	}
	r.start()
	r.enqueue(40, func(_ int, o *tasks.Order) { o.Merchant = "m0" })
	r.eventually("the slow merchant is at its part", func() bool {
		for _, d := range seen[event.Deferred](r.events) {
			if d.Reason == event.DeferMerchantLimit {
				return true
			}
		}
		return false
	})
	r.enqueue(20, func(i int, o *tasks.Order) { o.Merchant, o.OutTradeNo = "m1", fmt.Sprint("Q", i) })
	if got := r.results(20); len(got) != 20 {
		t.Errorf("%d results of the other merchant", len(got))
	}
	if most := hung.most.Load(); most > 2 {
		t.Errorf("%d calls of the slow merchant were under way at once, want at most 2", most)
	}
}

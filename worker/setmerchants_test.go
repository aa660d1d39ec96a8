package worker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// with returns the merchants, one of them changed.
func with(all []Merchant, name string, change func(*Merchant)) []Merchant {
	all = slices.Clone(all)
	for i := range all {
		if all[i].Name == name {
			change(&all[i])
		}
	}
	return all
}

// newShops is a rig of two merchants, a and b.
func newShops(t *testing.T, l simulator.Latency) *rig {
	accounts := simulator.SampleAccounts(2)
	r := newRig(t, simulator.Config{Merchants: accounts, Latency: l})
	r.config.Merchants = nil
	for i, account := range accounts {
		r.config.Merchants = append(r.config.Merchants, Merchant{Merchant: qfpay.Merchant{
			Name: string(rune('a' + i)), BaseURL: "http://gateway", AppCode: account.AppCode, Key: account.Key}})
	}
	return r
}

// tooManyRefusals in a row hold a merchant, whatever QFPay took of it before.
const tooManyRefusals = 12

func wrong(m *Merchant) { m.Key = "canary-7f3a" }

// of has orders be one merchant's.
func of(merchant, prefix string) func(int, *tasks.Order) {
	return func(i int, o *tasks.Order) { o.Merchant, o.OutTradeNo = merchant, fmt.Sprint(prefix, i) }
}

// deferred is how often orders were deferred for a reason.
func (r *rig) deferred(why event.DeferReason) int {
	n := 0
	for _, d := range seen[event.Deferred](r.events) {
		if d.Reason == why {
			n++
		}
	}
	return n
}

// The hold has grown to its longest, five minutes. With the right key its orders do not wait
// for that.
func TestBreaker_EndsWithTheRightKey(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{})
	right := r.config.Merchants
	r.config.Merchants = with(right, "b", wrong)
	r.start()
	w := r.workers[0]
	r.enqueue(tooManyRefusals, of("b", "F"))
	r.eventually("b is held", func() bool { return len(seen[event.Held](r.events)) == 1 })
	b := w.handler.Merchants.Load().ByName["b"].Breaker
	for at, n := time.Now(), 0; n < 8; n++ { // probes to come, each refused
		at = at.Add(timing.MaxOpen + timing.ProbeOther)
		b.Admit(at, "probe", qfpay.AlipayOverseas, 0)
		b.Refuse(at, "probe", qfpay.AlipayOverseas, "1108")
	}
	const n = 750
	r.enqueue(n, of("b", "B"))
	r.eventually("all of them wait", func() bool { return r.deferred(event.DeferHeld) > n })

	ok(t, w.SetMerchants(right))
	r.agree(r.results(n + tooManyRefusals))
	held := seen[event.Held](r.events)
	if len(held) != 2 || held[1] != (event.Held{Merchant: "b", Reason: "1108"}) {
		t.Errorf("observed %+v, want that b is held and then that it is not", held)
	}
}

// What is in flight ends as it was begun, whichever of the keys was the right one.
func TestMerchants_OrdersInFlightKeepTheKeyTheyWereBegunWith(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{Min: 500 * time.Millisecond, Max: 500 * time.Millisecond})
	r.start()
	w, right := r.workers[0], r.config.Merchants
	r.enqueue(4, of("a", "A"))
	r.eventually("all are under way", func() bool { return len(r.gateway.Calls()) == 4 })
	ok(t, w.SetMerchants(with(right, "a", wrong)))
	r.agree(r.results(4))
	r.enqueue(tooManyRefusals, of("a", "W"))
	r.eventually("the next are refused", func() bool { return len(seen[event.Held](r.events)) == 1 })
}

// A refusal of the key of before says nothing of the one in force.
func TestBreaker_IgnoresAnAnswerToTheKeyOfBefore(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{Min: 500 * time.Millisecond, Max: 500 * time.Millisecond})
	right := r.config.Merchants
	r.config.Merchants = with(right, "a", wrong)
	r.start()
	r.enqueue(4, of("a", "A"))
	r.eventually("all are under way", func() bool { return len(r.gateway.Calls()) == 4 })
	ok(t, r.workers[0].SetMerchants(right))
	r.agree(r.results(4))
	if held := seen[event.Held](r.events); len(held) != 0 {
		t.Errorf("observed %+v", held)
	}
	if n := r.deferred(event.DeferHeld); n != 4 {
		t.Errorf("%d orders came back from a refusal, want the 4 that were under way", n)
	}
}

func TestMerchants_GoAndCome(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{})
	r.start()
	w, both := r.workers[0], r.config.Merchants
	ok(t, w.SetMerchants(both[:1]))
	r.enqueue(3, of("b", "B"))
	r.enqueue(3, of("a", "A"))
	r.results(3)
	r.eventually("orders of b wait", func() bool { return r.deferred(event.DeferUnknown) == 3 })
	ok(t, w.SetMerchants(both))
	r.agree(r.results(6))
}

// Merchants come, go and get other limits while orders flow.
func TestMerchants_LoseNoOrderWhileTheyChange(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{Min: 5 * time.Millisecond, Max: 50 * time.Millisecond})
	for i := range r.config.Merchants {
		r.config.Merchants[i].PerSecond = 40
	}
	r.start()
	r.start()
	all := r.config.Merchants
	sets := [][]Merchant{
		all,
		all[:1],
		with(all, "a", func(m *Merchant) { m.PerSecond = 60 }),
		with(all, "b", wrong),
		with(all, "b", func(m *Merchant) { m.PerSecond = 0 }),
		all[1:],
	}
	const n = 200
	r.enqueue(n/2, of("a", "A"))
	r.enqueue(n/2, of("b", "B"))
	for i := 0; int(r.rdb.XLen(t.Context(), r.keys.Results()).Val()) < n/2; i++ {
		for _, w := range r.workers {
			ok(t, w.SetMerchants(sets[i%len(sets)]))
		}
		<-time.After(50 * time.Millisecond) // orders flow in between
	}
	for _, w := range r.workers {
		ok(t, w.SetMerchants(all))
	}
	r.agree(r.results(n))
	for _, w := range r.workers {
		for name, at := range w.handler.Merchants.Load().ByName {
			for _, orders := range at.InFlight {
				r.eventually("nothing is in flight", func() bool { return orders.Load() == 0 })
			}
			if held := r.holds(name); held != 0 {
				t.Errorf("%s is held %d times", name, held)
			}
		}
	}
}

// holds is how much of a merchant is held, in all workers, as the events say.
func (r *rig) holds(merchant string) (n int) {
	for _, e := range seen[event.Held](r.events) {
		switch {
		case e.Merchant != merchant:
		case e.Held:
			n++
		default:
			n--
		}
	}
	return n
}

func TestMerchants_ChangeNothingWhenTheyAreWrong(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{})
	r.config.Queue, r.config.Blocking = r.server.Client(t), r.server.Client(t)
	w, err := New(r.config)
	ok(t, err)
	before := w.handler.Merchants.Load()
	all := r.config.Merchants
	for name, bad := range map[string][]Merchant{
		"none":        nil,
		"a name":      with(all, "b", func(m *Merchant) { m.Name = "a" }),
		"no name":     with(all, "b", func(m *Merchant) { m.Name = "" }),
		"one account": with(all, "b", func(m *Merchant) { m.AppCode = all[0].AppCode }),
	} {
		c := r.config
		c.Merchants = bad
		_, atStart := New(c)
		if got := w.SetMerchants(bad); got == nil || atStart == nil || got.Error() != atStart.Error() {
			t.Errorf("%s: %v; at the start it is %v", name, got, atStart)
		}
		if w.handler.Merchants.Load() != before {
			t.Errorf("%s: the merchants have changed", name)
		}
	}
}

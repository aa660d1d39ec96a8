package worker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// From the moment at which a pause is written, no intent is: neither of a first create nor of another
// one. The intent that was written before keeps its answer.
func TestIntent_IsRefusedWhilePaused(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	people := inspect.New(f.Redis, f.Keys)
	pause := func(merchant string, payType qfpay.PayType) (resume func()) {
		t.Helper()
		_, isNew, err := people.Pause(ctx, merchant, payType, "ann@desk")
		if err != nil || !isNew {
			t.Fatalf("pause: new %t, %v", isNew, err)
		}
		return func() {
			t.Helper()
			was, _, err := people.Resume(ctx, merchant, payType)
			if err != nil || !was {
				t.Fatalf("resume: it was paused %t, %v", was, err)
			}
		}
	}
	c := f.take("a")
	for _, payType := range []qfpay.PayType{"", qfpay.AlipayOverseas} {
		resume := pause("default", payType)
		if err := f.Intent(ctx, c); !errors.Is(err, journal.ErrPaused) {
			t.Errorf("paused %q: %v", payType, err)
		}
		f.want("NEW", "0", "0")
		resume()
	}
	defer pause("other", "")()
	defer pause("default", qfpay.FPS)()
	ok(t, f.Intent(ctx, c))
	defer pause("default", "")()
	c.CreatesSent = 0 // the reply was lost, the script is repeated
	ok(t, f.Intent(ctx, c))
	if err := f.Intent(ctx, c); !errors.Is(err, journal.ErrPaused) {
		t.Errorf("a further create: %v", err)
	}
	f.want("SENT", "1", "0")
	ok(t, f.CloseIntent(ctx, c))
}

// However a pause and its end meet an order that is being put off for it, the order is not left
// behind.
func TestResume_MakesDueWhatWaitsForIt(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ctx := t.Context()
	people := inspect.New(f.Redis, f.Keys)
	f.dueSince("A2", "A3")
	putOff := func(number string, why event.DeferReason) time.Duration {
		t.Helper()
		c, err := f.Claim(ctx, "default:"+number, "a")
		ok(t, err)
		ok(t, f.Release(ctx, &c, time.Hour, false, why, nil))
		return time.Until(time.UnixMilli(int64(f.Redis.ZScore(ctx, f.Keys.Due(), c.ID).Val())))
	}
	_, _, err := people.Pause(ctx, "default", qfpay.AlipayOverseas, "ann@desk")
	ok(t, err)
	if in := putOff("A1", event.DeferPaused); in < 59*time.Minute {
		t.Errorf("paused, and due in %s", in)
	}
	putOff("A2", event.DeferDoubt)
	was, n, err := people.Resume(ctx, "default", qfpay.AlipayOverseas)
	if err != nil || !was || n != 1 {
		t.Errorf("resume: it was paused %t, %d orders are due, %v", was, n, err)
	}
	if in := putOff("A3", event.DeferPaused); in > time.Second {
		t.Errorf("put off for a pause that is over, and due in %s", in)
	}
	got := strings.Join(f.claimDue(journal.Room{tasks.Bulk: 9}), " ")
	if got != "A1 A3" {
		t.Errorf("due are %q", got)
	}
	if was, _, err := people.Resume(ctx, "default", ""); err != nil || was {
		t.Errorf("of what is not paused: %t, %v", was, err)
	}
}

// A pause of a pay type holds up its new orders and nothing else. Orders in doubt are cleared up, and end
// by the policy at their deadline; the others go on as soon as it ends.
func TestPaused_NothingLeavesButWhatClearsUp(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{})
	r.start()
	people := inspect.New(r.rdb, r.keys)
	r.eventually("the worker has told its merchants", func() bool {
		running, err := people.Running(t.Context())
		return err == nil && len(running) == 2
	})
	inDoubt := r.sentByADeadWorker("a", "D1")
	_, _, err := people.Pause(t.Context(), "a", qfpay.AlipayOverseas, "ann@desk")
	ok(t, err)
	const expires = 7
	r.enqueue(30, func(i int, o *tasks.Order) {
		of([]string{"a", "b", "a"}[i%3], "O")(i, o)
		if i%3 == 2 {
			o.PayType, o.GoodsName = qfpay.FPS, ""
		}
		if i/3 == expires {
			o.Deadline = time.Now().Add(1500 * time.Millisecond)
		}
	})
	r.eventually("others go, and one expires", func() bool { return r.published() == 21 })
	r.eventually("the order in doubt waits, and was queried before", func() bool {
		h, err := people.Order(t.Context(), inDoubt)
		return err == nil && h.DeferredFor == string(event.DeferPaused) && h.State == "SENT" && h.CreatesSent == 1 && !h.InFlight
	})
	if calls := r.creates("a", "800101"); calls != 0 {
		t.Errorf("%d creates of the paused pay type have left", calls)
	}
	r.eventually("the pause is logged", func() bool { return strings.Contains(r.log.String(), "paused by hand") })
	began := time.Now()
	_, _, err = people.Resume(t.Context(), "a", qfpay.AlipayOverseas)
	ok(t, err)
	results := r.results(31)
	if took := time.Since(began); took > 10*time.Second { // 3 s on an idle machine
		t.Errorf("after the pause it took %s", took)
	}
	r.agree(results)
	for i := range 30 {
		want := tasks.Created
		if i == 3*expires {
			want = tasks.Expired
		}
		if got := results[fmt.Sprint("O", i)].Outcome; got != string(want) && i/3 != expires {
			t.Errorf("O%d: %s, want %s", i, got, want)
		}
	}
	if got := results[fmt.Sprint("O", 3*expires)]; got.Outcome != string(tasks.Expired) {
		t.Errorf("at its deadline: %s", got.Outcome)
	}
	if r.deferred(event.DeferPaused) < 9 {
		t.Errorf("%d deferrals", r.deferred(event.DeferPaused))
	}
}

// sentByADeadWorker leaves an order in doubt, whose create never arrived.
func (r *rig) sentByADeadWorker(merchant, number string) (id string) {
	r.t.Helper()
	o := anOrder(number)
	o.Merchant = merchant
	o = o.WithDefaults(time.Now())
	_, err := r.producer().Accept(r.t.Context(), o)
	ok(r.t, err)
	times := r.times
	times.Call, times.Lease = time.Millisecond, 2*time.Second // long enough for both steps
	dead := &journal.Journal{Redis: r.rdb, Scripts: r.rdb, Keys: tasks.Keys{Prefix: r.keys.Prefix}, Times: times}
	c, err := dead.Claim(r.t.Context(), o.ID(), "dead")
	ok(r.t, err)
	ok(r.t, dead.Intent(r.t.Context(), &c))
	return o.ID()
}

// creates counts the orders of a merchant and a pay type that the gateway has been sent.
func (r *rig) creates(merchant, payType string) (n int) {
	appCode := ""
	for _, m := range r.config.Merchants {
		if m.Name == merchant {
			appCode = m.AppCode
		}
	}
	for _, o := range r.gateway.Orders() {
		if o.AppCode == appCode && string(o.PayType) == payType {
			n++
		}
	}
	return n
}

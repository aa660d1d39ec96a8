package worker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

func (f *journalFixture) cancel() (inspect.Cancellation, error) {
	return f.inspector().Cancel(f.t.Context(), f.id)
}

// An order for which nothing was sent ends in one transition, whatever number it has; to ask again says the same.
func TestCancel_EndsAnOrderThatNothingWasSentFor(t *testing.T) {
	t.Parallel()
	for name, lead := range map[string]func(*journalFixture){
		"never claimed": func(*journalFixture) {},
		"released": func(f *journalFixture) {
			ok(f.t, f.Release(f.t.Context(), f.take("a"), time.Hour, false, event.DeferHeld, nil))
		},
		"its attempt was killed": func(f *journalFixture) {
			f.take("a")
			f.lapse()
		},
		"under another number, the old one being dead": func(f *journalFixture) {
			c := f.take("a")
			ok(f.t, f.Intent(f.t.Context(), c))
			ok(f.t, f.Reissue(f.t.Context(), c))
			ok(f.t, f.Release(f.t.Context(), c, time.Hour, false, event.DeferDoubt, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newJournalFixture(t)
			lead(f)
			for _, before := range []bool{false, true} {
				got, err := f.cancel()
				ok(t, err)
				if want := (inspect.Cancellation{ID: f.id, Status: inspect.Cancelled, State: "DONE", Outcome: tasks.Cancelled, Before: before}); got != want {
					t.Fatalf("%+v", got)
				}
			}
			h, err := f.inspector().Order(t.Context(), f.id)
			ok(t, err)
			r := h.Results[0].Result
			if len(h.Results) != 1 || r == nil || r.Outcome != "cancelled" || r.Reason == "" || r.IssuedAs != h.IssuedAs || r.ID != f.id || r.TxAmt != "2500" {
				t.Errorf("%+v", r)
			}
			if ttl := f.Redis.PTTL(t.Context(), f.Keys.Order(f.id)).Val(); ttl <= 0 {
				t.Error("its journal is kept for ever")
			}
			f.sound()
			again := f.reopen()
			if again.State != "NEW" || f.published() != 1 || f.field("cancel_asked_at") != "" {
				t.Errorf("a person may try it again: %+v", again)
			}
		})
	}
}

// With an attempt at work no create leaves any more, and the attempt learns why.
func TestCancel_StopsTheNextCreateOfAnAttempt(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	c := f.take("a")
	got, err := f.cancel()
	ok(t, err)
	if got.Status != inspect.CancelAsked || got.State != "NEW" || f.published() != 0 {
		t.Fatalf("%+v", got)
	}
	if err := f.Intent(t.Context(), c); !errors.Is(err, journal.ErrCancelled) || !c.Cancelled {
		t.Errorf("intent: %v", err)
	}
	f.want("NEW", "0", "0")
	ok(t, f.Release(t.Context(), c, time.Hour, false, event.DeferQuota, &journal.WaitQueue{Key: "queue", AppCode: "APP"}))
	if n := f.Redis.Exists(t.Context(), "queue").Val(); n != 0 {
		t.Error("it waits for a slot that it does not need")
	}
	due, err := f.ClaimDue(t.Context(), journal.Room{tasks.Bulk: 1})
	ok(t, err)
	if len(due.Claims) != 1 || !due.Claims[0].Cancelled {
		t.Errorf("it is not due now: %+v", due)
	}
}

// An order that its cancellation itself ends counts among the settled ones, once, as if an attempt had ended it.
func TestCancel_TellsTheObserverOfWhatItEnds(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	ok(t, f.Release(t.Context(), f.take("a"), time.Hour, false, event.DeferHeld, nil))
	var events eventBook
	i := f.inspector().Observed(&events)
	for range 2 {
		_, err := i.Cancel(t.Context(), f.id)
		ok(t, err)
	}
	got := seen[event.Settled](&events)
	if len(got) != 1 || got[0].Merchant != "default" || got[0].Outcome != tasks.Cancelled || got[0].PayType == "" || got[0].Lane == "" ||
		got[0].Took < 0 || got[0].Took > time.Minute || got[0].DeferredFor != event.DeferHeld {
		t.Errorf("%+v", got)
	}
	f = newJournalFixture(t)
	f.take("b") // it is asked for, and a worker ends it
	if _, err := f.inspector().Observed(&events).Cancel(t.Context(), f.id); err != nil || len(seen[event.Settled](&events)) != 1 {
		t.Errorf("%v, %+v", err, seen[event.Settled](&events))
	}
}

func TestCancel_RefusesWhatHasEndedOrIsNotThere(t *testing.T) {
	t.Parallel()
	for _, outcome := range []tasks.Outcome{tasks.Rejected, tasks.Expired, tasks.Unresolved} {
		f := newJournalFixture(t)
		f.end(f.take("a"), outcome)
		_, err := f.cancel()
		if not, is := errors.AsType[*inspect.NotCancelled](err); !is || not.Outcome != outcome || f.published() != 1 {
			t.Errorf("%s: %v", outcome, err)
		}
	}
	f := newJournalFixture(t)
	if _, err := f.inspector().Cancel(t.Context(), "other:A1"); !errors.Is(err, inspect.ErrNoOrder) {
		t.Errorf("of another merchant: %v", err)
	}
	ok(t, f.Redis.ZRem(t.Context(), f.Keys.Due(), f.id).Err())
	if _, err := f.cancel(); !inspect.IsNotCancelled(err) || f.field("cancel_asked_at") != "" {
		t.Errorf("put aside: %v", err)
	}
}

// The answer to the create was lost: the order is cancelled only when QFPay shows it dead. Also where QFPAY_LOST_RESPONSE would
// not close it.
func TestCancel_ClosesAnOrderWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.config.LostResponse = LeaveIt
	f := &journalFixture{t: t, id: "default:A0000", Journal: &journal.Journal{Redis: r.rdb, Scripts: r.rdb, Keys: r.keys, Times: r.times}}
	r.enqueue(1, func(_ int, o *tasks.Order) { o.PayType = qfpay.AlipayOverseas })
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint != "payment" {
			return ""
		}
		if got, err := f.cancel(); err != nil || got.Status != inspect.CancelAsked || got.State != "SENT" {
			t.Errorf("%+v, %v", got, err)
		}
		return "reset_after"
	})
	r.start()
	results := r.results(1)
	if got := results["A0000"]; got.Outcome != "cancelled" || got.QRCode != "" {
		t.Errorf("%+v", got)
	}
	r.agree(results)
	for _, o := range r.gateway.Orders() {
		if o.OrderType == "payment" && o.Live() {
			t.Errorf("%+v", o)
		}
	}
}

// Published codes are closed at QFPay, if they can be, and their results stay; the payment stream says so at once. A code whose
// order was cancelled while its create was under way is published and then closed.
func TestCancel_ClosesPublishedCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.config.Payments = true
	i := inspect.New(r.rdb, r.keys)
	types := []qfpay.PayType{qfpay.AlipayOverseas, qfpay.FPS, qfpay.AlipayHK, qfpay.AlipayHK}
	orders := r.enqueue(4, func(n int, o *tasks.Order) { o.PayType, o.TxCurrCd = types[n], "HKD" })
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint == "payment" && c.OutTradeNo == "A0003" {
			if _, err := i.Cancel(t.Context(), "default:A0003"); err != nil {
				t.Error(err)
			}
		}
		return ""
	})
	r.start()
	results := r.results(4)
	ok(t, r.gateway.Pay("A0002"))
	for n, want := range []inspect.CancelStatus{inspect.CancelShut, inspect.CancelNot, inspect.CancelPaid, inspect.CancelShut} {
		c, err := i.Cancel(t.Context(), "default:"+orders[n].OutTradeNo)
		ok(t, err)
		for began := time.Now(); c.Status.Waits() && time.Since(began) < 30*time.Second; time.Sleep(10 * time.Millisecond) {
			c, err = i.CancelNow(t.Context(), c)
			ok(t, err)
		}
		if c.Status != want || results[orders[n].OutTradeNo].Outcome != "created" {
			t.Errorf("%s: %+v, want %s", orders[n].OutTradeNo, c, want)
		}
	}
	payments, err := tasks.NewPayments(r.rdb, r.keys).Read(t.Context(), "", 10)
	ok(t, err)
	var events []string
	for _, p := range payments {
		events = append(events, p.Payment.ID)
	}
	slices.Sort(events)
	if want := []string{"default:A0000:closed", "default:A0002:paid", "default:A0003:closed"}; !slices.Equal(events, want) {
		t.Errorf("the payment stream has %v, want %v", events, want)
	}
	if said := seen[event.Closed](r.events); len(said) != 4 {
		t.Errorf("the observer was told %v", said)
	}
	if n := r.rdb.ZCard(t.Context(), r.keys.Closing()).Val(); n != 0 || r.rdb.XLen(t.Context(), r.keys.Results()).Val() != 4 {
		t.Errorf("%d orders are still to be closed", n)
	}
	for _, c := range r.gateway.Calls() {
		if (c.Endpoint == "reversal" || c.Endpoint == "close") && (c.OutTradeNo == "A0001" || c.OutTradeNo == "A0002") {
			t.Errorf("%s met %s", c.OutTradeNo, c.Endpoint)
		}
	}
}

// listsTwice lets Redis list every member of a sorted set twice, as ZSCAN does with some while the set shrinks.
type listsTwice struct{}

func (listsTwice) DialHook(next redis.DialHook) redis.DialHook { return next }

func (listsTwice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (listsTwice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if scan, is := cmd.(*redis.ScanCmd); is && cmd.Name() == "zscan" {
			page, cursor := scan.Val()
			scan.SetVal(append(page, page...), cursor)
		}
		return err
	}
}

func TestCancelBatch_TellsEachOrderOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.enqueue(30, func(_ int, o *tasks.Order) { o.Batch = "run" })
	rdb := r.client()
	rdb.AddHook(listsTwice{})
	told := map[string]int{}
	ok(t, inspect.New(rdb, r.keys).CancelBatch(t.Context(), "run", func(c inspect.Cancellation, err error) error {
		told[c.ID]++
		return err
	}))
	for id, times := range told {
		if times != 1 {
			t.Errorf("%s was told %d times", id, times)
		}
	}
	if len(told) != 30 {
		t.Errorf("%d orders of 30", len(told))
	}
}

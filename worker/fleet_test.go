package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Workers with different merchants share a prefix. Each takes tasks of the other's orders, and hands
// them on: none waits.
func TestFleet_HandsAnOrderOnToAWorkerThatHasItsMerchant(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{})
	r.times.Held = time.Hour
	both := r.config.Merchants
	for i := range both {
		r.config.Merchants = both[i : i+1]
		r.start()
	}
	r.eventually("both have told their merchants", func() bool {
		return len(r.rdb.HKeys(t.Context(), r.keys.Merchants()).Val()) == 2
	})
	for _, w := range r.workers {
		ok(t, w.handler.Fleet.Exchange(t.Context(), 0))
	}
	r.enqueue(20, of("a", "A"))
	r.enqueue(20, of("b", "B"))
	r.agree(r.results(40))
	if n := r.deferred(event.DeferUnknown); n != 0 || r.deferred(event.DeferElsewhere) == 0 {
		t.Errorf("%d orders waited, %d were handed on", n, r.deferred(event.DeferElsewhere))
	}
	if log := r.log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, `level=INFO msg="order deferred"`) {
		t.Errorf("an order that is handed on is logged:\n%s", r.log.tail(20))
	}
}

// Orders of a merchant that no worker has wait, as one line of the log and a metric say, and go when a
// worker has it.
func TestFleet_TellsOfAMerchantThatNobodyHas(t *testing.T) {
	t.Parallel()
	r := newShops(t, simulator.Latency{})
	r.times.Held = 20 * time.Millisecond
	both := r.config.Merchants
	r.config.Merchants = both[:1]
	r.start()
	r.enqueue(6, func(i int, o *tasks.Order) {
		of("b", "B")(i, o)
		if i == 5 {
			o.Deadline = time.Now().Add(time.Second)
		}
	})
	r.eventually("the order with a deadline has expired", func() bool { return r.published() == 1 })
	r.eventually("each order was looked at several times", func() bool { return r.deferred(event.DeferUnknown) > 20 })
	ok(t, r.workers[0].handler.Fleet.Exchange(t.Context(), 0))
	if unknown := r.unknownMerchants(); !slices.Equal(unknown, []string{"b"}) {
		t.Errorf("unknown are %q", unknown)
	}
	log := r.log.String()
	if n := strings.Count(log, "no running worker has this merchant"); n != 1 || strings.Contains(log, `level=INFO msg="order deferred"`) {
		t.Errorf("%d lines of the log:\n%s", n, r.log.tail(20))
	}
	ok(t, r.workers[0].SetMerchants(both))
	results := r.results(6)
	r.agree(results)
	if b5 := results["B5"]; b5.Outcome != string(tasks.Expired) || b5.Reason != "no worker knows its merchant" {
		t.Errorf("at its deadline: %+v", b5)
	}
	ok(t, r.workers[0].handler.Fleet.Exchange(t.Context(), 0))
	if unknown := r.unknownMerchants(); len(unknown) != 0 {
		t.Errorf("still unknown are %q", unknown)
	}
}

func (r *rig) unknownMerchants() []string {
	return r.rdb.ZRange(r.t.Context(), r.keys.UnknownMerchants(), 0, -1).Val()
}

func TestTellMerchants_KeepsWhatRunningWorkersHave(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	tell := func(has, gone, unknown []string, want string) {
		t.Helper()
		quotas := map[string]journal.Quota{}
		for i, name := range has {
			quotas[name] = journal.Quota{AppCode: "code of " + name, PerMinute: 400 + i}
		}
		running, _, err := f.TellMerchants(t.Context(), quotas, gone, unknown)
		ok(t, err)
		slices.Sort(running)
		if got := strings.Join(running, " "); got != want {
			t.Errorf("running workers have %q, want %q", got, want)
		}
	}
	unknown := func(want ...string) {
		t.Helper()
		if got := f.Redis.ZRange(t.Context(), f.Keys.UnknownMerchants(), 0, -1).Val(); !slices.Equal(got, want) {
			t.Errorf("unknown are %q, want %q", got, want)
		}
	}
	now := time.Now()
	ok(t, f.Redis.HSet(t.Context(), f.Keys.Merchants(), "ended", now.UnixMilli()-1, "clock-went-back", now.Add(time.Hour).UnixMilli(), "damaged", "x").Err())
	ok(t, f.Redis.ZAdd(t.Context(), f.Keys.UnknownMerchants(), redis.Z{Member: "past", Score: 1},
		redis.Z{Member: "clock-went-back", Score: float64(now.Add(time.Hour).UnixMilli())}).Err())
	ok(t, f.Redis.HSet(t.Context(), f.Keys.Quotas(), "ended", "0 400 gone").Err())
	tell([]string{"a", "b"}, nil, []string{"x", "b"}, "a b")
	unknown("x")
	tell([]string{"c"}, []string{"a"}, nil, "b c")
	if diff := cmp.Diff(map[string]string{"b": "0 401 code of b", "c": "0 400 code of c"}, f.Redis.HGetAll(t.Context(), f.Keys.Quotas()).Val()); diff != "" {
		t.Errorf("quotas:\n%s", diff)
	}
	if left := f.Redis.PTTL(t.Context(), f.Keys.Quotas()).Val(); left <= 0 || left > timing.MerchantTold {
		t.Errorf("the quotas of ended workers stay for %s", left)
	}
	if left := f.Redis.PTTL(t.Context(), f.Keys.Merchants()).Val(); left <= 0 || left > timing.MerchantTold {
		t.Errorf("the merchants of ended workers stay for %s", left)
	}
	var many []string
	for i := range 1500 {
		many = append(many, fmt.Sprintf("m%04d", i))
	}
	tell(nil, nil, many, "b c")
	if n := f.Redis.ZCard(t.Context(), f.Keys.UnknownMerchants()).Val(); n != 1000 {
		t.Errorf("%d unknown merchants are kept", n)
	}
}

// Orders that are left to others stay due since when they were, and hide none of this process, however
// many there are.
func TestClaimDue_LeavesOrdersOfOthers(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	room := journal.Room{tasks.Bulk: 1, tasks.Interactive: 1}
	claimed := func() (ids []string) {
		due, err := f.ClaimDue(t.Context(), room, "other", "default-2")
		ok(t, err)
		if due.Next != 0 || len(due.Damaged) != 0 {
			t.Errorf("claim_due: %+v", due)
		}
		for _, c := range due.Claims {
			ids = append(ids, c.ID)
		}
		return ids
	}
	ok(t, f.Redis.ZAdd(t.Context(), f.Keys.Due(), redis.Z{Member: "other:1", Score: 1}, redis.Z{Member: "default-2:1", Score: 2}).Err())
	f.dueSince("A1")
	if ids := claimed(); !slices.Equal(ids, []string{f.id}) {
		t.Errorf("claimed %q", ids)
	}
	if at := f.Redis.ZScore(t.Context(), f.Keys.Due(), "other:1").Val(); at != 1 {
		t.Errorf("the other's order is due since %.0f", at)
	}
	var others []redis.Z
	for i := range 1500 {
		others = append(others, redis.Z{Member: fmt.Sprint("other:", i), Score: float64(i)})
	}
	ok(t, f.Redis.ZAdd(t.Context(), f.Keys.Due(), others...).Err())
	f.dueSince("A2")
	ok(t, f.Redis.ZAdd(t.Context(), f.Keys.Due(), redis.Z{Member: "default:A2", Score: 9999}).Err())
	if ids := append(claimed(), claimed()...); !slices.Equal(ids, []string{"default:A2"}) {
		t.Errorf("claimed %q behind many orders of others", ids)
	}
}

package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// newFleet is the fleet as a process with the merchant "a" knows it, on a Redis of its own.
func newFleet(t *testing.T) *Fleet {
	rdb := redistest.Start(t).Client(t)
	j := &journal.Journal{Redis: rdb, Scripts: rdb, Keys: tasks.Keys{Prefix: tasks.DefaultPrefix}, Times: timing.For(time.Second)}
	return New(j, func() map[string]journal.Quota { return map[string]journal.Quota{"a": {}} })
}

// A worker that has ended is no reason to leave an order to it, nor is one that nothing is heard of
// because Redis does not take what is told.
func TestFleet_ForgetsAWorkerThatHasEnded(t *testing.T) {
	t.Parallel()
	fleet := newFleet(t)
	rdb, keys := fleet.journal.Redis, fleet.journal.Keys
	has := func(want bool, when string) {
		t.Helper()
		if elsewhere, err := fleet.Has(t.Context(), "b"); err != nil || elsewhere != want {
			t.Errorf("%s: %t, %v", when, elsewhere, err)
		}
		if left := len(fleet.Others()) > 0; left != want {
			t.Errorf("%s: its orders are left alone: %t", when, left)
		}
		fleet.latest.Store(&exchange{})
	}
	has(false, "alone")
	_, _, err := fleet.journal.TellMerchants(t.Context(), map[string]journal.Quota{"b": {}}, nil, nil)
	redistest.OK(t, err)
	has(true, "another has it")
	redistest.OK(t, rdb.HSet(t.Context(), keys.Merchants(), "b", time.Now().Add(-time.Millisecond).UnixMilli()).Err())
	has(false, "it has ended")
	fleet.latest.Store(&exchange{at: time.Now().Add(-timing.MerchantTold), running: map[string]bool{"b": true}})
	if len(fleet.Others()) != 0 {
		t.Error("orders are left to a worker of which nothing was heard for long")
	}
}

// So many do not fit into one command.
func TestFleet_TellsThousandsOfMerchants(t *testing.T) {
	t.Parallel()
	fleet := newFleet(t)
	has := map[string]journal.Quota{}
	for i := range 2500 {
		has[fmt.Sprint("m", i)] = journal.Quota{AppCode: fmt.Sprint("app", i), PerSecond: i, PerMinute: 2 * i}
	}
	running, _, err := fleet.journal.TellMerchants(t.Context(), has, nil, nil)
	redistest.OK(t, err)
	if len(running) != len(has) {
		t.Errorf("%d merchants run, want %d", len(running), len(has))
	}
	told, err := fleet.journal.Redis.HGetAll(t.Context(), fleet.journal.Keys.Quotas()).Result()
	redistest.OK(t, err)
	for name, want := range has {
		if got, ok := journal.ParseQuota(told[name]); !ok || got != want {
			t.Errorf("the quota of %s is %q, want %v", name, told[name], want)
		}
	}
	if n := fleet.journal.Redis.HLen(t.Context(), fleet.journal.Keys.Merchants()).Val(); n != 2500 {
		t.Errorf("%d merchants are told", n)
	}
}

// What a process believes to be paused, and did not just hear of, it asks for again.
func TestFleet_KnowsWhatIsPaused(t *testing.T) {
	t.Parallel()
	fleet := newFleet(t)
	rdb, keys := fleet.journal.Redis, fleet.journal.Keys
	o := tasks.Order{Merchant: tasks.DefaultMerchant, Order: qfpay.Order{PayType: qfpay.AlipayOverseas}}
	is := func(want bool, when string) {
		t.Helper()
		if got := fleet.IsPaused(t.Context(), o); got != want {
			t.Errorf("%s: paused %t", when, got)
		}
	}
	is(false, "at the start")
	redistest.OK(t, rdb.HSet(t.Context(), keys.Paused(), "default:"+string(qfpay.FPS), "", "other", "").Err())
	redistest.OK(t, fleet.Exchange(t.Context(), 0))
	is(false, "others are paused")
	redistest.OK(t, rdb.HSet(t.Context(), keys.Paused(), "default:"+string(o.PayType), "").Err())
	redistest.OK(t, fleet.Exchange(t.Context(), 0))
	is(true, "its pay type is paused")
	redistest.OK(t, rdb.Del(t.Context(), keys.Paused()).Err())
	fleet.latest.Store(&exchange{at: time.Now().Add(-time.Minute), paused: fleet.latest.Load().paused})
	is(false, "the pause is over")
}

package worker

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// Damaged journals are due before all others, and hold up none of them.
func TestDispatcher_ADamagedJournalStopsNoOtherOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	ctx := t.Context()
	due := func(number string, score float64) {
		t.Helper()
		_, err := r.producer().Accept(ctx, anOrder(number).WithDefaults(time.Now()))
		ok(t, err)
		ok(t, r.rdb.ZAdd(ctx, r.keys.Due(), redis.Z{Score: score, Member: "default:" + number}).Err())
	}
	for number, field := range map[string][2]string{
		"TEXT": {"sent_at", "x"}, "NAN": {"not_found", "nan"}, "NEGATIVE": {"reissues", "-900"}, "HUGE": {"accepted_at", "1e308"},
		"LANE": {"lane", "express"}, "ATTEMPTS": {"attempts", "many"}, "STATE": {"state", "FOO"},
		"FUTURE": {"sent_at", "4102444800000"}, "HALF": {"attempts", "1.5"}, "LONG": {"answer", strings.Repeat("x", 1<<20)},
	} {
		due(number, 1)
		ok(t, r.rdb.HSet(ctx, r.keys.Order("default:"+number), field[0], field[1]).Err())
	}
	due("STRING", 1)
	ok(t, r.rdb.Set(ctx, r.keys.Order("default:STRING"), "x", 0).Err())
	due("GONE", 1)
	ok(t, r.rdb.Del(ctx, r.keys.Order("default:GONE")).Err())
	sound := []string{"A1", "A2", "A3"}
	for _, number := range sound {
		due(number, 2)
	}
	r.start()
	r.eventually("the sound orders have their results", func() bool {
		for _, number := range sound {
			if r.rdb.HGet(ctx, r.keys.Order("default:"+number), "state").Val() != "DONE" {
				return false
			}
		}
		return true
	})
	r.setAside("TEXT", "NAN", "NEGATIVE", "HUGE", "LANE", "ATTEMPTS", "STATE", "FUTURE", "HALF", "LONG", "STRING", "GONE")
	ok(t, r.rdb.HSet(ctx, r.keys.Order("default:A1"), "entry", "x").Err())
	counts, found := violations(t, r.rdb, r.keys)
	if counts.Settled != 3 || len(found) != 13 || found["default:A1"] == "" || !strings.Contains(found["default:FUTURE"], "put aside") {
		t.Errorf("the audit counts %+v and finds %v", counts, found)
	}

	inspector := inspect.New(r.rdb, r.keys)
	_, err := inspector.Reopen(ctx, "default:FUTURE", time.Time{})
	var not *inspect.NotReopened
	if !errors.As(err, &not) || !strings.Contains(not.Why, "still damaged: the field sent_at") {
		t.Errorf("put back although it is still damaged: %v", err)
	}
	ok(t, r.rdb.HDel(ctx, r.keys.Order("default:FUTURE"), "sent_at").Err())
	back, err := inspector.Reopen(ctx, "default:FUTURE", time.Time{})
	if err != nil || !back.PutBack || back.State != "NEW" {
		t.Errorf("put back: %+v, %v", back, err)
	}
	r.eventually("the order that was mended has its result", func() bool {
		return r.rdb.HGet(ctx, r.keys.Order("default:FUTURE"), "state").Val() == "DONE"
	})
}

// change changes a field of an order's journal by hand.
func (r *rig) change(number, field, value string) {
	r.t.Helper()
	ok(r.t, r.rdb.HSet(r.t.Context(), r.keys.Order("default:"+number), field, value).Err())
}

// setAside waits until these orders, and no other, are put aside and out of due.
func (r *rig) setAside(numbers ...string) {
	r.t.Helper()
	r.eventually("the damaged orders are put aside", func() bool {
		return int(r.rdb.ZCard(r.t.Context(), r.keys.Damaged()).Val()) >= len(numbers)
	})
	inLog := func(number string) int { return strings.Count(r.log.String(), "id=default:"+number+" ") }
	r.eventually("each is logged, which follows", func() bool {
		return !slices.ContainsFunc(numbers, func(number string) bool { return inLog(number) == 0 })
	})
	for _, number := range numbers {
		if r.rdb.ZScore(r.t.Context(), r.keys.Damaged(), "default:"+number).Err() != nil {
			r.t.Errorf("%s is not put aside", number)
		}
		if r.rdb.ZScore(r.t.Context(), r.keys.Due(), "default:"+number).Err() == nil {
			r.t.Errorf("%s is put aside, and due all the same", number)
		}
		if n := inLog(number); n != 1 {
			r.t.Errorf("%s is in %d lines of the log", number, n)
		}
	}
	if n := int(r.rdb.ZCard(r.t.Context(), r.keys.Damaged()).Val()); n != len(numbers) {
		r.t.Errorf("%d orders are put aside, want %d", n, len(numbers))
	}
}

// What somebody changes in an accepted order by hand is never sent: the fingerprint tells.
func TestDamaged_AnOrderChangedByHandIsNotSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	changes := map[string][2]string{
		"AMOUNT":   {`"txamt":2500`, `"txamt":9900`},
		"NUMBER":   {`"out_trade_no":"NUMBER"`, `"out_trade_no":"OTHER"`},
		"MERCHANT": {`"merchant":"default"`, `"merchant":"shop"`},
		"BROKEN":   {`{`, ``},
	}
	for number, change := range changes {
		o := anOrder(number).WithDefaults(time.Now())
		_, err := r.producer().Accept(t.Context(), o)
		ok(t, err)
		before := r.rdb.HGet(t.Context(), r.keys.Order(o.ID()), "order").Val()
		after := strings.Replace(before, change[0], change[1], 1)
		if after == before {
			t.Fatalf("%s has no %s", before, change[0])
		}
		r.change(number, "order", after)
		ok(t, r.rdb.ZAdd(t.Context(), r.keys.Due(), redis.Z{Score: 1, Member: o.ID()}).Err())
	}
	r.start()
	r.setAside("AMOUNT", "NUMBER", "MERCHANT", "BROKEN")
	if calls := r.gateway.Calls(); len(calls) != 0 || r.published() != 0 {
		t.Errorf("%d calls, %d results", len(calls), r.published())
	}
}

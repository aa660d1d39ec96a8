package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
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
	} {
		due(number, 1)
		ok(t, r.rdb.HSet(ctx, r.keys.Order("default:"+number), field[0], field[1]).Err())
	}
	due("STRING", 1)
	ok(t, r.rdb.Set(ctx, r.keys.Order("default:STRING"), "x", 0).Err())
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
	r.eventually("every damaged order is in the log", func() bool { return strings.Count(r.log.String(), "gone or damaged") == 8 })
	if n := r.rdb.ZCard(ctx, r.keys.Due()).Val(); n != 8 {
		t.Errorf("%d orders are in due, want the 8 damaged ones", n)
	}
	ok(t, r.rdb.HSet(ctx, r.keys.Order("default:A1"), "entry", "x").Err())
	counts, found := violations(t, r.rdb, r.keys)
	if counts.Settled != 3 || found["default:STRING"] == "" || found["default:A1"] == "" {
		t.Errorf("the audit counts %+v and finds %v", counts, found)
	}
}

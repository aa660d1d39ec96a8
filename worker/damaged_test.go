package worker

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// Damaged journals are due before all others, and hold up none of them.
func TestSweep_ADamagedJournalStopsNoOtherOrder(t *testing.T) {
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
		"TEXT": {"sweeps", "x"}, "NAN": {"sweeps", "nan"}, "NEGATIVE": {"sweeps", "-900"}, "HUGE": {"sweeps", "1e308"},
		"LANE": {"lane", "express"}, "ATTEMPTS": {"attempts", "many"},
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
	r.eventually("the sound orders, and those whose count alone is damaged, have their results", func() bool {
		for _, number := range append(sound, "TEXT", "NAN", "NEGATIVE", "HUGE") {
			if r.rdb.HGet(ctx, r.keys.Order("default:"+number), "state").Val() != "DONE" {
				return false
			}
		}
		return true
	})
	if r.rdb.SIsMember(ctx, "asynq:queues", "qfpay:express").Val() {
		t.Error("an order with a damaged lane was put into a queue that nobody reads")
	}
	ok(t, r.rdb.HSet(ctx, r.keys.Order("default:A1"), "entry", "x").Err())
	counts, found := violations(t, r.rdb, r.keys)
	if counts.Settled != 7 || found["default:STRING"] == "" || found["default:A1"] == "" {
		t.Errorf("the audit counts %+v and finds %v", counts, found)
	}
}

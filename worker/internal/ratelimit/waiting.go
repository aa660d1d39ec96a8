package ratelimit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Waiting is what the limiters of an app_code have in Redis.
type Waiting struct {
	Log    Log
	Orders map[tasks.Lane]int // in its wait queues
}

// ReadWaiting reads what the limiters of an app_code have in Redis, and changes nothing. now is from Redis's
// clock.
func ReadWaiting(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, appCode string, now time.Time) (Waiting, error) {
	l := New(Config{Keys: keys, Limits: Limits{AppCode: appCode}})
	pipe := rdb.Pipeline()
	calls, interactive := pipe.ZRangeWithScores(ctx, l.keys[0], 0, -1), pipe.ZRangeWithScores(ctx, l.keys[1], 0, -1)
	state := pipe.HMGet(ctx, l.keys[2], "bulk", "doubt", "pause", "rate_factor", "factor_at")
	var queued [queues]*redis.IntCmd
	for n := range queued {
		queued[n] = pipe.ZCard(ctx, l.keys[3+n])
	}
	if err := redispipe.Exec(ctx, pipe); err != nil {
		return Waiting{}, fmt.Errorf("limiter: %w", err)
	}
	w := Waiting{Log: Log{Now: float64(now.UnixMicro()), Calls: scores(calls), Interactive: scores(interactive)}, Orders: map[tasks.Lane]int{}}
	for i, field := range []*float64{&w.Log.Bulk, &w.Log.Doubt, &w.Log.Pause, &w.Log.Factor, &w.Log.FactorAt} {
		text, _ := state.Val()[i].(string)
		*field, _ = strconv.ParseFloat(text, 64) // what is no number was changed by hand
	}
	for n, lane := range [queues]tasks.Lane{tasks.Interactive, tasks.Bulk, tasks.Interactive, tasks.Bulk} {
		w.Orders[lane] += int(queued[n].Val())
	}
	return w, nil
}

func scores(set *redis.ZSliceCmd) (all []float64) {
	for _, z := range set.Val() {
		all = append(all, z.Score)
	}
	return all
}

package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/asynqhook"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// watch sees what makes orders wait without an error: Redis's clock went back, somebody has paused a
// queue of asynq, or no worker has their merchant.
type watch struct {
	journal  *journal.Journal
	fleet    *fleet
	rdb      redis.UniversalClient
	keys     tasks.Keys
	observer event.Observer
	log      *slog.Logger
	paused   map[tasks.Lane]bool
}

// run looks until the context ends. Errors of Redis are not logged: the dispatcher's are, at the same
// time.
func (w *watch) run(ctx context.Context) {
	for {
		if w.fleet.exchange(ctx, 0) != nil && ctx.Err() == nil {
			w.observer.Observe(event.RedisFailed{Op: "merchants"})
		}
		if w.journal.ForgetPassed(ctx) != nil && ctx.Err() == nil {
			w.observer.Observe(event.RedisFailed{Op: "scheduled"})
		}
		w.clock(ctx)
		w.pauses(ctx)
		if wait.Sleep(ctx, timing.WatchEvery) != nil {
			return
		}
	}
}

// clock sees when Redis's clock goes back: by hand, by NTP, or because a replica has taken over whose
// clock is behind. All times of orders are on that clock.
func (w *watch) clock(ctx context.Context) {
	back, err := w.journal.MendClock(ctx)
	if back > 0 {
		w.log.Error("Redis's clock went back; orders that would be due later by that were brought forward",
			"by", back.Round(time.Millisecond).String(), "hint", "find out what sets it; docs/runbook.md, QfpayClockOff")
	}
	if (back > 0 || err != nil) && ctx.Err() == nil {
		w.observer.Observe(event.RedisFailed{Op: "clock"})
	}
}

// pauses logs when a queue is paused, and when it no longer is.
func (w *watch) pauses(ctx context.Context) {
	for _, lane := range tasks.Lanes() {
		paused, err := asynqhook.Paused(ctx, w.rdb, w.keys.Queue(lane))
		if err != nil || paused == w.paused[lane] {
			continue
		}
		w.paused[lane] = paused
		if paused {
			w.log.Warn("a queue is paused: no worker takes orders from it", "queue", w.keys.Queue(lane),
				"hint", "asynq queue unpause "+w.keys.Queue(lane))
		} else {
			w.log.Info("a queue is no longer paused", "queue", w.keys.Queue(lane))
		}
	}
}

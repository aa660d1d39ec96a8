package fleet

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/asynqhook"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// watch sees what makes orders wait without an error: Redis's clock went back, somebody has paused a
// queue of asynq, or orders, or no worker has their merchant.
type watch struct {
	*Fleet
	observer event.Observer
	log      *slog.Logger

	paused     map[tasks.Lane]bool // queues that were logged as paused
	handPaused map[string]bool     // as of [exchange]
}

func newWatch(f *Fleet, observer event.Observer, log *slog.Logger) *watch {
	return &watch{Fleet: f, observer: observer, log: log, paused: map[tasks.Lane]bool{}}
}

// Watch tells the other processes of this one, and looks for what makes orders wait without an error,
// until the context ends.
func (f *Fleet) Watch(ctx context.Context, observer event.Observer, log *slog.Logger) {
	newWatch(f, observer, log).run(ctx)
}

// run looks until the context ends. Errors of Redis are not logged: the dispatcher's are, at the same
// time.
func (w *watch) run(ctx context.Context) {
	for {
		if w.Exchange(ctx, 0) != nil && ctx.Err() == nil {
			w.observer.Observe(event.RedisFailed{Op: "merchants"})
		}
		w.byHand(w.latest.Load().paused)
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

// byHand logs what a person has paused, and what is no longer paused.
func (w *watch) byHand(now map[string]bool) {
	before := w.handPaused
	w.handPaused = now
	for what := range now {
		if merchant, payType, _ := strings.Cut(what, ":"); !before[what] {
			w.log.Warn("orders are paused by hand; those that QFPay may have are still cleared up", "merchant", merchant, "pay_type", payType,
				"hint", "qfpay-worker merchant list says by whom")
		}
	}
	for what := range before {
		if merchant, payType, _ := strings.Cut(what, ":"); !now[what] {
			w.log.Info("orders are no longer paused by hand", "merchant", merchant, "pay_type", payType)
		}
	}
}

// pauses logs when a queue is paused, and when it no longer is.
func (w *watch) pauses(ctx context.Context) {
	for _, lane := range tasks.Lanes() {
		paused, err := asynqhook.Paused(ctx, w.journal.Redis, w.journal.Keys.Queue(lane))
		if err != nil || paused == w.paused[lane] {
			continue
		}
		w.paused[lane] = paused
		if paused {
			w.log.Warn("a queue is paused: no worker takes orders from it", "queue", w.journal.Keys.Queue(lane),
				"hint", "asynq queue unpause "+w.journal.Keys.Queue(lane))
		} else {
			w.log.Info("a queue is no longer paused", "queue", w.journal.Keys.Queue(lane))
		}
	}
}

package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// clockWatch sees when Redis's clock goes back, by hand, by NTP or because a replica has taken over
// whose clock is behind. All times of orders are on that clock.
type clockWatch struct {
	journal  *journal.Journal
	observer event.Observer
	log      *slog.Logger
}

// run looks until the context ends. An error is not logged: the sweeper's is, at the same time.
func (c *clockWatch) run(ctx context.Context) {
	for {
		back, err := c.journal.MendClock(ctx)
		if back > 0 {
			c.log.Error("Redis's clock went back; what was due later by that was brought forward",
				"by", back.Round(time.Millisecond).String(), "hint", "find out what sets it; docs/runbook.md, QfpayClockOff")
		}
		if (back > 0 || err != nil) && ctx.Err() == nil {
			c.observer.Observe(event.RedisFailed{Op: "clock"})
		}
		if wait.Sleep(ctx, timing.ClockCheck) != nil {
			return
		}
	}
}

// Package wait has the pauses of the worker: each ends early when its context does.
package wait

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sethvargo/go-retry"
)

// Sleep pauses for d, or returns why the context ended.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), ctx.Err())
	}
}

// Longer returns a context that ends this much later than ctx does.
func Longer(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() { stop(); cancel() }
}

// Closed reports whether a channel is closed.
func Closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Jitter adds up to a quarter, so that what was put off together does not come back
// together.
func Jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// Backoff spaces the repetitions of a write that must succeed: 100 ms, doubled each time, to
// 2 s.
func Backoff() retry.Backoff {
	return retry.WithJitterPercent(30, retry.WithCappedDuration(2*time.Second, retry.NewExponential(100*time.Millisecond)))
}

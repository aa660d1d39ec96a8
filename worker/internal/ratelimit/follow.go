package ratelimit

import (
	"context"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// Follower returns the limiter of queries about published codes. It waits as long as their share of the
// limits asks for: nobody else waits for them.
func (l *Limiter) Follower() qfpay.Limiter { return follower{l} }

type follower struct{ *Limiter }

// Acquire implements [qfpay.Limiter]. Its error is that of ctx or of Redis.
func (f follower) Acquire(ctx context.Context) (qfpay.Permit, error) {
	for {
		r, later, err := f.Reserve(ctx, Follow, false, "")
		switch {
		case err != nil:
			return qfpay.Permit{}, err
		case r != nil:
			return r.permit(ctx)
		}
		if err := wait.Sleep(ctx, min(max(later-timing.MaxWait/2, timing.MinSpacing), 5*time.Second)); err != nil {
			return qfpay.Permit{}, err
		}
	}
}

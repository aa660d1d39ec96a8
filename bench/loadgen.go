package main

import (
	"context"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// loadgen enqueues orders, for one merchant after the other.
type loadgen struct {
	producer        *tasks.Producer
	series          string
	merchants, sent int
}

// run enqueues at a rate, in steps of 10 ms.
func (f *loadgen) run(ctx context.Context, rate float64, span time.Duration) error {
	return pace(ctx, rate, span, 10*time.Millisecond, func(n int) error {
		orders := newOrders(f.series, f.sent, n)
		for i := range orders {
			orders[i].Merchant = merchantName((f.sent + i) % f.merchants)
		}
		f.sent += n
		_, err := f.producer.EnqueueAll(ctx, orders)
		return err
	})
}

// pace calls a function at a rate for span. Each step passes the number that became due since
// the last step.
func pace(ctx context.Context, rate float64, span, step time.Duration, do func(n int) error) error {
	for began, done := time.Now(), 0; time.Since(began) < span; {
		due := int(min(time.Since(began), span).Seconds() * rate)
		if err := do(due - done); err != nil {
			return err
		}
		done = due
		if err := pause(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

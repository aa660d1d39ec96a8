package main

import (
	"context"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// feeder enqueues orders, for one merchant after the other.
type feeder struct {
	producer        *tasks.Producer
	series          string
	merchants, sent int
}

// run enqueues at a rate, in steps of 10 ms.
func (f *feeder) run(ctx context.Context, rate float64, span time.Duration) error {
	for began, n := time.Now(), 0; time.Since(began) < span; {
		due := int(time.Since(began).Seconds() * rate)
		orders := newOrders(f.series, f.sent, due-n)
		for i := range orders {
			orders[i].Merchant = merchantName((f.sent + i) % f.merchants)
		}
		if _, err := f.producer.EnqueueAll(ctx, orders); err != nil {
			return err
		}
		f.sent, n = f.sent+len(orders), due
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

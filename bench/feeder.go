package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// feeder enqueues orders, for one merchant after the other, and in one lane after the other.
type feeder struct {
	producer        *tasks.Producer
	series          string
	merchants, sent int
	lanes           []tasks.Lane
}

// run enqueues at a rate. Its steps are as short as the machine lets them be: orders come
// one by one, and a burst would be its own queue.
func (f *feeder) run(ctx context.Context, rate float64, span time.Duration) error {
	for began, n := time.Now(), 0; time.Since(began) < span; {
		due := int(time.Since(began).Seconds() * rate)
		orders := newOrders(f.series, f.sent, due-n)
		for i := range orders {
			orders[i].Merchant = merchantName((f.sent + i) % f.merchants)
			orders[i].Lane = f.lanes[(f.sent+i)%len(f.lanes)]
		}
		if _, err := f.producer.EnqueueAll(ctx, orders); err != nil {
			return err
		}
		f.sent, n = f.sent+len(orders), due
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// overheads is what each order but the first took beyond the gateway's time, by its own
// result.
func overheads(ctx context.Context, s *stage, stream string, first int) ([]time.Duration, error) {
	entries, err := s.redis.Client.XRange(ctx, stream, "-", "+").Result()
	if err != nil {
		return nil, err
	}
	all := make([]time.Duration, 0, len(entries))
	for _, entry := range entries[first:] {
		var at [2]time.Time
		for i, name := range []string{"enqueued_at", "settled_at"} {
			if at[i], err = time.Parse(time.RFC3339, fmt.Sprint(entry.Values[name])); err != nil {
				return nil, fmt.Errorf("%s of a result: %w", name, err)
			}
		}
		all = append(all, max(0, at[1].Sub(at[0])-gatewayTime))
	}
	return all, nil
}

// leaves is how long each call but the first took from its turn to its first byte.
func leaves(file string, first int) ([]time.Duration, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []time.Duration
	for lines := json.NewDecoder(bufio.NewReader(f)); lines.More(); {
		var call qfpay.Call
		if err := lines.Decode(&call); err != nil {
			return nil, err
		}
		all = append(all, call.Leaving)
	}
	return all[first:], nil
}

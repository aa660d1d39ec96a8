package main

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// measureBulk enqueues many orders, and a few one by one.
func measureBulk(ctx context.Context, run *speedRun) error {
	s, err := newEnvironment(ctx, run.rig, 0)
	if err != nil {
		return err
	}
	defer s.close()
	var bulk, single, asynq []float64
	for range run.Pairs {
		for _, m := range []struct {
			found *[]float64
			p     func(*redis.Client) enqueuer
			many  bool
		}{{&bulk, ourProducer, true}, {&single, ourProducer, false}, {&asynq, plainProducer, false}} {
			if err := s.redis.Client.FlushAll(ctx).Err(); err != nil {
				return err
			}
			n := run.sizes.singles
			if m.many {
				n *= 10
			}
			rate, err := enqueueRate(ctx, m.p(s.redis.Client), newOrders(s.series(), 0, n), m.many)
			if err != nil {
				return err
			}
			*m.found = append(*m.found, rate)
		}
	}
	faster := median(ratios(bulk, asynq))
	run.table.section("Enqueuing; one producer, one goroutine of the caller's",
		line{"orders a second in bulk; beside it one by one", perSecond(bulk), perSecond(single), "", noGoal},
		line{"  as a ratio", times(median(ratios(bulk, single))), "1", "", noGoal},
		line{"  beside asynq's Enqueue, one by one", times(faster), perSecond(asynq), "≥ 3×", judge(faster, 3.0, atLeast)},
	)
	return nil
}

func enqueueRate(ctx context.Context, p enqueuer, orders []tasks.Order, many bool) (float64, error) {
	began := time.Now()
	if many {
		if err := p.many(ctx, orders); err != nil {
			return 0, err
		}
	} else {
		for _, o := range orders {
			if err := p.one(ctx, o); err != nil {
				return 0, err
			}
		}
	}
	return float64(len(orders)) / time.Since(began).Seconds(), nil
}

package main

import (
	"context"
	"fmt"
	"math"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// measureCalls measures the cost of an order in Redis: the calls on the happy path, with the
// limits of production, and the memory of a waiting order.
func measureCalls(ctx context.Context, run *speedRun) error {
	s, err := newEnvironment(ctx, run.rig, 0)
	if err != nil {
		return err
	}
	defer s.close()
	limited := ours()
	other := plain("asynq", 64, 0)
	mine, err := callsPerOrder(ctx, s, limited)
	if err != nil {
		return err
	}
	theirs, err := callsPerOrder(ctx, s, other)
	if err != nil {
		return err
	}
	heavy, err := bytesPerOrder(ctx, s, limited, run.sizes.weighed)
	if err != nil {
		return err
	}
	light, err := bytesPerOrder(ctx, s, other, run.sizes.weighed)
	if err != nil {
		return err
	}
	weight := heavy / light
	run.table.section("What an order costs Redis; beside it plain asynq",
		line{"calls of the worker, asynq's two included", fmt.Sprintf("%.2f", mine), fmt.Sprintf("%.2f", theirs), "≤ 6", judge(math.Round(mine), 6, atMost)},
		line{"bytes of an order that waits", fmt.Sprintf("%.0f", heavy), fmt.Sprintf("%.0f", light), "", noGoal},
		line{"  as a ratio", times(weight), "1", "≤ 2.5×", judge(weight, 2.5, atMost)},
	)
	return nil
}

// callsPerOrder counts the commands and scripts of a worker for a few orders.
func callsPerOrder(ctx context.Context, s *environment, c candidate) (float64, error) {
	const n = 80
	if err := s.redis.Client.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	orders := newOrders(s.series(), 0, n)
	for i := range orders {
		orders[i].Lane = tasks.Interactive
	}
	if err := c.producer(s.redis.Client).many(ctx, orders); err != nil {
		return 0, err
	}
	m, err := s.redis.Monitor()
	if err != nil {
		return 0, err
	}
	err = c.running(ctx, s, func(p *rig.Process) error {
		_, err := s.await(ctx, c, p, n)
		return err
	})
	return m.Stop().PerOrder(n), err
}

// bytesPerOrder fills an empty Redis with n waiting orders.
func bytesPerOrder(ctx context.Context, s *environment, c candidate, n int) (float64, error) {
	if err := s.redis.Client.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	before, err := s.redis.Memory(ctx)
	if err != nil {
		return 0, err
	}
	if err := c.producer(s.redis.Client).many(ctx, newOrders(s.series(), 0, n)); err != nil {
		return 0, err
	}
	after, err := s.redis.Memory(ctx)
	return float64(after-before) / float64(n), err
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
)

// measureIdle measures one order at a time on an idle worker, with a gateway that answers at
// once: from the start of the enqueuing until a waiting consumer has the result.
func measureIdle(ctx context.Context, run *speedRun) error {
	s := &environment{rig: run.rig}
	var err error
	if s.redis, err = run.rig.StartRedis(ctx); err != nil {
		return err
	}
	if s.gateway, err = rig.ServeGateway(); err != nil {
		return err
	}
	defer s.close()
	candidates := []candidate{ours(), plain("asynq, polls every 20 ms", 64, 20*time.Millisecond), plain("asynq, default", 0, 0)}
	orders := []int{run.sizes.idleOrders, run.sizes.pollOrders, run.sizes.lazyOrders}
	took := make([][]time.Duration, len(candidates))
	medians := make([][]time.Duration, len(candidates))
	for range run.Pairs {
		for i, c := range candidates {
			err := c.with(ctx, s, func(*rig.Process) error {
				one, err := latencies(ctx, s, c, orders[i])
				took[i] = append(took[i], one...)
				medians[i] = append(medians[i], median(one))
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	polling, lazy := median(ratios(medians[1], medians[0])), median(ratios(medians[2], medians[0]))
	p50, p99 := quantile(took[0], 0.5), quantile(took[0], 0.99)
	run.table.section("Latency of an idle worker, enqueue to result; the gateway answers at once",
		line{"p50", ms(p50), "", "≤ 5 ms", judge(p50, 5*time.Millisecond, atMost)},
		line{"p99", ms(p99), "", "≤ 20 ms", judge(p99, 20*time.Millisecond, atMost)},
		line{"asynq polling every 20 ms, p50", times(1), times(polling) + " = " + ms(quantile(took[1], 0.5)), "≥ 5×", judge(polling, 5.0, atLeast)},
		line{"asynq's default, p50", times(1), times(lazy) + " = " + ms(quantile(took[2], 0.5)), "≥ 100×", judge(lazy, 100.0, atLeast)},
	)
	return run.plotLatency(candidates, took)
}

// latencies processes n orders, one after the other, with pauses that prevent synchronisation
// with a polling interval.
func latencies(ctx context.Context, s *environment, c candidate, n int) ([]time.Duration, error) {
	p, last := c.producer(s.redis.Client), "0"
	series := s.series()
	const warm = 5 // connections are made, scripts are loaded
	var took []time.Duration
	for i := range n + warm {
		if err := pause(ctx, time.Duration(rand.N(int64(20*time.Millisecond)))); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := p.one(ctx, newOrder(series, i)); err != nil {
			return nil, err
		}
		read, err := s.redis.Client.XRead(ctx, &redis.XReadArgs{Streams: []string{c.results, last}, Block: 30 * time.Second}).Result()
		if err != nil {
			return nil, fmt.Errorf("no result for an order: %w", err)
		}
		if i >= warm {
			took = append(took, time.Since(began))
		}
		last = read[0].Messages[0].ID
	}
	return took, nil
}

// pause waits, or returns an error if ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

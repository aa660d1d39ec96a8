package main

import (
	"context"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
)

// The goals for throughput beside the plain handler, which has neither a journal nor a limiter. They were 1.0 while the
// worker was measured without limits, which no merchant of QFPay is: with limits each order passes the limiter, in one
// more script. A worker that takes 2,500 orders a second uses the whole quota of 380 merchants.
const (
	throughputGoal = 0.7
	perCPUGoal     = 0.6
)

// measureThroughput makes workers process a backlog as fast as they can. No merchant
// reaches its limits, and the gateway, in its own process, answers at once.
func measureThroughput(ctx context.Context, run *speedRun) error {
	s, err := newEnvironment(ctx, run.rig, 0)
	if err != nil {
		return err
	}
	defer s.close()
	candidates := []candidate{ours(run.Set...), plain("asynq, 64 at once", 64, 20*time.Millisecond), plain("asynq, default", 0, 0)}
	found := make([]throughputs, len(candidates))
	for range run.Pairs {
		for i, c := range candidates {
			t, err := throughput(ctx, s, c, run.sizes.throughput)
			if err != nil {
				return err
			}
			found[i].add(t)
		}
	}
	mine, tuned, lazy := found[0], found[1], found[2]
	rate, perCPU := median(ratios(mine.rate, tuned.rate)), median(ratios(tuned.cpu, mine.cpu))
	run.table.section(fmt.Sprintf("Throughput below the limits, %s orders, one process; beside it asynq with 64 at once", count(run.sizes.throughput)),
		line{"orders a second", perSecond(mine.rate), perSecond(tuned.rate), "", noGoal},
		line{"  as a ratio", times(rate), "1", fmt.Sprintf("≥ %.1f×", throughputGoal), judge(rate, throughputGoal, atLeast)},
		line{"  beside asynq's default", times(median(ratios(mine.rate, lazy.rate))), perSecond(lazy.rate), "", noGoal},
		line{"CPU an order: worker", us(median(mine.worker)), us(median(tuned.worker)), "", noGoal},
		line{"CPU an order: redis-server", us(median(mine.redis)), us(median(tuned.redis)), "", noGoal},
		line{"orders a CPU-second of both, as a ratio", times(perCPU), "1", fmt.Sprintf("≥ %.1f×", perCPUGoal), judge(perCPU, perCPUGoal, atLeast)},
	)
	return nil
}

func perSecond(rates []float64) string {
	return fmt.Sprintf("%s (%s)", count(int(median(rates))), spread(rates, func(x float64) string { return count(int(x)) }))
}

// passage is the cost of processing a backlog, per order.
type passage struct {
	rate          float64 // orders a second
	worker, redis time.Duration
}

// throughputs are the figures of one candidate.
type throughputs struct {
	rate               []float64
	worker, redis, cpu []time.Duration // per order; cpu is both
}

func (t *throughputs) add(p passage) {
	t.rate = append(t.rate, p.rate)
	t.worker, t.redis = append(t.worker, p.worker), append(t.redis, p.redis)
	t.cpu = append(t.cpu, p.worker+p.redis)
}

// throughput enqueues n orders, then starts the candidate and measures it without the first and
// the last tenth, which are not its normal speed.
func throughput(ctx context.Context, s *environment, c candidate, n int) (passage, error) {
	if err := s.redis.Client.FlushAll(ctx).Err(); err != nil {
		return passage{}, err
	}
	if err := c.producer(s.redis.Client).many(ctx, newOrders(s.series(), 0, n)); err != nil {
		return passage{}, err
	}
	var from, to mark
	err := c.running(ctx, s, func(p *rig.Process) (err error) {
		if from, err = s.await(ctx, c, p, int64(n/10)); err != nil {
			return err
		}
		if to, err = s.await(ctx, c, p, int64(n-n/10)); err != nil {
			return err
		}
		_, err = s.await(ctx, c, p, int64(n))
		return err
	})
	return to.since(from), err
}

// mark is the progress and the cost of a candidate at one time.
type mark struct {
	at            time.Time
	settled       int64
	worker, redis time.Duration
}

// since returns the difference of two marks, per order.
func (m mark) since(from mark) passage {
	n := time.Duration(m.settled - from.settled)
	if n == 0 {
		return passage{}
	}
	return passage{rate: float64(n) / m.at.Sub(from.at).Seconds(),
		worker: (m.worker - from.worker) / n, redis: (m.redis - from.redis) / n}
}

// await waits until the candidate has settled this many orders.
func (s *environment) await(ctx context.Context, c candidate, p *rig.Process, settled int64) (mark, error) {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		n, err := s.redis.Client.XLen(ctx, c.results).Result()
		if err != nil {
			return mark{}, err
		}
		if n >= settled {
			return s.mark(p, n)
		}
		if time.Now().After(deadline) {
			return mark{}, fmt.Errorf("%d of %d orders settled after two minutes", n, settled)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return mark{}, err
		}
	}
}

func (s *environment) mark(p *rig.Process, settled int64) (m mark, err error) {
	m.at, m.settled = time.Now(), settled
	if m.worker, err = p.CPU(); err != nil {
		return m, err
	}
	m.redis, err = s.redis.CPU()
	return m, err
}

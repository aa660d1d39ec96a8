package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
)

// backlog is a Redis with many waiting orders, and its gateway.
type backlog struct {
	*environment
	orders int
	series string
	next   int // the index of the next order
}

// fillBacklog enqueues n orders in bulk into a new Redis.
func fillBacklog(ctx context.Context, r *rig.Rig, n int) (*backlog, error) {
	s, err := newEnvironment(ctx, r, 0)
	if err != nil {
		return nil, err
	}
	// A worker that is the first one on its Redis looks at every order that waits there already, whether it is of an
	// older version. The others do not, and it is they that are measured.
	if err := ours().running(ctx, s, func(*rig.Process) error { return nil }); err != nil {
		return nil, err
	}
	b := &backlog{environment: s, orders: n, series: s.series()}
	return b, b.add(ctx, n)
}

// add enqueues n more, in batches that need little memory.
func (b *backlog) add(ctx context.Context, n int) error {
	const batch = 10_000
	p := ourProducer(b.redis.Client)
	for n > 0 {
		k := min(n, batch)
		if err := p.many(ctx, newOrders(b.series, b.next, k)); err != nil {
			return err
		}
		b.next += k
		n -= k
	}
	return nil
}

// measureGrowth measures whether an order costs more when many others wait. It processes the
// same number of orders with each backlog, and keeps the length of the backlog.
func measureGrowth(ctx context.Context, run *speedRun) error {
	levels := []int{min(1000, run.Most/100), run.Most / 10, run.Most}
	backlogs := make([]*backlog, len(levels))
	for i, n := range levels {
		b, err := fillBacklog(ctx, run.rig, n)
		if err != nil {
			return err
		}
		defer b.close()
		backlogs[i] = b
	}
	first, err := firstResult(ctx, backlogs[len(backlogs)-1])
	if err != nil {
		return err
	}
	costs := make([]throughputs, len(levels))
	for range run.Pairs {
		for i, b := range backlogs {
			p, err := b.passage(ctx, run.sizes.growth)
			if err != nil {
				return err
			}
			costs[i].add(p)
		}
	}
	rows := make([]line, 0, len(levels)+1)
	for i, n := range levels {
		row := line{what: count(n) + " wait: CPU an order", figure: us(median(costs[i].cpu)), beside: count(int(median(costs[i].rate))) + "/s"}
		if i > 0 {
			more := median(ratios(costs[i].cpu, costs[0].cpu))
			row.beside += ", " + times(more) + " of " + count(levels[0])
			row.goal, row.verdict = "≤ 1.2×", judge(more, 1.2, atMost)
		}
		rows = append(rows, row)
	}
	rows = append(rows, line{count(run.Most) + " wait: start to the first result", ms(first), "", "≤ 5 s", judge(first, 5*time.Second, atMost)})
	run.table.section(fmt.Sprintf("Growth: %s orders gone through while others wait; CPU of worker and redis-server", count(run.sizes.growth)), rows...)
	return run.plotGrowth(levels, costs)
}

// firstResult starts a worker and waits for its first result.
func firstResult(ctx context.Context, b *backlog) (time.Duration, error) {
	c := ours()
	began := time.Now()
	var took time.Duration
	err := c.running(ctx, b.environment, func(*rig.Process) error {
		_, err := b.redis.Client.XRead(ctx, &redis.XReadArgs{Streams: []string{c.results, "0"}, Count: 1, Block: time.Minute}).Result()
		took = time.Since(began)
		return err
	})
	return took, err
}

// passage makes a worker process n orders, and adds as many to the backlog.
func (b *backlog) passage(ctx context.Context, n int) (passage, error) {
	c := ours()
	done, err := b.redis.Client.XLen(ctx, c.results).Result()
	if err != nil {
		return passage{}, err
	}
	if err := b.add(ctx, b.orders-(b.next-int(done))); err != nil {
		return passage{}, err
	}
	feeding, stop := context.WithCancel(ctx)
	fed := make(chan error, 1)
	go func() { fed <- b.feed(feeding, c.results) }()
	var from, to mark
	err = c.running(ctx, b.environment, func(p *rig.Process) (err error) {
		if from, err = b.await(ctx, c, p, done+int64(n/10)); err != nil {
			return err
		}
		to, err = b.await(ctx, c, p, done+int64(n))
		return err
	})
	stop()
	if failed := <-fed; err == nil && feeding.Err() == nil {
		err = failed
	}
	return to.since(from), err
}

// feed keeps the length of the backlog.
func (b *backlog) feed(ctx context.Context, results string) error {
	for {
		done, err := b.redis.Client.XLen(ctx, results).Result()
		if err != nil {
			return err
		}
		if missing := b.orders - (b.next - int(done)); missing >= 100 {
			if err := b.add(ctx, missing); err != nil {
				return err
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The gateway of the load measurement takes as long as a real one might, and exactly
// so long, so that what is above it is ours.
const gatewayTime = 20 * time.Millisecond

// measureLoad gives a worker orders at a steady rate, as many as take 80 % of one
// core: how long each takes beyond the gateway's own time, and how long a call whose
// turn it is takes to leave. Its merchants have limits that are not reached.
func measureLoad(ctx context.Context, run *speedRun) error {
	const merchants = 50
	s := &stage{rig: run.rig}
	var err error
	if s.redis, err = run.rig.StartRedis(ctx); err != nil {
		return err
	}
	if s.gateway, err = run.rig.StartGateway(ctx, merchants, gatewayTime); err != nil {
		return err
	}
	defer s.close()
	rate := run.sizes.firstRate
	var seen loaded
	// The rate that takes 80 % is found by trying: the share of the first try says
	// which is next.
	for range 2 {
		if seen, err = load(ctx, s, merchants, rate, run.sizes.load); err != nil {
			return err
		}
		rate = rate * 0.8 / max(seen.cpu, 0.1)
	}
	overhead, leave := quantile(seen.overhead, 0.99), quantile(seen.leave, 0.99)
	run.table.section(fmt.Sprintf("Under load: %.0f orders a second for %s, %d merchants, %.0f %% of one core; the gateway takes %s",
		seen.rate, run.sizes.load, merchants, 100*seen.cpu, gatewayTime),
		line{"turn to first byte sent, p99", ms(leave), "p50 " + ms(quantile(seen.leave, 0.5)), "≤ 20 ms", judge(leave, 20*time.Millisecond, atMost)},
		line{"enqueue to result beyond the gateway, p99", ms(overhead), "p50 " + ms(quantile(seen.overhead, 0.5)), "≤ 30 ms", judge(overhead, 30*time.Millisecond, atMost)},
	)
	return nil
}

// loaded is what was seen of a worker under load.
type loaded struct {
	rate, cpu       float64 // orders a second; share of one core
	overhead, leave []time.Duration
}

func load(ctx context.Context, s *stage, merchants int, rate float64, span time.Duration) (loaded, error) {
	seen := loaded{}
	calls := filepath.Join(s.rig.Dir, "calls.ndjson")
	c := observed("--calls", calls, "--merchants", fmt.Sprint(merchants), "--per-second", "100", "--per-minute", "6000")
	err := c.with(ctx, s, func(p *rig.Process) error {
		feed := feeder{producer: tasks.NewProducer(s.redis.Client, keys), series: s.series(), merchants: merchants}
		warm := span / 5
		if _, err := feed.run(ctx, rate, warm); err != nil {
			return err
		}
		before, err := p.CPU()
		if err != nil {
			return err
		}
		n, err := feed.run(ctx, rate, span)
		if err != nil {
			return err
		}
		after, err := p.CPU()
		seen.cpu, seen.rate = (after-before).Seconds()/span.Seconds(), float64(n)/span.Seconds()
		if err != nil {
			return err
		}
		_, err = s.await(ctx, c, p, int64(feed.sent))
		return err
	})
	if err != nil {
		return seen, err
	}
	if seen.overhead, err = overheads(ctx, s, c.results); err != nil {
		return seen, err
	}
	seen.leave, err = leaves(calls)
	return seen, err
}

// feeder enqueues orders, for one merchant after the other.
type feeder struct {
	producer        *tasks.Producer
	series          string
	merchants, sent int
}

// run enqueues at a rate, in steps of 10 ms, and returns how many it has enqueued.
func (f *feeder) run(ctx context.Context, rate float64, span time.Duration) (int, error) {
	began, n := time.Now(), 0
	for time.Since(began) < span {
		due := int(time.Since(began).Seconds() * rate)
		orders := newOrders(f.series, f.sent, due-n)
		for i := range orders {
			orders[i].Merchant = merchantName((f.sent + i) % f.merchants)
		}
		accepted, err := f.producer.EnqueueAll(ctx, orders)
		if err != nil {
			return n, err
		}
		f.sent, n = f.sent+len(accepted), due
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return n, err
		}
	}
	return n, nil
}

// overheads is what each order took beyond the gateway's time, by its own result.
func overheads(ctx context.Context, s *stage, stream string) ([]time.Duration, error) {
	entries, err := s.redis.Client.XRange(ctx, stream, "-", "+").Result()
	if err != nil {
		return nil, err
	}
	all := make([]time.Duration, 0, len(entries))
	for _, entry := range entries {
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

// leaves is how long each call took from its turn to its first byte.
func leaves(file string) ([]time.Duration, error) {
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
	return all, nil
}

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
)

// The gateway of the load measurement takes as long as a fast one might, and exactly
// so long, so that what is above it is ours.
const gatewayTime = 20 * time.Millisecond

const (
	loadMerchants = 50  // whose limits are not reached
	loadShare     = 0.8 // of one core, that the worker should come to
	machineFull   = 0.8 // of all cores: beyond it, orders wait for a core, whoever's it is
)

// measureLoad gives a worker orders in both lanes at a steady rate, which rises by steps:
// how long each order takes beyond the gateway's own time, and how long a call whose turn it is
// takes to leave. The last step is that at which the worker takes 80 % of one core. Redis and the
// gateway want cores as well; if the machine has no more of them before that, the goals are asked
// of the step before.
func measureLoad(ctx context.Context, run *speedRun) error {
	s := &stage{rig: run.rig}
	var err error
	if s.redis, err = run.rig.StartRedis(ctx); err != nil {
		return err
	}
	if s.gateway, err = run.rig.StartEcho(ctx, gatewayTime); err != nil {
		return err
	}
	defer s.close()
	steps, err := loadSteps(ctx, s, run.sizes)
	if err != nil {
		return err
	}
	printLoad(run.table, steps)
	return nil
}

// printLoad prints every step, and asks the goals of the last one with room on the machine.
func printLoad(t *table, steps []loaded) {
	var lines []line
	for _, l := range steps {
		lines = append(lines, line{fmt.Sprintf("%.0f orders a second: overhead p99", l.rate), ms(quantile(l.overhead, 0.99)),
			fmt.Sprintf("%.0f %% of a core, %.0f %% of all", 100*l.cpu, 100*l.busy), "", noGoal})
	}
	last := steps[len(steps)-1]
	if last.busy > machineFull && len(steps) > 1 {
		last = steps[len(steps)-2]
	}
	overhead, leave := quantile(last.overhead, 0.99), quantile(last.leave, 0.99)
	t.section(fmt.Sprintf("Under load, goals at %.0f a second, %.0f %% of one core; %d merchants, two lanes, a gateway that takes %s",
		last.rate, 100*last.cpu, loadMerchants, gatewayTime), append(lines,
		line{"turn to first byte sent, p99", ms(leave), "p50 " + ms(quantile(last.leave, 0.5)), "≤ 20 ms", judge(leave, 20*time.Millisecond, atMost)},
		line{"in queue to result beyond the gateway, p99", ms(overhead), "p50 " + ms(quantile(last.overhead, 0.5)), "≤ 30 ms", judge(overhead, 30*time.Millisecond, atMost)},
	)...)
}

// loadSteps raises the rate until the worker takes its share of one core or the machine is
// full, and returns what was seen at each step.
func loadSteps(ctx context.Context, s *stage, sizes sizes) (steps []loaded, err error) {
	rate := sizes.firstRate
	for range sizes.steps {
		seen, err := load(ctx, s, rate, sizes.load)
		if err != nil {
			return nil, err
		}
		steps = append(steps, seen)
		if seen.cpu >= loadShare || seen.busy > machineFull {
			break
		}
		rate *= 1.12
	}
	return steps, nil
}

// loaded is what was seen of a worker under load.
type loaded struct {
	rate, cpu       float64 // orders a second; share of one core
	busy            float64 // share of all cores, whoever took them
	overhead, leave []time.Duration
}

// load has a worker work for span, after a quarter of that which does not count.
func load(ctx context.Context, s *stage, rate float64, span time.Duration) (loaded, error) {
	seen := loaded{}
	calls := filepath.Join(s.rig.Dir, "calls.ndjson")
	c := observed("--calls", calls, "--merchants", fmt.Sprint(loadMerchants), "--per-second", "100", "--per-minute", "6000", "--concurrency", "256")
	t, err := fillTap(ctx, s, int(rate*span.Seconds()*5/4))
	if err != nil {
		return seen, err
	}
	err = c.running(ctx, s, func(p *rig.Process) (err error) {
		if err := t.run(ctx, rate, span/4); err != nil {
			return err
		}
		t.warm = len(t.opened)
		if seen.cpu, seen.busy, err = watch(p, func() error { return t.run(ctx, rate, span) }); err != nil {
			return err
		}
		seen.rate = float64(len(t.opened)-t.warm) / span.Seconds()
		_, err = s.await(ctx, c, p, int64(len(t.opened)))
		return err
	})
	if err != nil {
		return seen, err
	}
	if seen.overhead, err = t.overheads(ctx, c.results); err != nil {
		return seen, err
	}
	seen.leave, err = leaves(calls, t.warm)
	return seen, err
}

// watch returns the share of one core that a process takes meanwhile, and of all cores that
// is taken by whomever.
func watch(p *rig.Process, meanwhile func() error) (one, all float64, err error) {
	began := time.Now()
	before, err := p.CPU()
	if err != nil {
		return 0, 0, err
	}
	cores, err := rig.ReadCores()
	if err != nil {
		return 0, 0, err
	}
	if err := meanwhile(); err != nil {
		return 0, 0, err
	}
	after, err := p.CPU()
	if err != nil {
		return 0, 0, err
	}
	all, err = cores.BusySince()
	return (after - before).Seconds() / time.Since(began).Seconds(), all, err
}

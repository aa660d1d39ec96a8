package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
)

// The gateway of the load measurement is as fast as a real one could be, with a constant
// latency, so that all further time is the worker's.
const gatewayTime = 20 * time.Millisecond

const (
	loadShare   = 0.8 // of one core: the load that the worker should reach
	machineFull = 0.8 // of all cores: above it, orders wait for a core
)

// measureLoad gives a worker orders in both lanes at a steady rate, which rises in steps. It
// measures how long each order takes in addition to the gateway's time, and how long a call
// takes to be sent after the limiter has allowed it. In the last step, the worker uses 80 % of
// one core. Redis and the gateway need cores as well. If the machine is full before that, the
// goals are checked at the step before.
func measureLoad(ctx context.Context, run *speedRun) error {
	s := &environment{rig: run.rig}
	var err error
	if s.redis, err = run.rig.StartRedis(ctx); err != nil {
		return err
	}
	if s.gateway, err = run.rig.StartStubGateway(ctx, gatewayTime); err != nil {
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

// printLoad prints every step, and checks the goals at the last one below a full machine.
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
		last.rate, 100*last.cpu, rig.Merchants, gatewayTime), append(lines,
		line{"turn to first byte sent, p99", ms(leave), "p50 " + ms(quantile(last.leave, 0.5)), "≤ 20 ms", judge(leave, 20*time.Millisecond, atMost)},
		line{"in queue to result beyond the gateway, p99", ms(overhead), "p50 " + ms(quantile(last.overhead, 0.5)), "≤ 30 ms", judge(overhead, 30*time.Millisecond, atMost)},
	)...)
}

// loadSteps raises the rate until the worker uses its share of one core or the machine is full,
// and returns the figures of each step.
func loadSteps(ctx context.Context, s *environment, sizes sizes) (steps []loaded, err error) {
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

// loaded has the figures of a worker under load.
type loaded struct {
	rate, cpu       float64 // orders a second; share of one core
	busy            float64 // share of all cores, of all processes
	overhead, leave []time.Duration
}

// load measures a worker for span, after a warm-up of a quarter of span.
func load(ctx context.Context, s *environment, rate float64, span time.Duration) (loaded, error) {
	seen := loaded{}
	calls := filepath.Join(s.rig.Dir, "calls.ndjson")
	c := instrumented("--calls", calls, "--concurrency", "256")
	t, err := fillReleaser(ctx, s, int(rate*span.Seconds()*5/4))
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
	seen.leave, err = sendDelays(calls, t.warm)
	return seen, err
}

// watch returns the share of one core that a process uses meanwhile, and the share of all cores
// that all processes use.
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

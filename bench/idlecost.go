package main

import (
	"context"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// idleCommands is the goal for the Redis commands of an idle worker, a second and lane. It was 5 while a worker asked for
// new orders only. Now it also asks for requests to cancel, for orders to close, for those that were accepted for later,
// and for what a person has paused: whoever cancels or pauses waits for that.
const idleCommands = 8

// measureIdleCost measures idle workers: their CPU time, and their commands to Redis. Commands
// are counted in a second run, because MONITOR slows Redis down.
func measureIdleCost(ctx context.Context, run *speedRun) error {
	s, err := newEnvironment(ctx, run.rig, 0)
	if err != nil {
		return err
	}
	defer s.close()
	mine, err := idleCost(ctx, s, ours(), run.sizes.watch)
	if err != nil {
		return err
	}
	other, err := idleCost(ctx, s, plain("asynq, polls every 20 ms", 64, 20*time.Millisecond), run.sizes.watch)
	if err != nil {
		return err
	}
	lanes := float64(len(tasks.Lanes()))
	perLane := mine.commands / lanes
	run.table.section(fmt.Sprintf("An idle worker, watched for %s; beside it asynq polling every 20 ms, one queue", run.sizes.watch),
		line{"share of one core", percent(mine.cpu), percent(other.cpu), "≤ 1 %", judge(mine.cpu, 0.01, atMost)},
		line{"Redis commands a second and lane", fmt.Sprintf("%.1f", perLane), fmt.Sprintf("%.1f", other.commands), fmt.Sprint("≤ ", idleCommands), judge(perLane, idleCommands, atMost)},
		line{"those within scripts included", fmt.Sprintf("%.1f", mine.executed/lanes), fmt.Sprintf("%.1f", other.executed), "", noGoal},
	)
	return nil
}

// idling is the cost of an idle worker, per second.
type idling struct{ cpu, commands, executed float64 }

func idleCost(ctx context.Context, s *environment, c candidate, watch time.Duration) (idling, error) {
	var found idling
	err := c.with(ctx, s, func(p *rig.Process) error {
		if err := pause(ctx, watch/10); err != nil { // the cost of the start does not count
			return err
		}
		before, err := p.CPU()
		if err != nil {
			return err
		}
		executed, err := s.redis.Executed(ctx)
		if err != nil {
			return err
		}
		m, err := s.redis.Monitor()
		if err != nil {
			return err
		}
		if err := pause(ctx, watch); err != nil {
			return err
		}
		found.commands = float64(m.Stop().Sum()) / watch.Seconds()
		after, err := p.CPU()
		if err != nil {
			return err
		}
		executedBy, err := s.redis.Executed(ctx)
		found.executed = float64(executedBy-executed) / watch.Seconds()
		found.cpu = (after - before).Seconds() / watch.Seconds()
		return err
	})
	return found, err
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

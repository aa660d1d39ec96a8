package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/failpoint"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// sweepBatch is how many orders one sweep hands out.
const sweepBatch = 100

// sweeper wakes the orders that are due, so that none depends on a task that may be lost: after
// a crash, a lost queue, a wait for quota. Every process has one; the script hands each order to
// one of them.
type sweeper struct {
	journal    *journal.Journal
	producer   *tasks.Producer
	inspector  *asynq.Inspector
	dispatcher *dispatcher
	keys       tasks.Keys
	observer   event.Observer
	log        *slog.Logger
	timer      *sweepTimer
}

// run sweeps until the context ends.
func (s *sweeper) run(ctx context.Context) {
	failing := false
	for s.timer.wait(ctx) {
		if failing && (s.journal.Redis.Ping(ctx).Err() != nil || wait.Sleep(ctx, timing.AfterOutage) != nil) {
			s.timer.sweepEnded(0)
			continue
		}
		next, err := s.sweep(ctx)
		if err != nil && ctx.Err() == nil {
			s.observer.Observe(event.RedisFailed{Op: "sweep"})
			if !failing {
				s.log.Error("orders that are due could not be woken; trying again", "error", err)
			}
		}
		failing = err != nil
		s.timer.sweepEnded(next)
	}
}

// sweep wakes every order that is due now, and returns the time until the next one is.
func (s *sweeper) sweep(ctx context.Context) (time.Duration, error) {
	for {
		found, err := s.journal.Sweep(ctx, sweepBatch, timing.ClaimWithin, timing.MaxClaimWithin)
		if err != nil {
			return 0, err
		}
		if err := s.dispatcher.dispatch(ctx, found.Waiting); err != nil {
			return 0, err
		}
		for _, d := range found.Due {
			failpoint.Hit("swept")
			if err := s.wake(ctx, d); err != nil {
				s.observer.Observe(event.RedisFailed{Op: "wake"})
				return 0, err
			}
		}
		if len(found.Waiting) > 0 {
			found.Next = 0 // the script has moved their times; the next sweep learns them
		}
		if len(found.Due) < sweepBatch {
			return found.Next, nil
		}
	}
}

// wake enqueues a task for the order. The task's ID changes only with the order's attempts, so
// that an order that waits for a free worker does not pile up tasks. When that ID belongs to a
// task that will not run soon, because its process was killed or a person archived it, wake
// makes another task.
func (s *sweeper) wake(ctx context.Context, d journal.DueOrder) error {
	if damage := unwakeable(d); damage != "" {
		return s.dispatcher.handler.setAside(&journal.DamagedError{ID: d.ID, Problem: damage})
	}
	taskID := d.ID
	if d.Attempts != "0" {
		taskID += ":" + d.Attempts
	}
	err := s.producer.Wake(ctx, d.ID, d.Lane, d.Order, taskID)
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		return err
	}
	waiting, err := s.waits(d.Lane, taskID)
	if err != nil || waiting {
		return err
	}
	return s.producer.Wake(ctx, d.ID, d.Lane, d.Order, taskID+":"+rand.Text())
}

// unwakeable returns why a task would not lead to the order, or "".
func unwakeable(d journal.DueOrder) string {
	if d.Lane == "" {
		return "its key is gone or holds no journal: was it deleted or evicted?"
	}
	if !slices.Contains(tasks.Lanes(), d.Lane) {
		return fmt.Sprintf("lane is %.100q", d.Lane)
	}
	if id, err := identify(d.Order); err != nil || id != d.ID {
		return "its order is not the one that was accepted: the text or the name differs"
	}
	return ""
}

// waits reports whether asynq will run a task on its own.
func (s *sweeper) waits(lane tasks.Lane, taskID string) (bool, error) {
	info, err := s.inspector.GetTaskInfo(s.keys.Queue(lane), taskID)
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch info.State {
	case asynq.TaskStatePending, asynq.TaskStateRetry, asynq.TaskStateScheduled:
		return true, nil
	default:
		return false, nil
	}
}

package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

const (
	// An order that is due is woken within sweepEvery. Where none is due for a while,
	// one sweep in sweepIdle is enough: whoever puts an order down for less than that
	// tells the sweeper of its own process.
	sweepEvery = 200 * time.Millisecond
	sweepIdle  = time.Second
	sweepBatch = 100
	// An order that is due gets a task; while nobody claims it, it is looked at
	// again after the pause, doubled each time: a long queue is no reason to hurry.
	sweepPause   = 3 * time.Second
	longestSweep = 15 * time.Minute
	// Lines that were handed to a process without room for their orders are handed out
	// again after linesAgain.
	linesAgain = 100 * time.Millisecond
	// After Redis was away, the attempts that hold QR codes have them published
	// before other attempts are woken: those could only enquire, close and reissue.
	// It is longer than the longest pause between two tries to publish.
	afterOutage = 4 * time.Second
)

// sweeper wakes the orders that are due, so that none depends on a task that may
// be lost: after a crash, a lost queue, a wait for quota. Every process has one;
// the script hands each order to one of them.
type sweeper struct {
	journal    *journal
	producer   *tasks.Producer
	inspector  *asynq.Inspector
	dispatcher *dispatcher
	keys       tasks.Keys
	observer   Observer
	log        *slog.Logger
	timer      *sweepTimer
}

// run sweeps until the context ends.
func (s *sweeper) run(ctx context.Context) {
	failing := false
	for s.timer.wait(ctx) {
		if failing && (s.journal.rdb.Ping(ctx).Err() != nil || sleep(ctx, afterOutage) != nil) {
			s.timer.sweepEnded(0)
			continue
		}
		next, err := s.sweep(ctx)
		if err != nil && ctx.Err() == nil {
			s.observer.Observe(RedisFailed{Op: "sweep"})
			if !failing {
				s.log.Error("orders that are due could not be woken; trying on", "error", err)
			}
		}
		failing = err != nil
		s.timer.sweepEnded(next)
	}
}

// sweep wakes every order that is due now, and tells in how long the next one is.
func (s *sweeper) sweep(ctx context.Context) (time.Duration, error) {
	for {
		found, err := s.journal.sweep(ctx, sweepBatch, sweepPause, longestSweep)
		if err != nil {
			return 0, err
		}
		if err := s.dispatcher.dispatch(ctx, found.lines); err != nil {
			return 0, err
		}
		for _, d := range found.due {
			failpoint("swept")
			if err := s.wake(ctx, d); err != nil {
				return 0, err
			}
		}
		if len(found.lines) > 0 {
			found.next = 0 // their scores have moved on; nobody has asked to when
		}
		if len(found.due) < sweepBatch {
			return found.next, nil
		}
	}
}

// wake enqueues a task for the order. Its ID changes only with the order's
// attempts, so that an order nobody gets to does not pile up tasks. When that ID
// is taken by a task that will not run soon, because the process that had it was
// killed, or somebody archived it, another one is made.
func (s *sweeper) wake(ctx context.Context, d dueOrder) error {
	if d.lane == "" {
		s.log.Error("an order is due but its journal is gone; was a key deleted or evicted?", "id", d.id)
		return nil
	}
	taskID := d.id
	if d.attempts != "0" {
		taskID += ":" + d.attempts
	}
	err := s.producer.Wake(ctx, d.id, d.lane, d.order, taskID)
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		return err
	}
	waiting, err := s.waits(d.lane, taskID)
	if err != nil || waiting {
		return err
	}
	return s.producer.Wake(ctx, d.id, d.lane, d.order, taskID+":"+rand.Text())
}

// waits tells whether a task will be run by asynq without further ado.
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

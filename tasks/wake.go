package tasks

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/hibiken/asynq"
)

// TaskTimeout is how long asynq lets one run of a task take before it cancels its
// context. It is longer than any attempt of the worker, which ends by its own
// deadline; asynq counts whole seconds.
const TaskTimeout = 4 * time.Minute

// Wake enqueues a task that makes a worker take the order in hand. It writes
// nothing into the journal: a task is a wake-up, and one too many is harmless.
// order is the order as JSON, the task's payload. taskID begins with the order's
// id; a task of that id which is still there gives [asynq.ErrTaskIDConflict].
func (p *Producer) Wake(ctx context.Context, id string, lane Lane, order []byte, taskID string) error {
	if err := wake(ctx, p.asynq, p.keys.Queue(lane), order, taskID); err != nil {
		return fmt.Errorf("wake a worker for order %s: %w", id, err)
	}
	return nil
}

// wake leaves the number of retries out of asynq's hands: it would archive the task
// at the last one. The worker's policy ends an order, nothing else does.
func wake(ctx context.Context, client *asynq.Client, queue string, order []byte, taskID string) error {
	_, err := client.EnqueueContext(ctx, asynq.NewTask(TypeCreate, order),
		asynq.TaskID(taskID), asynq.Queue(queue), asynq.MaxRetry(math.MaxInt32), asynq.Timeout(TaskTimeout))
	return err
}

func (p *Producer) wakeOne(ctx context.Context, client *asynq.Client, a acceptance) error {
	return wake(ctx, client, p.keys.Queue(a.lane), a.payload, a.id)
}

package tasks

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// TaskTimeout is how long asynq lets one run of a task take before it cancels its
// context. It is longer than any attempt of the worker, which ends by its own
// deadline; asynq counts whole seconds.
const TaskTimeout = 3 * time.Minute

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

// wakeAll wakes workers for the new orders, in one pipeline. Duplicates were woken
// when they were new. Nothing is an error here: an order that is in its journal is
// in due as well, and the workers find it there.
func (p *Producer) wakeAll(ctx context.Context, all []acceptance) {
	if len(all) == 1 { // the producer's own asynq client has told Redis of its queues before
		if all[0].result.Acceptance == Enqueued {
			p.wakeOne(ctx, p.asynq, all[0])
		}
		return
	}
	batch := &scriptBatch{UniversalClient: p.rdb}
	client := asynq.NewClientFromRedisClient(batch)
	var woken []acceptance
	for _, a := range all {
		if a.result.Acceptance == Enqueued && p.wakeOne(ctx, client, a) == nil {
			woken = append(woken, a)
		}
	}
	for i, err := range batch.run(ctx) {
		// The server does not know asynq's script yet: let asynq bring it.
		if redis.HasErrorPrefix(err, "NOSCRIPT") && i < len(woken) {
			p.wakeOne(ctx, p.asynq, woken[i])
		}
	}
}

func (p *Producer) wakeOne(ctx context.Context, client *asynq.Client, a acceptance) error {
	return wake(ctx, client, p.keys.Queue(a.order.Lane), a.payload, a.order.ID())
}

// scriptBatch is a Redis client that puts scripts off, to be sent in one pipeline.
// asynq v0.26.0 has no enqueue in bulk; its Enqueue is one script, which answers 1.
// Should another version do it otherwise, a test fails, and orders are still found
// by way of due.
type scriptBatch struct {
	redis.UniversalClient
	calls []redis.Cmder
}

// EvalSha puts the script off, and answers what asynq's would: 1, enqueued.
func (b *scriptBatch) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	line := []any{"evalsha", sha, len(keys)}
	for _, k := range keys {
		line = append(line, k)
	}
	line = append(line, args...)
	call := redis.NewCmd(ctx, line...)
	call.SetFirstKeyPos(3)
	b.calls = append(b.calls, call)
	answer := redis.NewCmd(ctx, line...)
	answer.SetVal(int64(1))
	return answer
}

// run sends the scripts that were put off, and returns the error of each.
func (b *scriptBatch) run(ctx context.Context) []error {
	if len(b.calls) == 0 {
		return nil
	}
	b.Pipelined(ctx, func(pipe redis.Pipeliner) error { // its error is that of a command, below
		for _, c := range b.calls {
			pipe.Process(ctx, c)
		}
		return nil
	})
	errs := make([]error, len(b.calls))
	for i, c := range b.calls {
		errs[i] = c.Err()
	}
	return errs
}

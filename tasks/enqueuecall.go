package tasks

import (
	"context"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// enqueueSHA is the digest of the script with which asynq v0.26.0 enqueues one task.
// lua/wake.lua and lua/wakenew.lua do the same. Should another version of asynq do it
// otherwise, its script has another digest: then tasks are enqueued by asynq, one by one,
// and a test fails.
const enqueueSHA = "98d28b42650870a743450ffda9791e9e19c6991b"

// enqueueCall is one call of asynq's script.
type enqueueCall struct {
	task, pending string
	args          []any // message, ID, time
}

// noted returns the call with which asynq would wake a worker for an order, which it has
// not made; nil when this asynq enqueues otherwise.
func (p *Producer) noted(ctx context.Context, a acceptance) (call *enqueueCall, err error) {
	err = p.wakeOne(context.WithValue(ctx, noteKey{}, &call), p.noting, a)
	return call, err
}

// noteKey is the key under which a context has where to note a call down.
type noteKey struct{}

// noteTaker is a Redis client that runs no script, and notes asynq's enqueue down.
type noteTaker struct{ redis.UniversalClient }

// EvalSha answers what asynq's script would: 1, enqueued.
func (noteTaker) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if note, is := ctx.Value(noteKey{}).(**enqueueCall); is && sha == enqueueSHA && len(keys) == 2 && len(args) == 3 {
		*note = &enqueueCall{task: keys[0], pending: keys[1], args: args}
	}
	answer := redis.NewCmd(ctx)
	answer.SetVal(int64(1))
	return answer
}

func newNotingClient(rdb redis.UniversalClient) *asynq.Client {
	return asynq.NewClientFromRedisClient(noteTaker{rdb})
}

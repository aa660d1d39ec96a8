package asynqhook

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

// autopipelineHook sends the scripts of asynq's client through an autopipeline, and lets the
// prefetchers answer the dequeues of their queues. It is the innermost hook: the others see each
// script by itself.
type autopipelineHook struct {
	scripts     *redisscript.Autopipeline
	prefetchers map[string]*Prefetcher // by the key of the queue's pending list
}

// DialHook implements [redis.Hook].
func (autopipelineHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements [redis.Hook].
func (autopipelineHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements [redis.Hook].
func (h autopipelineHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		script, ok := cmd.(*redis.Cmd)
		if !ok || cmd.Name() != "evalsha" {
			return next(ctx, cmd)
		}
		if pending, is := dequeues(cmd); is && h.prefetchers[pending] != nil {
			return h.prefetchers[pending].dequeue(ctx, script, h.scripts, next)
		}
		return h.scripts.Do(ctx, script, next)
	}
}

// Paused reports whether somebody has paused a queue, with asynq's tools: asynq then hands out none of
// its tasks.
func Paused(ctx context.Context, rdb redis.UniversalClient, queue string) (bool, error) {
	n, err := rdb.Exists(ctx, "asynq:{"+queue+"}:paused").Result()
	return n > 0, err
}

package asynqhook

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
)

// LongTask is a task that is too long to be read.
type LongTask struct {
	Size      int    // bytes
	Beginning string // of asynq's message: the type and the beginning of the payload
}

// Refuse writes down that a task is refused. After an error it is called again.
type Refuse func(ctx context.Context, t LongTask) error

// longHook puts aside the tasks that [redisbound] keeps from being read. asynq has handed them out
// by then, and would give them to one worker after the other: when it dequeues, and when it looks
// for tasks of workers that have ended. It is the outermost hook.
//
// Tasks that were fetched together with one that is too long are recovered as those of a worker
// that has ended.
type longHook struct {
	rdb    redis.UniversalClient
	queues []string
	refuse Refuse
}

// DialHook implements [redis.Hook].
func (longHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements [redis.Hook].
func (longHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements [redis.Hook]. For asynq, a dequeue of a task that is too long found none.
func (h longHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		_, long := redisbound.Exceeded(err)
		if !long && !late(cmd, err) {
			return err
		}
		for _, queue := range h.queues {
			if asideErr := h.aside(ctx, queue, next); asideErr != nil {
				return asideErr
			}
		}
		if _, is := dequeues(cmd); is && long {
			err = redis.Nil
			cmd.SetErr(err)
		}
		return err
	}
}

// late reports whether Redis has not answered a script that reads tasks in time. It may have taken a
// task of hundreds of megabytes, which its own scripts take seconds to read.
func late(cmd redis.Cmder, err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() &&
		slices.ContainsFunc(scriptKeys(cmd), func(key string) bool { return strings.HasSuffix(key, ":lease") }) && !acknowledges(cmd)
}

// aside refuses the tasks of a queue that were handed out and are too long, and removes them. It
// reads every task: a script that looked at their length would make Redis copy them.
func (h longHook) aside(ctx context.Context, queue string, process redis.ProcessHook) error {
	key := func(name string) string { return "asynq:{" + queue + "}:" + name }
	ids, err := h.rdb.ZRange(ctx, key("lease"), 0, -1).Result()
	if err != nil {
		return err
	}
	for _, id := range ids {
		long, is := redisbound.Exceeded(process(ctx, redis.NewStringCmd(ctx, "hget", key("t:"+id), "msg")))
		if !is {
			continue
		}
		if err := h.refuse(ctx, LongTask{int(long.Bytes), long.Beginning}); err != nil {
			return err
		}
		pipe := h.rdb.TxPipeline()
		pipe.LRem(ctx, key("active"), 0, id)
		pipe.ZRem(ctx, key("lease"), id)
		pipe.Del(ctx, key("t:"+id))
		if err := redispipe.Exec(ctx, pipe); err != nil {
			return err
		}
	}
	return nil
}

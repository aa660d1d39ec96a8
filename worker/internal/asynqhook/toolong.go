package asynqhook

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

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
// A dequeue shows none of them when Redis is late with it: go-redis sends it again, and finds the queue
// empty. So those whose lease has ended are put aside before asynq looks for them, with a script that
// takes seconds for hundreds of megabytes and lets nobody else have a turn.
//
// Tasks that were fetched together with one that is too long are recovered as those of a worker
// that has ended.
type longHook struct {
	rdb    redis.UniversalClient
	queues []string
	refuse Refuse

	mu sync.Mutex // held while tasks are put aside: every script that was sent together with a long one fails
}

// DialHook implements [redis.Hook].
func (*longHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements [redis.Hook].
func (*longHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements [redis.Hook]. For asynq, a dequeue of a task that is too long found none.
func (h *longHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if looksForExpired(cmd) {
			if err := h.aside(ctx, strconv.FormatInt(time.Now().Unix(), 10), next); err != nil {
				return err
			}
		}
		err := next(ctx, cmd)
		if _, long := redisbound.Exceeded(err); !long {
			return err
		}
		if asideErr := h.aside(ctx, "+inf", next); asideErr != nil {
			return asideErr
		}
		if _, is := dequeues(cmd); is {
			err = redis.Nil
			cmd.SetErr(err)
		}
		return err
	}
}

// looksForExpired reports whether cmd is asynq's script that reads the tasks whose lease has ended.
func looksForExpired(cmd redis.Cmder) bool {
	keys := scriptKeys(cmd)
	return len(keys) == 1 && strings.HasSuffix(keys[0], ":lease")
}

// aside puts aside the tasks of all queues that are too long and whose lease ends by a time.
func (h *longHook) aside(ctx context.Context, until string, process redis.ProcessHook) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, queue := range h.queues {
		if err := h.asideOf(ctx, queue, until, process); err != nil {
			return err
		}
	}
	return nil
}

// asideOf refuses the tasks of a queue that were handed out and are too long, and removes them. It
// reads every task: a script that looked at their length would make Redis copy them.
func (h *longHook) asideOf(ctx context.Context, queue, until string, process redis.ProcessHook) error {
	key := func(name string) string { return "asynq:{" + queue + "}:" + name }
	ids, err := h.rdb.ZRangeByScore(ctx, key("lease"), &redis.ZRangeBy{Min: "-inf", Max: until}).Result()
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

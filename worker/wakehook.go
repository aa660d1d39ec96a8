package worker

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// wakeHook ends asynq's polling. asynq asks for a task, finds none, sleeps, asks
// again: with its defaults an idle worker finds an order after half a second. This
// hook, on the client given to asynq's server, holds an empty answer back until
// something arrives: it blocks in BLMOVE, which moves the last element of the
// pending list onto itself and so changes nothing, and asks once more. While nothing
// arrives it goes on blocking for a while: an answer to asynq is followed by its sleep,
// and an order that arrives then waits. Not for long, though: asynq has reckoned the
// task's lease of 30 s from before it asked.
//
// It knows asynq's dequeue by its keys (internal/rdb/rdb.go of v0.26.0: pending,
// paused, active, lease). Should they change, nothing matches and asynq polls as
// before; TestWakeHookFits holds it against the version in go.mod.
type wakeHook struct {
	rdb  redis.UniversalClient // to block on: the client the hook is on
	stop <-chan struct{}       // closed when the worker stops taking orders
}

// longestBlock bounds how long one BLMOVE blocks, and so how long a shutdown waits
// for it. It must stay below go-redis's read timeout (3 s).
const longestBlock = time.Second

// longestWait bounds how long a dequeue is held back in all: half of asynq's lease.
const longestWait = 15 * time.Second

// DialHook implements [redis.Hook].
func (wakeHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements [redis.Hook].
func (wakeHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements [redis.Hook].
func (h wakeHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		pending, is := dequeues(cmd)
		if is && err != nil && !errors.Is(err, redis.Nil) {
			h.rest(ctx)
			return err
		}
		if !is || !errors.Is(err, redis.Nil) || !h.arrives(ctx, pending) {
			return err
		}
		cmd.SetErr(nil)
		return next(ctx, cmd)
	}
}

// dequeuePause is between two tries to dequeue from a Redis that refuses.
const dequeuePause = 250 * time.Millisecond

// rest pauses after a dequeue that failed. asynq asks again at once; a Redis that is
// out of memory, which go-redis does not repeat anything for, would be asked more
// than 20,000 times a second by an idle worker.
func (h wakeHook) rest(ctx context.Context) {
	pause := time.NewTimer(dequeuePause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-h.stop:
	case <-ctx.Done():
	}
}

// arrives blocks until the list has an element, and tells whether it has. It gives up
// after longestWait, when the worker stops, and when Redis fails.
func (h wakeHook) arrives(ctx context.Context, pending string) bool {
	for end := time.Now().Add(longestWait); ctx.Err() == nil && !isClosed(h.stop) && time.Now().Before(end); {
		err := h.rdb.Do(ctx, "blmove", pending, pending, "right", "right", longestBlock.Seconds()).Err()
		if !errors.Is(err, redis.Nil) {
			return err == nil
		}
	}
	return false
}

// dequeues tells whether cmd is asynq's dequeue script, and on which pending list.
func dequeues(cmd redis.Cmder) (pending string, is bool) {
	keys := scriptKeys(cmd)
	if len(keys) != 4 || !strings.HasSuffix(keys[0], ":pending") || !strings.HasSuffix(keys[3], ":lease") {
		return "", false
	}
	return keys[0], true
}

// scriptKeys returns the keys of an EVALSHA or EVAL, and nil for other commands.
func scriptKeys(cmd redis.Cmder) []string {
	args := cmd.Args()
	if name := cmd.Name(); (name != "evalsha" && name != "eval") || len(args) < 3 {
		return nil
	}
	n, ok := args[2].(int)
	if !ok || n < 0 || len(args) < 3+n {
		return nil
	}
	keys := make([]string, n)
	for i := range keys {
		if keys[i], ok = args[3+i].(string); !ok {
			return nil
		}
	}
	return keys
}

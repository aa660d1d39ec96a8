package asynqhook

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// wakeHook ends asynq's polling. asynq asks for a task, finds none, sleeps, and asks again: with
// its defaults an idle worker finds an order after half a second. This hook, on the client of
// asynq's server, delays an empty answer until a task arrives: it blocks in BLMOVE, which moves
// the last element of the pending list onto itself and so changes nothing, and sends asynq's
// dequeue right behind it, in the same round trip. While nothing arrives it blocks again for a
// while: after an answer asynq would sleep, and an order that arrives then would wait. It does
// not block for long, though: asynq counts the task's lease of 30 s from before it asked.
//
// It recognizes asynq's dequeue by its keys (internal/rdb/rdb.go of v0.26.0: pending, paused,
// active, lease). If they change, nothing matches and asynq polls as before;
// TestAsynq_HasTheScriptsThatWakeHookAndAckHookLookFor compares them with the version in go.mod.
type wakeHook struct {
	blocking    redis.UniversalClient  // closed when the worker stops
	stop        <-chan struct{}        // closed when the worker stops taking orders
	prefetchers map[string]*Prefetcher // by the key of the queue's pending list
	onError     func()                 // called after each dequeue that failed
}

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
		if !is {
			return err
		}
		if dequeue, script := cmd.(*redis.Cmd); script && errors.Is(err, redis.Nil) {
			err = h.await(ctx, pending, dequeue)
		}
		if failed := h.note(pending, err); failed > 0 {
			h.rest(ctx, min(timing.DequeuePause<<min(failed-1, 8), timing.MaxDequeuePause))
		}
		return err
	}
}

// note notes how a dequeue ended, and returns how many of its queue's have failed in a row. An empty
// queue is an answer, and so are NOSCRIPT, since asynq sends the script's text next, and a task that is
// too long, which [longHook] puts aside.
func (h wakeHook) note(pending string, err error) int {
	_, long := redisbound.Exceeded(err)
	if errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "NOSCRIPT") || long || wait.Closed(h.stop) {
		err = nil
	}
	if err != nil && h.onError != nil {
		h.onError()
	}
	p := h.prefetchers[pending]
	if p == nil {
		p = &Prefetcher{}
	}
	return p.note(err)
}

// rest pauses, unless the worker stops.
func (h wakeHook) rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.stop:
	case <-ctx.Done():
	}
}

// await blocks until the list has an element, and answers the dequeue. It gives up, with the
// empty answer, after timing.LongestWait and when the worker stops. The element may be gone before the
// dequeue, or its queue may be paused: asynq's script checks that.
func (h wakeHook) await(ctx context.Context, pending string, dequeue *redis.Cmd) error {
	for end := time.Now().Add(timing.LongestWait); ctx.Err() == nil && !wait.Closed(h.stop) && time.Now().Before(end); {
		arrived, answer := h.block(ctx, pending, dequeue)
		switch err := answer.Err(); {
		case err == nil:
			if p := h.prefetchers[pending]; p != nil {
				p.addDelivered()
			}
			dequeue.SetVal(answer.Val())
			dequeue.SetErr(nil)
			return nil
		case wait.Closed(h.stop):
			// The connection was closed to end the wait.
		case redispipe.Cut(err):
			// A proxy may end a connection on which nothing comes. Whether Redis is away, the next
			// dequeue shows, which asynq sends at once and on another connection.
			dequeue.SetErr(redis.Nil)
			return redis.Nil
		case !errors.Is(err, redis.Nil):
			dequeue.SetErr(err)
			return err
		case arrived:
			h.rest(ctx, timing.EmptyPause)
			dequeue.SetErr(redis.Nil)
			return redis.Nil
		}
	}
	dequeue.SetErr(redis.Nil) // go-redis may not have set it yet, inside the hooks
	return redis.Nil
}

// block waits for one BLMOVE. It reports whether a task has arrived, and returns the answer to
// the dequeue behind it.
func (h wakeHook) block(ctx context.Context, pending string, dequeue *redis.Cmd) (arrived bool, answer *redis.Cmd) {
	answer = redis.NewCmd(ctx, dequeue.Args()...)
	answer.SetFirstKeyPos(3)
	pipe := h.blocking.Pipeline()
	move := pipe.Do(ctx, "blmove", pending, pending, "right", "right", timing.LongestBlock.Seconds())
	pipe.Process(ctx, answer)
	redispipe.Exec(ctx, pipe) // its error is that of a command
	return move.Err() == nil, answer
}

// dequeues reports whether cmd is asynq's dequeue script, and returns its pending list.
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

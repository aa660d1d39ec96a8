package asynqhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// Prefetcher fetches the tasks of one queue. asynq's server dequeues one task at a time, and
// asks for the next when it has the answer: one task each round trip at most, at a good part of
// a task's whole cost. A prefetcher asks as many times at once as there is room for orders, and
// buffers the answers until asynq asks. The buffered tasks do not wait long: there is room for
// them.
//
// A buffered task is active in Redis, as those that asynq runs are. If the process dies, asynq
// recovers the task, and a dispatcher the order.
type Prefetcher struct {
	concurrency int
	stop        <-chan struct{} // closed when the worker stops taking orders

	mu        sync.Mutex
	buffered  []any // answers to dequeues that asynq has not asked for yet
	delivered int   // tasks that asynq has and the handler has not yet
	running   int   // tasks that the handler works on
	next      int   // how many tasks to ask for
	fetching  bool
	failed    int       // dequeues in a row
	failing   time.Time // since when; zero: the latest dequeue was answered
	err       error     // of the latest dequeue
}

// Failing returns for how long every dequeue has failed, and why the latest did; 0 when it was
// answered, with a task or without.
func (p *Prefetcher) Failing() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing.IsZero() {
		return 0, nil
	}
	return time.Since(p.failing), p.err
}

// note notes how a dequeue ended, and returns how many in a row have failed.
func (p *Prefetcher) note(err error) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	switch {
	case err == nil:
		p.failed, p.failing = 0, time.Time{}
	case p.failing.IsZero():
		p.failing = time.Now()
		fallthrough
	default:
		p.failed++
	}
	return p.failed
}

// maxFetched bounds how many tasks are fetched at once: other processes want some too.
const maxFetched = 32

// maxBytes is what the tasks that are fetched at once may have in sum, so that more than one is
// fetched the next time. Tasks of orders are far shorter; anybody may put others into the queue.
const maxBytes = 1 << 20

// dequeue answers asynq's dequeue, with a buffered task or by asking Redis for as many tasks as
// there is room for.
func (p *Prefetcher) dequeue(ctx context.Context, cmd *redis.Cmd, scripts *redisscript.Autopipeline, direct redis.ProcessHook) error {
	var err error
	if n := p.wants(); n > 0 {
		err = p.buffer(scripts.Repeat(ctx, cmd, n, direct))
	}
	return p.deliver(cmd, err)
}

// wants returns how many tasks to ask for: none while one is buffered.
func (p *Prefetcher) wants() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buffered) > 0 {
		return 0
	}
	p.fetching = true
	if wait.Closed(p.stop) {
		return 1
	}
	return max(1, min(p.next, maxFetched, p.concurrency-p.running-p.delivered))
}

// buffer keeps the answers. When all of them are tasks there may be more, so the next time twice
// as many are asked for; otherwise one. The error says why an answer is not a task.
func (p *Prefetcher) buffer(answers []*redis.Cmd) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetching, p.next = false, 2*len(answers)
	bytes := 0
	for _, a := range answers {
		if a.Err() == nil {
			p.buffered = append(p.buffered, a.Val())
			if task, is := a.Val().(string); is {
				bytes += len(task)
			}
			if bytes > maxBytes {
				p.next = 1
			}
			continue
		}
		p.next = 1
		if err == nil || errors.Is(err, redis.Nil) {
			err = a.Err()
		}
	}
	return err
}

// deliver gives asynq a task, or the reason why there is none.
func (p *Prefetcher) deliver(cmd *redis.Cmd, none error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buffered) > 0 {
		cmd.SetVal(p.buffered[0])
		cmd.SetErr(nil)
		p.buffered = p.buffered[1:]
		p.delivered++
		return nil
	}
	p.delivered = 0 // the handler has the delivered tasks by now, or never will
	cmd.SetErr(none)
	return none
}

// CountRunning counts the tasks that the handler works on.
func (p *Prefetcher) CountRunning(h asynq.Handler) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		p.count(-1, +1)
		defer p.count(0, -1)
		return h.ProcessTask(ctx, t)
	})
}

// addDelivered counts a task that asynq got from elsewhere, and lets the next dequeue ask for
// two: where one task was, others may be.
func (p *Prefetcher) addDelivered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delivered++
	p.next = 2
}

func (p *Prefetcher) count(delivered, running int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delivered = max(0, p.delivered+delivered)
	p.running += running
}

// Drain waits until asynq has taken the buffered tasks, once nothing more is fetched ahead. That
// takes a moment, as there is room for them; if there is none, a dispatcher recovers their
// orders.
func (p *Prefetcher) Drain() {
	for end := time.Now().Add(timing.DrainTimeout); time.Now().Before(end); time.Sleep(time.Millisecond) { // polling
		p.mu.Lock()
		empty := len(p.buffered) == 0 && !p.fetching
		p.mu.Unlock()
		if empty {
			return
		}
	}
}

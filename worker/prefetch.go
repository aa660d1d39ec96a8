package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// supply fetches the tasks of one queue. asynq's server takes one at a time, and asks for
// the next when it has the answer: no more than one each round trip, and of what a task
// costs in Redis and here a good part. A supply asks as many times at once as there is
// room for orders, and has the others ready when asynq asks. They do not wait: there is
// room for them.
//
// What is fetched is active in Redis, as is what asynq has in hand. A process that dies
// with it has it come back as any task it had in hand, and its order through due.
type prefetcher struct {
	concurrency int
	stop        <-chan struct{} // closed when the worker stops taking orders

	mu        sync.Mutex
	buffered  []any // answers of asynq's dequeue that it has not asked for yet
	delivered int   // tasks handed to asynq that have not come to the handler yet
	running   int   // tasks that the handler has in hand
	next      int   // how many to ask for
	fetching  bool
}

// mostFetched bounds how many tasks are fetched at once: other processes want some.
const maxFetched = 32

// dequeue answers asynq's dequeue: with a task that is ready, or else by asking Redis
// for as many as there is room for.
func (p *prefetcher) dequeue(ctx context.Context, cmd *redis.Cmd, scripts *autopipeline, direct redis.ProcessHook) error {
	var err error
	if n := p.wants(); n > 0 {
		err = p.buffer(scripts.times(ctx, cmd, n, direct))
	}
	return p.deliver(cmd, err)
}

// wants is how many tasks to ask for: none while one is ready.
func (p *prefetcher) wants() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buffered) > 0 {
		return 0
	}
	p.fetching = true
	if isClosed(p.stop) {
		return 1
	}
	return max(1, min(p.next, maxFetched, p.concurrency-p.running-p.delivered))
}

// fetch takes the answers. Where all of them are tasks there may be more, and twice as many
// are asked for the next time; where one is not, one. Its error is why one is not.
func (p *prefetcher) buffer(answers []*redis.Cmd) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetching, p.next = false, 2*len(answers)
	for _, a := range answers {
		if a.Err() == nil {
			p.buffered = append(p.buffered, a.Val())
			continue
		}
		p.next = 1
		if err == nil || errors.Is(err, redis.Nil) {
			err = a.Err()
		}
	}
	return err
}

// hand gives asynq a task, or tells why there is none.
func (p *prefetcher) deliver(cmd *redis.Cmd, none error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buffered) > 0 {
		cmd.SetVal(p.buffered[0])
		cmd.SetErr(nil)
		p.buffered = p.buffered[1:]
		p.delivered++
		return nil
	}
	p.delivered = 0 // what was handed over has come to the handler by now, or never will
	cmd.SetErr(none)
	return none
}

// counted counts the tasks that the handler has in hand.
func (p *prefetcher) countRunning(h asynq.Handler) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		p.count(-1, +1)
		defer p.count(0, -1)
		return h.ProcessTask(ctx, t)
	})
}

// arrived counts a task that asynq was given by another way, and lets the next question be
// for more than one: where there was one there may be others.
func (p *prefetcher) addDelivered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delivered++
	p.next = 2
}

func (p *prefetcher) count(delivered, running int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delivered = max(0, p.delivered+delivered)
	p.running += running
}

// drain waits until asynq has taken what was fetched, when nothing is fetched ahead any
// more: a moment, as there is room for it. Should there be none, it is left to whoever takes
// its order over.
func (p *prefetcher) drain() {
	for end := time.Now().Add(drainTimeout); time.Now().Before(end); time.Sleep(time.Millisecond) { // polling
		p.mu.Lock()
		empty := len(p.buffered) == 0 && !p.fetching
		p.mu.Unlock()
		if empty {
			return
		}
	}
}

const drainTimeout = 250 * time.Millisecond

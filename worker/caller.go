package worker

import (
	"context"
	"runtime/debug"
	"sync"
	"time"
)

// caller calls orders up from their lines and has them worked on at once. There is no
// task for them: a place is good for a moment, and a task would stand behind all that
// are in the queue.
type caller struct {
	handler *handler
	room    chan struct{}   // holds one element for each order in hand
	ctx     context.Context // of the orders in hand: it outlives the sweeper's
	cancel  context.CancelFunc
	working sync.WaitGroup
}

func newCaller(h *handler, concurrency int) *caller {
	c := &caller{handler: h, room: make(chan struct{}, concurrency)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// call looks at the lines of these app_codes. What this process does not know, or has no
// room for, is left to others.
func (c *caller) call(ctx context.Context, appCodes []string) error {
	if len(appCodes) == 0 {
		return nil
	}
	merchants := c.handler.merchants.Load()
	for _, appCode := range appCodes {
		m := merchants.byAppCode[appCode]
		if m == nil {
			continue
		}
		n := min(int64(cap(c.room)-len(c.room)), merchants.perMerchantLimit-m.inFlight.Load())
		if n <= 0 {
			continue
		}
		up, err := m.limiter.callUp(ctx, int(n))
		if err != nil {
			return err
		}
		for _, o := range up {
			c.room <- struct{}{} // there is room for n
			c.working.Go(func() { c.work(o) })
		}
	}
	return nil
}

// work takes one order in hand, as asynq would a task's: a panic ends this attempt and
// nothing else.
func (c *caller) work(o called) {
	defer func() { <-c.room }()
	if c.handler.pool.enter() != nil {
		return // the order is due
	}
	defer c.handler.pool.leave()
	defer func() {
		if r := recover(); r != nil {
			c.handler.log.Error("an attempt panicked; its order comes back", "id", o.id, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	c.handler.attemptError(o.id, c.handler.called(c.ctx, o))
}

// shutDown waits for the orders in hand, and after the timeout cuts them off. Nothing may
// be called up any more.
func (c *caller) shutDown(timeout time.Duration) {
	late := time.AfterFunc(timeout, c.cancel)
	defer late.Stop()
	c.working.Wait()
	c.cancel()
}

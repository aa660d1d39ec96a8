package worker

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

// dispatcher starts queued orders as soon as the limiter has slots for them. There is no
// asynq task for them: a reservation is good for a moment, and a task would stand behind all
// others in its queue.
type dispatcher struct {
	handler *handler
	room    chan struct{}   // holds one element for each order that it has in flight
	ctx     context.Context // of these orders: it outlives the sweeper's
	cancel  context.CancelFunc
	working sync.WaitGroup
}

func newDispatcher(h *handler, concurrency int) *dispatcher {
	d := &dispatcher{handler: h, room: make(chan struct{}, concurrency)}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// dispatch looks at the wait queues of these app_codes. It leaves to other processes the
// app_codes that this one does not know, and the orders that it has no room for.
func (d *dispatcher) dispatch(ctx context.Context, appCodes []string) error {
	if len(appCodes) == 0 {
		return nil
	}
	merchants := d.handler.merchants.Load()
	for _, appCode := range appCodes {
		m := merchants.byAppCode[appCode]
		if m == nil {
			continue
		}
		n := min(int64(cap(d.room)-len(d.room)), merchants.perMerchantLimit-m.inFlight.Load())
		if n <= 0 {
			continue
		}
		orders, err := m.limiter.Dispatch(ctx, int(n))
		if err != nil {
			return err
		}
		for _, o := range orders {
			d.room <- struct{}{} // there is room for n
			d.working.Go(func() { d.work(o) })
		}
	}
	return nil
}

// work makes an attempt at one order, as asynq does with a task: a panic ends this attempt
// and nothing else.
func (d *dispatcher) work(o ratelimit.Dispatched) {
	defer func() { <-d.room }()
	if d.handler.pool.enter() != nil {
		return // the order is due
	}
	defer d.handler.pool.leave()
	defer func() {
		if r := recover(); r != nil {
			d.handler.log.Error("an attempt panicked; its order comes back", "id", o.ID, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	d.handler.attemptError(o.ID, d.handler.dispatched(d.ctx, o))
}

// shutDown waits for the orders in flight, and cuts them off after the timeout. No order may
// be dispatched any more.
func (d *dispatcher) shutDown(timeout time.Duration) {
	late := time.AfterFunc(timeout, d.cancel)
	defer late.Stop()
	d.working.Wait()
	d.cancel()
}

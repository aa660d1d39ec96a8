package worker

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/failpoint"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/roundtimer"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// dispatcher starts the orders that are due, and those that queued for a slot of the limiter. It
// makes an attempt at each at once, in this process: a task of asynq would stand behind all others
// in its queue, and might be lost. Every process has a dispatcher; the scripts give each order to
// one of them.
type dispatcher struct {
	handler *handler
	timer   *roundtimer.Timer
	inLine  map[tasks.Lane]*atomic.Bool // a goroutine waits for a slot of the lane

	ctx     context.Context // of the orders: it outlives the loop's
	cancel  context.CancelFunc
	working sync.WaitGroup
	failing atomic.Bool // the latest round failed
}

func newDispatcher(h *handler) *dispatcher {
	d := &dispatcher{handler: h, timer: h.Timer, inLine: map[tasks.Lane]*atomic.Bool{}}
	for _, lane := range tasks.Lanes() {
		d.inLine[lane] = new(atomic.Bool)
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// run dispatches until the context ends.
func (d *dispatcher) run(ctx context.Context) {
	for d.timer.Wait(ctx) {
		if d.failing.Load() && !d.recovered(ctx) {
			d.timer.RoundEnded(0)
			continue
		}
		next, err := d.round(ctx, journal.Room{tasks.Interactive: 0, tasks.Bulk: 0})
		if err == nil {
			d.failing.Store(false)
		}
		d.timer.RoundEnded(next)
	}
}

// recovered reports whether Redis answers again, and pauses then.
func (d *dispatcher) recovered(ctx context.Context) bool {
	return d.handler.Journal.Redis.Ping(ctx).Err() == nil && wait.Sleep(ctx, timing.AfterOutage) == nil
}

// round dispatches orders of the lanes of room: as many as it has slots for already, and as there
// are free slots. It returns the time until the next order is due. Where a lane is full and more is
// due, it gets in line.
func (d *dispatcher) round(ctx context.Context, room journal.Room) (time.Duration, error) {
	d.handler.pool.Take(room)
	defer d.handler.pool.GiveBack(room)
	next, err := d.dispatch(ctx, room)
	if err != nil && ctx.Err() == nil {
		d.handler.Observer.Observe(event.RedisFailed{Op: "dispatch"})
		if !d.failing.Swap(true) {
			d.handler.Log.Error("orders that are due could not be dispatched; trying again", "error", err)
		}
	}
	for lane, left := range room {
		if err == nil && next == 0 && left == 0 {
			d.getInLine(ctx, lane)
		}
	}
	return next, err
}

// dispatch starts orders that are due, and then queued ones. It takes the room for them from
// room, and returns the time until the next order is due.
func (d *dispatcher) dispatch(ctx context.Context, room journal.Room) (time.Duration, error) {
	ctx, cancel := wait.Longer(ctx, timing.LastCommands) // an answer on its way has orders in it
	defer cancel()
	others := d.handler.Fleet.Others()
	due, err := d.handler.Journal.ClaimDue(ctx, room, others...)
	if err != nil {
		return 0, err
	}
	for _, c := range due.Claims {
		room[c.Lane]--
		d.start(c.Lane, c.ID, func() error { return d.handler.due(d.ctx, c.Claim) })
	}
	for _, damaged := range due.Damaged {
		d.handler.setAside(damaged, nil) // its error is counted
	}
	for _, appCode := range due.Waiting {
		if err := d.dispatchQueues(ctx, appCode, room); err != nil {
			return 0, err
		}
	}
	if len(due.Waiting) > 0 {
		return 0, nil // the scripts have moved their times; the next round learns them
	}
	if len(others) > 0 && (due.Next < 0 || due.Next > timing.RoundEvery) {
		return timing.RoundEvery, nil // another process may hand an order on
	}
	return due.Next, nil
}

// dispatchQueues starts orders of an app_code's wait queues. It leaves an app_code that this
// process does not know to other processes.
func (d *dispatcher) dispatchQueues(ctx context.Context, appCode string, room journal.Room) error {
	set := d.handler.Merchants.Load()
	m := set.ByAppCode[appCode]
	if m == nil {
		return nil
	}
	share := journal.Room{}
	for lane, n := range room {
		share[lane] = int(max(0, min(int64(n), set.PerMerchantLimit-m.InFlight[lane].Load())))
	}
	n := share[tasks.Interactive] + share[tasks.Bulk]
	if n == 0 {
		return nil
	}
	orders, err := m.Limiter.Dispatch(ctx, n, share)
	for _, o := range orders {
		room[o.Lane]--
		d.start(o.Lane, o.ID, func() error { return d.handler.dispatched(d.ctx, o) })
	}
	return err
}

// start makes an attempt at an order, in a slot of its lane that was taken for it. As in asynq's
// handler, a panic ends this attempt and nothing else.
func (d *dispatcher) start(lane tasks.Lane, id string, attempt func() error) {
	d.working.Go(func() {
		defer d.handler.pool.Leave(lane)
		defer func() {
			if r := recover(); r != nil {
				d.handler.Log.Error("an attempt panicked; its order comes back", "id", id, "panic", r, "stack", string(debug.Stack()))
			}
		}()
		failpoint.Hit("dispatched")
		d.handler.attemptError(id, attempt())
	})
}

// getInLine has a goroutine wait for a slot of a full lane, and then make a round for this lane.
// Without it, asynq's handler would take every slot that becomes free between two rounds.
func (d *dispatcher) getInLine(ctx context.Context, lane tasks.Lane) {
	if d.inLine[lane].Swap(true) {
		return
	}
	d.working.Go(func() {
		err := d.handler.pool.Enter(lane)
		d.inLine[lane].Store(false)
		switch room := (journal.Room{lane: 1}); {
		case err != nil:
		case ctx.Err() != nil || d.failing.Load():
			d.handler.pool.GiveBack(room)
		default:
			d.round(ctx, room) // its error is reported
		}
	})
}

// shutDown waits for the orders in flight, and cuts them off after the timeout. No order may
// be dispatched any more.
func (d *dispatcher) shutDown(timeout time.Duration) {
	late := time.AfterFunc(timeout, d.cancel)
	defer late.Stop()
	d.working.Wait()
	d.cancel()
}

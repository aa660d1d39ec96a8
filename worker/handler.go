package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/asynqhook"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/attempt"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/failpoint"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/pool"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

// handler handles wake-ups. Every wake-up ends without an error, whatever happened to the order:
// an order is tried again because it is in due, not because asynq retries. Only when Redis
// itself fails does asynq get an error, and retries.
type handler struct {
	*attempt.Handler // of the orders that it has claimed
	producer         *tasks.Producer
	pool             pool.Pool
}

// lane returns asynq's handler for the queue of a lane.
func (h *handler) lane(l tasks.Lane) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		if err := h.pool.Enter(l); err != nil {
			return err
		}
		defer h.pool.Leave(l)
		return h.processTask(ctx, t)
	})
}

// processTask handles one wake-up.
func (h *handler) processTask(ctx context.Context, t *asynq.Task) error {
	w, err := attempt.ReadWakeUp(t.Payload())
	if err != nil {
		return h.DeadLetter(ctx, t.Payload(), err)
	}
	w.Traceparent = t.Headers()["traceparent"]
	return h.attemptError(w.ID, h.wake(ctx, w))
}

// refuse refuses a task that is too long to be read.
func (h *handler) refuse(ctx context.Context, t asynqhook.LongTask) error {
	return h.DeadLetter(ctx, []byte(t.Beginning+"…"), fmt.Errorf("%w; this task has %d", tasks.ErrOrderTooLong, t.Size))
}

// attemptError reports an attempt that failed because Redis did, and returns the error. That
// another attempt has the order is not a failure.
func (h *handler) attemptError(id string, err error) error {
	if err == nil || errors.Is(err, journal.ErrLost) {
		return nil
	}
	if damaged, is := errors.AsType[*journal.DamagedError](err); is {
		return h.setAside(damaged, attempt.TraceOf(err))
	}
	h.Observer.Observe(event.RedisFailed{Op: "attempt"})
	h.Log.LogAttrs(context.Background(), slog.LevelError, "an attempt was given up; its order comes back",
		append([]slog.Attr{slog.String("id", id), slog.Any("error", err)}, attempt.TraceOf(err)...)...)
	return err
}

// setAside takes an order with a damaged journal out of the workers' hands. It returns an error of
// Redis.
func (h *handler) setAside(e *journal.DamagedError, trace []slog.Attr) error {
	ctx, cancel := context.WithTimeout(context.Background(), h.Times.Call)
	defer cancel()
	aside, err := h.Journal.SetAside(ctx, e)
	if aside {
		h.Log.LogAttrs(ctx, slog.LevelError, "an order was put aside: its journal is damaged, and nothing of it is sent",
			append([]slog.Attr{slog.String("id", e.ID), slog.String("problem", e.Problem),
				slog.String("hint", "mend its journal, then qfpay-worker order retry; docs/runbook.md, QfpayOrdersDamaged")}, trace...)...)
	}
	if err != nil {
		h.Observer.Observe(event.RedisFailed{Op: "attempt"})
	}
	return err
}

// wake claims the order, unless another attempt has it, and works on it.
func (h *handler) wake(ctx context.Context, w attempt.WakeUp) error {
	token := rand.Text()
	c, err := h.Journal.Claim(ctx, w.ID, token)
	if err == nil && c.Status == journal.ClaimNone {
		c, err = h.adopt(ctx, w, token)
	}
	if err != nil {
		return err
	}
	switch c.Status {
	case journal.ClaimReserved:
		return h.DeadLetter(ctx, w.Payload, &tasks.ConflictError{ID: w.ID, State: "RESERVED"})
	case journal.ClaimBusy:
		h.Observer.Observe(event.Deferred{Reason: event.DeferBusy})
		return nil
	case journal.ClaimEarly:
		h.Timer.OrderDue(c.Early)
	case journal.ClaimOurs:
		return h.Work(ctx, c, w)
	}
	return nil
}

// due works on an order that was due, and that the dispatcher has claimed.
func (h *handler) due(ctx context.Context, c journal.Claim) error {
	return h.Work(ctx, c, attempt.WakeUp{ID: c.ID})
}

// dispatched claims an order that was dispatched with a reservation. When the order cannot be
// claimed, or the reservation is not needed, another call may have the slot.
func (h *handler) dispatched(ctx context.Context, o ratelimit.Dispatched) error {
	c, err := h.Journal.Claim(ctx, o.ID, rand.Text())
	if err != nil || c.Status != journal.ClaimOurs {
		o.Reservation.Cancel(ctx)
		return err
	}
	return h.Work(ctx, c, attempt.WakeUp{ID: o.ID, Reservation: o.Reservation})
}

// adopt accepts an order that was enqueued with asynq alone, by a producer that does not write
// journals. From here on it is an order like any other.
func (h *handler) adopt(ctx context.Context, w attempt.WakeUp, token string) (journal.Claim, error) {
	o, err := tasks.ParseOrder(w.Payload)
	if err == nil {
		o = o.WithDefaults(time.Now())
		o.Traceparent = w.Traceparent
		err = o.Validate()
	}
	if err == nil {
		_, err = h.producer.Accept(ctx, o)
	} else {
		err = h.producer.AcceptInvalid(ctx, w.ID, w.Payload, w.Traceparent)
	}
	var conflict *tasks.ConflictError // another process accepted it meanwhile
	if err != nil && !errors.As(err, &conflict) {
		return journal.Claim{}, err
	}
	failpoint.Hit("adopted")
	return h.Journal.Claim(ctx, w.ID, token)
}

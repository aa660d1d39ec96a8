package inspect

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// CancelStatus says how far the cancellation of an order is.
type CancelStatus string

// The statuses. The last four say what became of an order whose QR code is published.
const (
	Cancelled   CancelStatus = "cancelled"    // nothing was sent, or QFPay shows it dead: that is its outcome
	CancelAsked CancelStatus = "asked"        // something may have been sent: the workers clear up what became of it
	CancelClose CancelStatus = "closing"      // its QR code is published: the workers close it at QFPay, if they can
	CancelShut  CancelStatus = "closed"       // QFPay shows it dead: its QR code cannot be paid any more
	CancelPaid  CancelStatus = "paid"         // it was paid before it could be closed
	CancelNot   CancelStatus = "cannot_close" // QFPay has no way to close it: its QR code can be paid until it runs out
	CancelVague CancelStatus = "unclear"      // QFPay did not show what became of it
)

// Waits reports whether the workers are not done with it.
func (s CancelStatus) Waits() bool { return s == CancelAsked || s == CancelClose }

// Done reports whether the order cannot be paid any more.
func (s CancelStatus) Done() bool { return s == Cancelled || s == CancelShut }

// Cancellation is what became of a request to cancel an order.
type Cancellation struct {
	ID      string
	Status  CancelStatus
	State   string        // of the order: SENT for example, or DONE
	Outcome tasks.Outcome // of DONE
	Before  bool          // it was cancelled before this request
}

// NotCancelled says why an order cannot be cancelled. Nothing was changed.
type NotCancelled struct {
	ID      string
	Why     string
	Outcome tasks.Outcome // that it ended with; empty: it has not ended
}

// Error implements error.
func (e *NotCancelled) Error() string { return e.ID + " cannot be cancelled: " + e.Why }

// movesAllowed is how often an order may move on between its reading and its cancellation.
const movesAllowed = 10

// Cancel asks to cancel an order. One for which nothing was sent, and that no attempt has at the moment, has
// the outcome cancelled when Cancel returns. For any other the workers send no create any more, and
// clear up what became of those that were sent: the order ends as cancelled only when QFPay shows that it cannot be
// paid. An order whose QR code is published keeps its result; the workers close it at
// QFPay. To ask again is harmless, and tells how far it is.
//
// The error is [ErrNoOrder], a [*NotCancelled], or one of Redis; after an error of Redis the
// order may have been cancelled.
func (i *Inspector) Cancel(ctx context.Context, id string) (Cancellation, error) {
	j := journal.Journal{Redis: i.rdb, Scripts: i.scripts, Keys: i.keys}
	for range movesAllowed {
		h, _, err := i.read(ctx, id)
		if err != nil {
			return Cancellation{}, err
		}
		c := journal.Claim{ID: id, Token: rand.Text(), Reissues: h.Reissues, Attempts: h.Attempts, AcceptedAt: h.AcceptedAt,
			Answer: h.Answer, NoAnswer: h.NoAnswer, Traceparent: h.Traceparent}
		o, r := cancelledResult(&c, h)
		answer, err := j.Cancel(ctx, &c, h.State, r)
		if err != nil {
			return Cancellation{}, fmt.Errorf("cancel %s: %w", id, err)
		}
		if answer.Word == "cancelled" && i.observer != nil {
			i.observer.Observe(ended(o, h))
		}
		if answer.Word != "moved" {
			return readCancelling(id, answer)
		}
	}
	return Cancellation{}, &NotCancelled{ID: id, Why: "the workers are busy with it at this moment; ask again"}
}

// cancelledResult is an order, and its result if it is cancelled before anything was sent for it. An order that is not
// valid has none here: a worker rejects it.
func cancelledResult(c *journal.Claim, h History) (tasks.Order, *tasks.Result) {
	o, err := tasks.ParseOrder(h.Order)
	if err != nil || o.ID() != h.ID {
		return o, nil
	}
	r := c.CancelledResult(o, h.Now)
	return o, &r
}

// ended is what the observer is told of an order that its cancellation has ended.
func ended(o tasks.Order, h History) event.Settled {
	since := h.AcceptedAt
	if h.NotBefore.After(since) {
		since = h.NotBefore
	}
	return event.Settled{Merchant: o.Merchant, PayType: o.PayType, Lane: o.Lane, Outcome: tasks.Cancelled,
		Took: h.Now.Sub(since), DeferredFor: event.DeferReason(h.DeferredFor)}
}

// readCancelling reads the answer of cancel.lua.
func readCancelling(id string, a journal.Cancelling) (Cancellation, error) {
	c := Cancellation{ID: id, State: "DONE", Outcome: tasks.Cancelled, Status: Cancelled}
	switch a.Word {
	case "none":
		return c, fmt.Errorf("%s: %w", id, ErrNoOrder)
	case "cancelled":
	case "asked":
		c.State, c.Outcome, c.Status = a.Detail, "", CancelAsked
	case "closing":
		c.Outcome, c.Status = tasks.Created, CancelClose
		if a.Detail != "" {
			c.Status = CancelStatus(a.Detail)
		}
	case "already":
		if c.Outcome = tasks.Outcome(a.Detail); c.Outcome != tasks.Cancelled {
			return c, notCancelled(id, c.Outcome)
		}
		c.Before = true
	case "aside":
		return c, &NotCancelled{ID: id, Why: "it was put aside because its journal is damaged, and nothing of it is sent; " +
			"mend its journal, then run qfpay-worker order retry"}
	default:
		return c, fmt.Errorf("cancel %s: unexpected answer %q", id, a.Word)
	}
	return c, nil
}

// notCancelled says what somebody can do who wanted to cancel an order that has ended without a QR code.
func notCancelled(id string, outcome tasks.Outcome) error {
	why := fmt.Sprintf("it has ended as %s already, and no QR code of it was published", outcome)
	if outcome == tasks.Unresolved {
		why = "it has ended unresolved: QFPay may hold it, and its QR code is lost; look at it with order show, and query or close it at QFPay"
	}
	return &NotCancelled{ID: id, Why: why, Outcome: outcome}
}

// CancelNow returns what became of a cancellation so far. It changes nothing.
func (i *Inspector) CancelNow(ctx context.Context, c Cancellation) (Cancellation, error) {
	h, _, err := i.read(ctx, c.ID)
	if err != nil {
		return c, err
	}
	c.State, c.Outcome = h.State, tasks.Outcome(h.Outcome)
	switch {
	case h.State != "DONE":
		c.Status = CancelAsked
	case c.Outcome == tasks.Created && h.Closed != "":
		c.Status = CancelStatus(h.Closed)
	case c.Outcome == tasks.Created:
		c.Status = CancelClose
	case c.Outcome == tasks.Cancelled:
		c.Status = Cancelled
	default:
		return c, &NotCancelled{ID: c.ID, Why: fmt.Sprintf("it has ended as %s meanwhile; see its reason with order show", c.Outcome), Outcome: c.Outcome}
	}
	return c, nil
}

// IsNotCancelled reports whether an error is about one order and not about Redis.
func IsNotCancelled(err error) bool {
	_, not := errors.AsType[*NotCancelled](err)
	return not || errors.Is(err, ErrNoOrder)
}

package inspect

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

// Reopened says how an order goes on.
type Reopened struct {
	ID       string
	Was      tasks.Outcome // the outcome that it had so far
	State    string        // NEW: nothing was sent, and it is created; SENT, CLOSING: QFPay is queried first
	IssuedAs string        // the order number that it goes on under
	Deadline time.Time
	PutBack  bool   // it was put aside as damaged and had no result; it goes on where it was
	ResultID string // the id that its next result will have
}

// NotReopened says why an order cannot be re-opened. Nothing was changed.
type NotReopened struct {
	ID  string
	Why string
}

// Error implements error.
func (e *NotReopened) Error() string { return e.ID + " cannot be re-opened: " + e.Why }

// Reopen lets the workers try an order again that ended unresolved, expired, rejected or cancelled, at once
// and until a new deadline; the zero deadline is as far off as after an enqueue now. It never
// leads to a second QR code: if anything was ever sent, QFPay is queried first, and only a number that
// it shows dead is replaced by another (see reopen.lua). The result that follows has an id of its own, since
// readers of results have the first one already.
//
// An order that was put aside because its journal was damaged goes on where it was, with its own
// deadline, once the journal is mended.
//
// The error is [ErrNoOrder], a [*NotReopened], or one of Redis; after an error of Redis the
// order may have been re-opened.
func (i *Inspector) Reopen(ctx context.Context, id string, deadline time.Time) (Reopened, error) {
	if r, err := i.putBack(ctx, id); err != nil || r.PutBack {
		return r, err
	}
	h, f, err := i.read(ctx, id)
	if err != nil {
		return Reopened{}, err
	}
	if why := whyNotReopened(h); why != "" {
		return Reopened{}, &NotReopened{ID: id, Why: why}
	}
	order, err := i.postponed(h, deadline)
	if err != nil {
		return Reopened{}, err
	}
	payload, err := json.Marshal(order)
	if err != nil {
		return Reopened{}, fmt.Errorf("order %s: %w", id, err)
	}
	answer, err := reopenScript.Run(ctx, i.rdb, []string{i.keys.Order(id), i.keys.Due()},
		id, f["entry"], rand.Text(), payload, i.keys.Batch("")).Slice()
	if err != nil {
		return Reopened{}, fmt.Errorf("re-open %s: %w", id, err)
	}
	words := redisscript.Texts(answer)
	if len(words) != 4 || words[0] != "reopened" {
		return Reopened{}, &NotReopened{ID: id, Why: "it has changed meanwhile; look at it again"}
	}
	now := fields{"state": words[1], "reissues": words[2], "reopens": words[3]}.history(id)
	return Reopened{ID: id, Was: tasks.Outcome(h.Outcome), State: now.State, IssuedAs: now.IssuedAs,
		Deadline: order.Deadline, ResultID: fmt.Sprintf("%s#%d", id, now.Reopens+1)}, nil
}

// putBack lets the workers go on with an order that was put aside because its journal was damaged, if
// it was mended since.
func (i *Inspector) putBack(ctx context.Context, id string) (Reopened, error) {
	j := journal.Journal{Redis: i.rdb, Scripts: i.rdb, Keys: i.keys}
	done, err := j.PutBack(ctx, id)
	if damaged, is := errors.AsType[*journal.DamagedError](err); is {
		return Reopened{}, &NotReopened{ID: id, Why: "its journal is still damaged: " + damaged.Problem}
	}
	if err != nil || !done {
		return Reopened{}, err
	}
	h, _, err := i.read(ctx, id)
	if err != nil {
		return Reopened{}, err
	}
	o, err := tasks.ParseOrder(h.Order)
	return Reopened{ID: id, PutBack: true, State: h.State, IssuedAs: h.IssuedAs, Deadline: o.Deadline, ResultID: id}, err
}

// whyNotReopened returns why an order cannot be re-opened, or "".
func whyNotReopened(h History) string {
	switch {
	case h.State != "DONE":
		return "it has no result yet (state " + h.State + "), and goes on by itself"
	case h.Outcome == string(tasks.Created):
		return "it is created, and its QR code published"
	case !slices.Contains([]tasks.Outcome{tasks.Unresolved, tasks.Expired, tasks.Rejected, tasks.Cancelled}, tasks.Outcome(h.Outcome)):
		return fmt.Sprintf("its outcome is %q", h.Outcome)
	}
	return ""
}

// postponed returns the order with a new deadline.
func (i *Inspector) postponed(h History, deadline time.Time) (tasks.Order, error) {
	o, err := tasks.ParseOrder(h.Order)
	if err != nil {
		return o, &NotReopened{ID: h.ID, Why: "its order is not valid and would be rejected again; enqueue a corrected one under a new out_trade_no"}
	}
	switch {
	case deadline.IsZero():
		o.Deadline = deadline
		deadline = o.WithDefaults(h.Now).Deadline
	case !deadline.After(h.Now):
		return o, &NotReopened{ID: h.ID, Why: fmt.Sprintf("the deadline %s is over (on Redis it is %s)",
			deadline.UTC().Format(time.RFC3339), h.Now.Format(time.RFC3339))}
	}
	o.Deadline = deadline.UTC().Truncate(time.Millisecond)
	if err := o.Validate(); err != nil {
		return o, &NotReopened{ID: h.ID, Why: err.Error()}
	}
	return o, nil
}

package journal

import (
	"context"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Cancelling is the answer to a request to cancel an order.
type Cancelling struct {
	Word   string // none, cancelled, asked, closing, already, aside or moved: see cancel.lua
	Detail string // the state, what became of the close, or the outcome
}

// Cancel ends an order for which nothing was sent and that no attempt has, or asks the workers to end it.
// c is what the caller knows of it; its Token is a nonce of this call. stateName is the journal's word for its
// state. r is the result to publish; nil: the caller cannot write one, and the workers have to.
func (j *Journal) Cancel(ctx context.Context, c *Claim, stateName string, r *tasks.Result) (Cancelling, error) {
	keys := []string{j.Keys.Order(c.ID), j.Keys.Due(), j.Keys.Results(), j.Keys.Closing(), j.Keys.Scheduled()}
	args := []any{c.ID, c.Token, stateName, c.Reissues, c.Attempts, timing.Retention.Milliseconds(), j.Keys.Batch("")}
	if r != nil {
		args = append(args, r.Values()...)
	}
	answer, err := j.run(ctx, cancelScript, "cancel", keys, args...)
	if err != nil {
		return Cancelling{}, err
	}
	switch {
	case len(answer) == 1:
		return Cancelling{Word: answer[0]}, nil
	case len(answer) == 2:
		return Cancelling{Word: answer[0], Detail: answer[1]}, nil
	}
	return Cancelling{}, fmt.Errorf("journal: cancel: unexpected answer %q", answer)
}

package journal

import (
	"cmp"
	"strconv"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// Result makes the result of a claimed order, with the last answer to a create of it. reason is completed
// with what came of its last create.
func (c *Claim) Result(o tasks.Order, outcome tasks.Outcome, reason string, now time.Time) tasks.Result {
	if words := c.LastWords(); words != "" && outcome != tasks.Created {
		reason += "; last create: " + words
	}
	r := tasks.Result{
		V:          tasks.ResultVersion,
		ID:         o.ID(),
		Merchant:   o.Merchant,
		OutTradeNo: o.OutTradeNo,
		IssuedAs:   IssuedAs(o.OutTradeNo, c.Reissues),
		Outcome:    string(outcome),
		Reason:     reason,
		PayType:    string(o.PayType),
		TxAmt:      strconv.FormatInt(o.TxAmt, 10),
		TxCurrCd:   o.TxCurrCd,
		TxDtm:      o.TxDtm,
		Attempts:   strconv.Itoa(c.Attempts),
		Lane:       string(o.Lane),
		Batch:      o.Batch,
		EnqueuedAt: c.AcceptedAt.UTC().Format(tasks.TimeLayout),
		SettledAt:  now.UTC().Format(tasks.TimeLayout),

		Traceparent: c.Traceparent,
	}
	c.LastAnswer(&r)
	return r
}

// CancelledResult makes the result of an order that is cancelled before anything was sent for it.
func (c *Claim) CancelledResult(o tasks.Order, now time.Time) tasks.Result {
	return c.Result(o, tasks.Cancelled, policy.ReasonCancelled, now)
}

// LastAnswer fills in the last answer to a create of the order, if there is one.
func (c *Claim) LastAnswer(r *tasks.Result) {
	if last := c.Answer; last != nil {
		r.RespCd, r.RespErr, r.RespMsg, r.Response = last.RespCd, last.RespErr, last.RespMsg, last.Body
		r.Syssn = cmp.Or(r.Syssn, last.Syssn)
	}
}

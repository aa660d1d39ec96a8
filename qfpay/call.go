package qfpay

import (
	"context"
	"errors"
	"time"
)

// call makes one call and reads its answer. Its error is *Throttled, *NotSent, *Unanswered
// or *Refusal, or the error of intent, unchanged. It never repeats a call: a client cannot
// know whether that is safe.
func (c *Client) call(ctx context.Context, r request) (*answer, error) {
	l := &callPermit{endpoint: r.endpoint, limiter: c.Limiter}
	if err := c.permit(ctx, l, r.intent); err != nil {
		return nil, err
	}
	sent := c.send(ctx, r, l)
	if _, ok := errors.AsType[*NotSent](sent.err); ok || sent.throttled() {
		l.release()
	}
	var a *answer
	err := sent.err
	if err == nil {
		a, err = c.readAnswer(r, sent)
	}
	if err == nil && r.read != nil {
		err = r.read(a)
	}
	c.report(r.endpoint, sent, a, err, l)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// permit acquires the permit and writes down the intent, in this order: an intent without
// a permit would put an order in doubt that never left, and a limiter may make it wait for
// long. Writing takes time, so the permit is checked once more after it.
func (c *Client) permit(ctx context.Context, l *callPermit, intent func(context.Context) error) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	if intent != nil {
		if err := intent(ctx); err != nil {
			l.release()
			return err
		}
	}
	if err := l.renew(ctx); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		l.release()
		return &NotSent{Endpoint: string(l.endpoint), Err: err}
	}
	return nil
}

func (c *Client) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return 10 * time.Second
}

// report passes an exchange to OnCall. A permit that the limiter refused is not an exchange.
func (c *Client) report(e endpoint, s exchange, a *answer, err error, l *callPermit) {
	if c.OnCall == nil || s.throttled() {
		return
	}
	call := Call{Merchant: c.Merchant.Name, Endpoint: string(e), Wait: l.waited, Took: s.took, Signature: s.signature, Scheme: s.scheme}
	if !s.passed.IsZero() {
		call.SendDelay = s.passed.Sub(l.given)
	}
	call.Result = callResult(a, err)
	c.OnCall(call)
}

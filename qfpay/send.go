package qfpay

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// send sends one request and reads the answer, at most r.maxBody bytes.
func (c *Client) send(ctx context.Context, r request, l *callPermit) exchange {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	g, ctx := newGate(ctx, l, r.params.form())
	req, err := c.newRequest(ctx, r, g)
	if err != nil {
		return exchange{err: &NotSent{Endpoint: string(r.endpoint), Err: err}}
	}
	resp, err := c.http().Do(req)
	if err != nil {
		passed, reason := g.close()
		c.leaveBroken(g)
		return exchange{passed: passed, took: since(passed), err: sendError(r.endpoint, passed, reason, err)}
	}
	defer resp.Body.Close()
	s := exchange{status: resp.StatusCode, header: resp.Header}
	body, err := readBody(resp.Body, resp.Header, r.maxBody)
	passed, _ := g.close()
	s.passed, s.took = passed, since(passed)
	if err != nil {
		s.body = body
		s.err = unreadable(r, s, bodyReason(err), err)
		return s
	}
	s.body = body
	s.signature, s.scheme = c.checkSignature(r, s.header, s.body)
	return s
}

// leaveBroken closes the idle connections when a call has failed on one that was used before: a
// gateway or a proxy that has closed one of them has as a rule closed all, and the next call,
// perhaps the query about this one, must not meet the next broken one.
func (c *Client) leaveBroken(g *gate) {
	if g.reused() && !errors.Is(context.Cause(g.ctx), context.Canceled) {
		c.http().CloseIdleConnections()
	}
}

// newRequest makes the request. http.NewRequest sets Content-Length, which is needed because
// QFPay does not accept chunks (MPM page). It also sets GetBody, which is removed again: with
// it, net/http would make a second body, bypassing the gate, when a reused connection breaks
// early.
func (c *Client) newRequest(ctx context.Context, r request, g *gate) (*http.Request, error) {
	address := strings.TrimRight(c.Merchant.BaseURL, "/") + "/trade/v1/" + string(r.endpoint)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, g.reader())
	if err != nil {
		return nil, err
	}
	req.GetBody = nil
	c.setHeader(req.Header, r.params)
	return req, nil
}

// setHeader signs the request. The signature is in upper-case hex, as in QFPay's samples. The
// type is always sent, because without it QFPay assumes MD5.
func (c *Client) setHeader(h http.Header, p Params) {
	t := c.Merchant.SignType
	if t == "" {
		t = SHA256
	}
	h.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	h.Set("Accept", "application/json")
	h.Set("Accept-Encoding", "identity")
	h.Set("User-Agent", "qfpay-worker")
	h.Set("X-QF-APPCODE", c.Merchant.AppCode)
	h.Set("X-QF-SIGNTYPE", string(t))
	h.Set("X-QF-SIGN", t.Sign(p, c.Merchant.Key))
}

// sendError returns the error of a failed exchange. Only a gate that was never passed proves
// that nothing was sent.
func sendError(e endpoint, passed time.Time, reason, err error) error {
	if !passed.IsZero() {
		return &Unanswered{Endpoint: string(e), Reason: networkReason(err), Err: err}
	}
	switch reason.(type) {
	case *Throttled, *NotSent: // of the limiter
		return reason
	}
	if reason != errClosed {
		err = reason
	}
	return &NotSent{Endpoint: string(e), Err: err}
}

// bodyReason returns the reason why the body of an answer could not be read.
func bodyReason(err error) string {
	if _, ok := errors.AsType[*encodingError](err); ok || err == errTooLong {
		return reasonBadAnswer
	}
	return networkReason(err)
}

// networkReason returns the reason why no complete answer was received.
func networkReason(err error) string {
	var n net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return reasonCanceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return reasonTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reasonReset
	}
	return reasonBroken
}

func since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return time.Since(t)
}

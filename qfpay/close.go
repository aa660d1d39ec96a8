package qfpay

import (
	"context"
	"errors"
	"net/http"
	"strconv"
)

// ErrNotClosable means that QFPay documents no way to close an unpaid order of the pay type.
// Nothing was sent.
var ErrNotClosable = errors.New("qfpay: no documented way to close an unpaid order of this pay type")

// Close closes an unpaid order with the endpoints that QFPay documents for its pay type. It
// tries the next endpoint only when the last one refused, or does not exist. Query before and after: a reversal
// of an order that was paid meanwhile may refund it, and only a query shows whether the
// order is dead. o needs out_trade_no, txamt, txdtm and pay_type as they were sent.
//
// intent is called once, as in [Client.CreatePayment]. The errors are the same, and
// [ErrNotClosable], which is returned before anything is done.
func (c *Client) Close(ctx context.Context, o Order, intent func(context.Context) error) (Closing, error) {
	rules := o.PayType.rules()
	if rules == nil || len(rules.closing) == 0 {
		return Closing{}, ErrNotClosable
	}
	var closing Closing
	var err error
	for _, e := range rules.closing {
		closing, err = c.closeBy(ctx, e, o, intent)
		if !mayTryNext(err) {
			break
		}
		intent = nil
	}
	return closing, err
}

// Endpoint names a way to close an order.
type Endpoint string

// The ways to close an order.
const (
	ByClose    Endpoint = Endpoint(closeOrder)
	ByReversal Endpoint = Endpoint(reversal)
)

// CloseBy is [Client.Close] by one endpoint, whether or not QFPay documents it for the pay type. It
// serves to find out what an account allows. What holds for Close holds here, and above all: query
// first, because a reversal may refund an order that is paid.
func (c *Client) CloseBy(ctx context.Context, by Endpoint, o Order, intent func(context.Context) error) (Closing, error) {
	return c.closeBy(ctx, endpoint(by), o, intent)
}

// mayTryNext reports whether the answer of one endpoint allows to try another. After "already
// paid", a reversal would refund the order; after "closed", there is nothing to do. HTTP 404 and
// 405 say that there is no such endpoint.
func mayTryNext(err error) bool {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		s := refusal.RespCd.Standing()
		return s != Paid && s != Dead
	}
	unanswered, ok := errors.AsType[*Unanswered](err)
	return ok && unanswered.RespCd == "" && (unanswered.HTTPStatus == http.StatusNotFound || unanswered.HTTPStatus == http.StatusMethodNotAllowed)
}

// closeBy makes one call. 1143 and 1145 mean that the closing has begun.
func (c *Client) closeBy(ctx context.Context, e endpoint, o Order, intent func(context.Context) error) (Closing, error) {
	r := request{endpoint: e, maxBody: maxAnswer, intent: intent, params: c.params(Params{
		"out_trade_no": o.OutTradeNo,
		"txamt":        strconv.FormatInt(o.TxAmt, 10),
		"txdtm":        o.TxDtm,
	})}
	r.read = func(a *answer) error {
		if a.respCd.isSuccess() {
			return nil
		}
		return a.refusal(r)
	}
	a, err := c.call(ctx, r)
	if err != nil {
		return Closing{}, err
	}
	return Closing{Endpoint: string(e), Syssn: a.syssn, OrigSyssn: a.text("orig_syssn"), RespCd: a.respCd, Body: a.body}, nil
}

package qfpay

import (
	"context"
	"errors"
	"strconv"
)

// ErrNotClosable means that QFPay documents no way to close an unpaid order of the pay type.
// Nothing was sent.
var ErrNotClosable = errors.New("qfpay: no documented way to close an unpaid order of this pay type")

// Close closes an unpaid order with the endpoints that QFPay documents for its pay type. It
// tries the next endpoint only when the last one refused. Query before and after: a reversal
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
		if refusal, ok := errors.AsType[*Refusal](err); !ok || isFinal(refusal.RespCd) {
			break
		}
		intent = nil
	}
	return closing, err
}

// isFinal reports whether a refusal says that the order is paid or dead, so that no other
// endpoint must be tried. After "already paid", a reversal would refund the order.
func isFinal(code RespCd) bool {
	s := code.Standing()
	return s == Paid || s == Dead
}

// closeBy makes one call. 1143 and 1145 mean that the closing has begun.
func (c *Client) closeBy(ctx context.Context, e endpoint, o Order, intent func(context.Context) error) (Closing, error) {
	r := request{endpoint: e, maxBody: maxAnswer, intent: intent, params: c.params(Params{
		"out_trade_no": o.OutTradeNo,
		"txamt":        strconv.FormatInt(o.TxAmt, 10),
		"txdtm":        o.TxDtm,
	})}
	r.read = func(a *answer) error {
		if a.respCd == success || a.respCd == notPaidYet || a.respCd == processing {
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

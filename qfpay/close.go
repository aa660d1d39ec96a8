package qfpay

import (
	"context"
	"errors"
	"strconv"
)

// ErrNotClosable says that QFPay documents no way to close an unpaid order of the
// pay type. Nothing was sent.
var ErrNotClosable = errors.New("qfpay: no documented way to close an unpaid order of this pay type")

// Close closes an unpaid order, by the ways QFPay documents for its pay type, in
// turn: the next is tried only when the one before was refused. Enquire before and
// after: a reversal of an order that was paid meanwhile may refund it, and only an
// enquiry tells whether the order is dead. o needs out_trade_no, txamt, txdtm and
// pay_type as they were sent.
//
// intent is called once, as in [Client.CreatePayment]. The errors are the same;
// [ErrNotClosable] comes before anything else.
func (c *Client) Close(ctx context.Context, o Order, intent func(context.Context) error) (Closing, error) {
	rules := o.PayType.rules()
	if rules == nil || len(rules.closing) == 0 {
		return Closing{}, ErrNotClosable
	}
	var closing Closing
	var err error
	for _, way := range rules.closing {
		closing, err = c.closeBy(ctx, way, o, intent)
		if refusal, ok := errors.AsType[*Refusal](err); !ok || settledState(refusal.RespCd) {
			break
		}
		intent = nil
	}
	return closing, err
}

// settledState tells whether a refusal says what the order is, so that there is
// nothing to try another way. After "already paid" it would be worse than useless:
// a reversal refunds a paid order.
func settledState(code RespCd) bool {
	s := code.Standing()
	return s == Paid || s == Dead
}

// closeBy makes one call. 1143 and 1145 say that the closing is under way.
func (c *Client) closeBy(ctx context.Context, way endpoint, o Order, intent func(context.Context) error) (Closing, error) {
	r := request{endpoint: way, maxBody: maxAnswer, intent: intent, params: c.params(Params{
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
	return Closing{Endpoint: string(way), Syssn: a.syssn, OrigSyssn: a.text("orig_syssn"), RespCd: a.respCd, Body: a.body}, nil
}

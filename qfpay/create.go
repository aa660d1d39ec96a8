package qfpay

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxQRCode is how long a QR code's text may be. The page says 512; a longer one
// that a wallet can still scan is better handed on than lost, and beyond this no QR
// code can hold it.
const maxQRCode = 2048

// CreatePayment asks QFPay to create an order and returns its QR code. The order
// should have passed [Order.Validate]; CreatePayment does not check it again.
//
// intent is called after the permit was issued and before the first byte leaves; if it fails
// nothing leaves, and its error is returned unchanged. It is the place to write down
// that a create is about to be sent. It is called at most once, and may be nil. What
// follows may still hold the call back: *NotSent and a *Throttled that is not
// ByGateway say that nothing left, after intent as before it.
//
// Otherwise the error is *[Refusal], *[Throttled] or *[Unanswered]. respcd 1143 and
// 1145 with a QR code are a payment like 0000: the pages say of both to go on
// enquiring, and the QR code is there to be paid. An answer whose out_trade_no or
// txamt is not the order's is never one.
func (c *Client) CreatePayment(ctx context.Context, o Order, intent func(context.Context) error) (Payment, error) {
	var p Payment
	r := request{endpoint: payment, params: c.params(o.params()), udid: o.UDID != "", maxBody: maxAnswer, intent: intent}
	r.read = func(a *answer) (err error) {
		p, err = readPayment(r, o, a)
		return err
	}
	if _, err := c.call(ctx, r); err != nil {
		return Payment{}, err
	}
	return p, nil
}

// params adds what every call carries. mchid must be sent when QFPay issued one, and
// must not when it did not.
func (c *Client) params(p Params) Params {
	p["mchid"] = c.Merchant.MchID
	return p
}

// readPayment judges the answer to a create of o.
func readPayment(r request, o Order, a *answer) (Payment, error) {
	qrcode := a.text("qrcode")
	p := Payment{
		OutTradeNo: a.text("out_trade_no"), QRCode: qrcode, Syssn: a.syssn,
		RespCd: a.respCd, RespErr: a.respErr, RespMsg: a.respMsg,
		TxDtm: a.text("txdtm"), SysDtm: a.text("sysdtm"), ChnlSn: a.text("chnlsn"),
		Signature: a.signature, Body: a.body,
	}
	odd := echoDiffers(o, a)
	created := a.respCd == success || (a.respCd == notPaidYet || a.respCd == processing) && qrcode != ""
	switch {
	case a.err != nil:
		return Payment{}, a.doubt(r, reasonBadAnswer, a.err.Error())
	case odd != "":
		return Payment{}, a.doubt(r, reasonWrongEcho, odd)
	case !created:
		return Payment{}, a.refusal(r)
	case p.OutTradeNo == "" || a.text("txamt") == "":
		return Payment{}, a.doubt(r, reasonWrongEcho, "the answer does not say which order and amount it is about")
	case qrcode == "":
		return Payment{}, a.doubt(r, reasonNoQRCode, "the answer is a success without a QR code")
	case !drawable(qrcode):
		return Payment{}, a.doubt(r, reasonBadAnswer, "qrcode cannot be drawn")
	}
	return p, nil
}

// echoDiffers names the first member of an answer that is about another order, or
// returns "". Members that are absent say nothing.
func echoDiffers(o Order, a *answer) string {
	for _, echo := range []struct{ name, want string }{
		{"out_trade_no", o.OutTradeNo},
		{"txamt", strconv.FormatInt(o.TxAmt, 10)},
		{"txcurrcd", o.TxCurrCd},
		{"pay_type", string(o.PayType)},
	} {
		if got := a.text(echo.name); got != "" && got != echo.want {
			return fmt.Sprintf("%s is %q in the answer and %q in the order", echo.name, shorten(got), echo.want)
		}
	}
	return ""
}

// drawable tells whether a text can be the content of a QR code. The replacement
// character stands where the answer was not UTF-8, so that the text is not what the
// wallet expects.
func drawable(qrcode string) bool {
	return len(qrcode) <= maxQRCode && utf8.ValidString(qrcode) &&
		!strings.ContainsRune(qrcode, utf8.RuneError) && strings.IndexFunc(qrcode, unicode.IsControl) < 0
}

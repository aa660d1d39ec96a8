package qfpay

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxQRCode is the greatest length of a QR code's text. The MPM page says 512, but it is
// better to accept a longer text that a wallet can still scan than to lose it. A QR code
// cannot hold a longer text than this.
const maxQRCode = 2048

// CreatePayment asks QFPay to create an order and returns its QR code. The order
// should have passed [Order.Validate]; CreatePayment does not check it again.
//
// intent is called after the limiter has allowed the call and before the first byte is sent,
// to record that a create is about to be sent. If it fails, nothing is sent, and its error
// is returned unchanged. It is called at most once, and may be nil. The call may still not
// be sent after that: *NotSent, and *Throttled without ByGateway, mean that nothing was
// sent, whether or not intent was called.
//
// Otherwise the error is *[Refusal], *[Throttled] or *[Unanswered]. respcd 1143 and 1145
// with a QR code are a payment like 0000: QFPay's pages say to query both further, and the
// QR code can be paid. An answer with another out_trade_no or txamt than the order's is
// never a payment. Only what decides is read strictly: respcd, qrcode, out_trade_no, txamt,
// txcurrcd and pay_type.
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

// params adds the parameters of every call. mchid must be sent if QFPay issued one, and must
// not be sent otherwise.
func (c *Client) params(p Params) Params {
	p["mchid"] = c.Merchant.MchID
	return p
}

// readPayment reads the answer to a create of o.
func readPayment(r request, o Order, a *answer) (Payment, error) {
	qrcode := trimCode(a.value("qrcode"))
	p := Payment{
		OutTradeNo: a.value("out_trade_no"), QRCode: qrcode, Syssn: a.syssn,
		RespCd: a.respCd, RespErr: a.respErr, RespMsg: a.respMsg,
		TxDtm: a.text("txdtm"), SysDtm: a.text("sysdtm"), ChnlSn: a.text("chnlsn"),
		Signature: a.signature, Body: a.body,
	}
	mismatch := echoDiffers(o, a)
	created := a.respCd == success || a.respCd.isSuccess() && qrcode != ""
	switch {
	case a.err != nil:
		return Payment{}, a.doubt(r, reasonBadAnswer, a.err.Error())
	case mismatch != "":
		return Payment{}, a.doubt(r, reasonWrongEcho, mismatch)
	case !created:
		return Payment{}, a.refusal(r)
	case p.OutTradeNo == "" || a.value("txamt") == "":
		return Payment{}, a.doubt(r, reasonWrongEcho, "the answer does not name the order and the amount")
	case qrcode == "":
		return Payment{}, a.doubt(r, reasonNoQRCode, "the answer is a success without a QR code")
	case !drawable(qrcode):
		return Payment{}, a.doubt(r, reasonBadAnswer, "qrcode cannot be drawn")
	}
	return p, nil
}

// echoDiffers describes the first member of the answer whose value differs from the order's, or
// returns "". Missing members do not count.
func echoDiffers(o Order, a *answer) string {
	for _, echo := range []struct {
		name, want string
		same       func(got string) bool
	}{
		{"out_trade_no", o.OutTradeNo, func(got string) bool { return sameNumber(got, o.OutTradeNo) }},
		{"txamt", strconv.FormatInt(o.TxAmt, 10), func(got string) bool { return sameAmount(got, o.TxAmt) }},
		{"txcurrcd", o.TxCurrCd, func(got string) bool { return sameCurrency(got, o.TxCurrCd) }},
		{"pay_type", string(o.PayType), func(got string) bool { return strings.TrimSpace(got) == string(o.PayType) }},
	} {
		if got := a.value(echo.name); got != "" && !echo.same(got) {
			return fmt.Sprintf("%s is %q in the answer and %q in the order", echo.name, shorten(got), echo.want)
		}
	}
	return ""
}

// drawable reports whether a text can be the content of a QR code. The replacement character
// means that the answer was not UTF-8, so a wallet would not accept the text.
func drawable(qrcode string) bool {
	return len(qrcode) <= maxQRCode && utf8.ValidString(qrcode) &&
		!strings.ContainsRune(qrcode, utf8.RuneError) && strings.IndexFunc(qrcode, unicode.IsControl) < 0
}

package attempt

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// result makes the order's result from the answers of this attempt.
func (a *attempt) result(s policy.Step) tasks.Result {
	r := a.claim.Result(a.order, s.Outcome, s.Reason, a.now())
	a.answer(&r)
	return r
}

// answer fills in the answer of QFPay to the last create, or else the row of a query that decided.
func (a *attempt) answer(r *tasks.Result) {
	if a.known.Reply == policy.Created {
		p := a.payment
		r.QRCode, r.Syssn, r.SysDtm, r.ChnlSn = p.QRCode, p.Syssn, p.SysDtm, p.ChnlSn
		r.RespCd, r.RespErr, r.RespMsg, r.Response = string(p.RespCd), p.RespErr, p.RespMsg, compact(p.Body)
		r.QRExpires = qrExpires(a.order.Life(), p.SysDtm, a.claim.FirstSentAt, a.now())
		return
	}
	row, last := a.row, a.claim.Answer
	if row.OutTradeNo == "" {
		return
	}
	r.Syssn, r.SysDtm, r.ChnlSn = row.Syssn, row.SysDtm, row.ChnlSn
	if last == nil || last.RespCd == "" {
		r.RespCd, r.RespErr, r.RespMsg, r.Response = string(row.RespCd), row.ErrMsg, "", compact([]byte(row.Body))
	} else {
		a.claim.LastAnswer(r)
	}
}

// clockSkew is how far QFPay's clock may differ from Redis's for its times to be used.
const clockSkew = time.Minute

// qrExpires returns when a QR code expires, for a result, or "" if its life is not known. It counts
// from sysdtm, when QFPay says that it stored the order. Where that cannot be, it counts from the
// first create under the number, which may have made the code although another one brought it.
func qrExpires(life time.Duration, sysDtm string, firstSent, now time.Time) string {
	if life == 0 {
		return ""
	}
	created, err := qfpay.ParseDateTime(sysDtm)
	if err != nil || created.Before(firstSent.Add(-clockSkew)) || created.After(now.Add(clockSkew)) {
		created = firstSent
	}
	if created.After(now) {
		created = now
	}
	return created.Add(life).UTC().Format(tasks.TimeLayout)
}

// compact keeps an answer as it was received, except for bytes that are not text.
func compact(body []byte) string {
	if json.Valid(body) {
		return string(body)
	}
	return strings.ToValidUTF8(string(body), "\uFFFD")
}

// invalidResult is the result of an order that a plain asynq producer enqueued and that is not
// valid.
func invalidResult(c journal.Claim, merchant, outTradeNo string, reason error, now time.Time) tasks.Result {
	merchant = cmp.Or(merchant, tasks.DefaultMerchant)
	r := tasks.Result{
		V:          tasks.ResultVersion,
		Merchant:   merchant,
		OutTradeNo: outTradeNo,
		IssuedAs:   outTradeNo,
		Outcome:    string(tasks.Rejected),
		Reason:     reason.Error(),
		Attempts:   strconv.Itoa(c.Attempts),
		EnqueuedAt: c.AcceptedAt.UTC().Format(tasks.TimeLayout),
		SettledAt:  now.UTC().Format(tasks.TimeLayout),

		Traceparent: c.Traceparent,
	}
	r.ID = r.OrderID()
	return r
}

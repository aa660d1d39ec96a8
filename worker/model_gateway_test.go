package worker

import (
	"errors"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// record is what the gateway has under one number.
type record uint8

const (
	none    record = iota
	live           // unpaid, and can be paid
	bought         // paid
	shut           // closed by us
	ranOut         // its QR code has expired
	broken         // failed at the channel
	barred         // refused for good, and kept all the same
	others         // somebody else's order, with another amount
	earlier        // an unpaid order that may be ours, older than our first create
	twofold        // two orders can be paid: the gateway let a number be used twice
	records
)

// mine reports whether it costs, or may cost, our customer money.
func (r record) mine() bool { return r == live || r == bought || r == twofold }

// What the gateway, or the way to it, may answer to a create. The replies are not
// written down here: the worker's own reading of the client's errors says what
// each of them means.
var (
	replyCreated    = reading(nil)
	replyLost       = reading(&qfpay.Unanswered{Reason: "timeout"})
	replyNotSent    = reading(&qfpay.NotSent{Err: errors.New("connection refused")})
	replyThrottled  = reading(&qfpay.Throttled{ByGateway: true})
	replyBusy       = reading(refusal("1100"))
	replyUnsigned   = reading(refusal("1108"))
	replyHeld       = reading(refusal("2012"))
	replyRefused    = reading(refusal("1294"))
	replyNotNow     = reading(refusal("1205"))
	replyProxy      = reading(&qfpay.Unanswered{Reason: "http_403", HTTPStatus: 403})
	replyDuplicate  = reading(refusal("1102"))
	replyUnknown    = reading(refusal("7777"))
	replyStored     = reading(&qfpay.Refusal{RespCd: "1294", Class: qfpay.Refused, Syssn: "20260301"})
	replyClosed     = policy.ReadClose(nil)
	replyCloseLost  = policy.ReadClose(&qfpay.Unanswered{Reason: "timeout"})
	replyNotClosed  = policy.ReadClose(refusal("1146"))
	replyCloseUnset = policy.ReadClose(&qfpay.NotSent{Err: errors.New("connection refused")})
)

func refusal(code qfpay.RespCd) error {
	return &qfpay.Refusal{RespCd: code, Class: code.Class(qfpay.Hint{})}
}

func reading(err error) policy.Reply {
	r, ok := policy.ReadCreate(err)
	if !ok {
		panic("an answer that the worker does not read")
	}
	return r
}

// rows are what a query answers for a record.
var rows = map[record][]qfpay.Record{
	none:    nil,
	live:    {{RespCd: "1143"}},
	bought:  {{RespCd: "0000"}},
	shut:    {{RespCd: "1263"}},
	ranOut:  {{RespCd: "1181"}},
	broken:  {{RespCd: "1205"}},
	barred:  {{RespCd: "1294"}},
	others:  {{RespCd: "1143", TxAmt: "777", SysDtm: "2020-01-01 00:00:00"}},
	earlier: {{RespCd: "1143", SysDtm: "2020-01-01 00:00:00"}},
	twofold: {{RespCd: "1143"}, {RespCd: "1143"}},
}

// shown is the reply to a query that finds each record.
var shown = func() (all [records]policy.Reply) {
	for r := range records {
		all[r], _ = policy.ReadQuery(rows[r], nil, anOrder("A1").Order, time.Now())
	}
	return all
}()

var replyNoAnswer, _ = policy.ReadQuery(nil, &qfpay.Unanswered{Reason: "timeout"}, qfpay.Order{}, time.Time{})

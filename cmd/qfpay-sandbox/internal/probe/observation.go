package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Event is what an observation is of.
type Event string

// The events.
const (
	Begun    Event = "begun"    // a run of the probe
	Sent     Event = "sent"     // a create is about to leave
	Create   Event = "create"   // a create has ended
	Query    Event = "query"    // a query has ended
	Close    Event = "close"    // a close has ended
	Reversal Event = "reversal" // a reversal has ended
)

// closing reports whether the event is a way to close an order.
func (e Event) closing() bool { return e == Close || e == Reversal }

// Verdict is how a call ended, in the terms of package qfpay.
type Verdict string

// The verdicts.
const (
	Done       Verdict = "done"
	Refused    Verdict = "refused"
	Throttled  Verdict = "throttled"
	NotSent    Verdict = "not sent"
	Unanswered Verdict = "unanswered"
)

// Observation is one call and what came of it. It holds no secret, and of a QR code only a mark by
// which two can be compared.
type Observation struct {
	At      time.Time      `json:"at"` // when the call began
	Event   Event          `json:"event"`
	PayType qfpay.PayType  `json:"pay_type,omitempty"`
	Trial   Trial          `json:"trial,omitempty"` // of creates
	Number  string         `json:"out_trade_no,omitempty"`
	TxDtm   string         `json:"txdtm,omitempty"`
	TxAmt   int64          `json:"txamt,omitempty"` // of Sent, as the next two
	Cur     string         `json:"txcurrcd,omitempty"`
	URL     string         `json:"notify_url,omitempty"`
	Sign    qfpay.SignType `json:"sign_type,omitempty"`

	Verdict   Verdict         `json:"verdict,omitempty"`
	Took      time.Duration   `json:"took,omitempty"` // until the call had ended
	Status    int             `json:"http_status,omitempty"`
	RespCd    qfpay.RespCd    `json:"respcd,omitempty"`
	Class     string          `json:"class,omitempty"` // of a refusal
	Words     string          `json:"words,omitempty"` // QFPay's own, or why no answer came
	Syssn     string          `json:"syssn,omitempty"`
	Code      string          `json:"code,omitempty"` // mark of the QR code
	Signature qfpay.Signature `json:"signature,omitempty"`
	Scheme    qfpay.Scheme    `json:"scheme,omitempty"`
	Rows      []Row           `json:"rows,omitempty"`
	Wait      time.Duration   `json:"wait,omitempty"` // Retry-After
}

// Row is one row of a query.
type Row struct {
	Syssn     string       `json:"syssn"`
	RespCd    qfpay.RespCd `json:"respcd"`
	Standing  string       `json:"standing"`
	GoodsName string       `json:"goods_name,omitempty"`
	HasCode   bool         `json:"has_code,omitempty"` // it has a member qrcode that is not empty
}

// end is when the call had ended.
func (o Observation) end() time.Time { return o.At.Add(o.Took) }

// mark returns what tells QR codes apart, and does not let one be drawn.
func mark(qrcode string) string {
	sum := sha256.Sum256([]byte(qrcode))
	return hex.EncodeToString(sum[:6])
}

// created notes a successful create.
func (o Observation) created(p qfpay.Payment) Observation {
	o.Verdict, o.Status, o.RespCd, o.Syssn, o.Code = Done, 200, p.RespCd, p.Syssn, mark(p.QRCode)
	o.Words = words(p.RespErr, p.RespMsg)
	return o
}

// found notes the rows of a query.
func (o Observation) found(records []qfpay.Record) Observation {
	o.Verdict, o.Status, o.RespCd = Done, 200, "0000"
	for _, r := range records {
		var more struct {
			GoodsName any `json:"goods_name"`
			QRCode    any `json:"qrcode"`
		}
		_ = json.Unmarshal([]byte(r.Body), &more) // the row was read before
		name, _ := more.GoodsName.(string)
		code, _ := more.QRCode.(string)
		o.Rows = append(o.Rows, Row{Syssn: r.Syssn, RespCd: r.RespCd, Standing: r.Standing().String(), GoodsName: name, HasCode: code != ""})
	}
	return o
}

// failed notes an error of package qfpay.
func (o Observation) failed(err error) Observation {
	answer := qfpay.AnswerOf(err)
	o.Status, o.RespCd, o.Syssn = answer.HTTPStatus, answer.RespCd, answer.Syssn
	o.Words = words(answer.RespErr, answer.RespMsg)
	if answer.Cause != "" {
		o.Words = strings.TrimSpace(o.Words + " " + answer.Cause)
	}
	switch e := err.(type) {
	case *qfpay.Refusal:
		o.Verdict, o.Class = Refused, e.Class.String()
	case *qfpay.Throttled:
		o.Verdict, o.Wait = Throttled, e.RetryAfter
	case *qfpay.NotSent:
		o.Verdict, o.Words = NotSent, e.Err.Error() // the verdict says the rest
	default:
		o.Verdict = Unanswered
		if o.Words == "" {
			o.Words = err.Error()
		}
	}
	return o
}

// words returns what QFPay says: the details, or else the text.
func words(respErr, respMsg string) string {
	if text := strings.TrimSpace(respMsg); text != "" {
		return text
	}
	return strings.TrimSpace(respErr)
}

// said returns the answer in a few words.
func (o Observation) said() string {
	text := o.Words
	if runes := []rune(text); len(runes) > 90 {
		text = string(runes[:90]) + "…"
	}
	if o.Verdict == Throttled {
		return "HTTP 429"
	}
	return strings.TrimSpace(string(o.RespCd) + " " + text)
}

// Summary returns the call and its end on one line. It may hold text from outside.
func (o Observation) Summary() string {
	what := string(o.Event)
	if o.Trial != "" {
		what += " (" + string(o.Trial) + ", " + string(o.Sign) + ")"
	}
	if o.Event == Query && o.Verdict == Done {
		return what + ": " + shown(o.Rows)
	}
	if o.Verdict == Done {
		return what + ": " + o.said()
	}
	return what + ": " + string(o.Verdict) + ": " + o.said()
}

// shown returns the rows in a few words.
func shown(rows []Row) string {
	if len(rows) == 0 {
		return "no row"
	}
	var all []string
	for _, r := range rows {
		all = append(all, r.Standing+" ("+string(r.RespCd)+")")
	}
	return strings.Join(all, ", ")
}

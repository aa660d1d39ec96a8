package tasks

import (
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks/consume"
)

// Outcome is the word for how an order ended.
type Outcome string

// The outcomes.
const (
	Created    Outcome = "created"    // the QR code is in qrcode; the order is created, not paid
	Rejected   Outcome = "rejected"   // rejected for good, by validation or by QFPay
	Expired    Outcome = "expired"    // its deadline passed, and QFPay has no live order for it
	Unresolved Outcome = "unresolved" // QFPay may have an order whose QR code is lost: a person must check
	Cancelled  Outcome = "cancelled"  // somebody asked for it before a QR code was published, and QFPay has no live order for it
)

// Outcomes returns every outcome.
func Outcomes() []Outcome { return []Outcome{Created, Rejected, Expired, Unresolved, Cancelled} }

// ResultVersion is the value of the field v.
const ResultVersion = "1"

// TimeLayout is the layout of times in a result: RFC 3339 with milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z07:00"

// Result is one entry of the result stream. Its fields are strings, all present, and empty
// if unknown; they have the same sequence in the stream. Times are in [TimeLayout], in UTC,
// by Redis's clock, except txdtm and sysdtm, which come from QFPay. Only qr_expires_at, batch and
// traceparent may be missing: older entries do not have them.
type Result struct {
	V          string `json:"v"`
	ID         string `json:"id"` // the same for the same order: deduplicate by it; order retry adds "#2", "#3"
	Merchant   string `json:"merchant"`
	OutTradeNo string `json:"out_trade_no"`
	IssuedAs   string `json:"issued_as"` // the out_trade_no under which QFPay has it
	Outcome    string `json:"outcome"`
	Reason     string `json:"reason"`
	QRCode     string `json:"qrcode"`
	QRExpires  string `json:"qr_expires_at"` // of created, where QFPay says how long the QR code lives: RFC 3339
	Syssn      string `json:"syssn"`
	RespCd     string `json:"respcd"`
	RespErr    string `json:"resperr"`
	RespMsg    string `json:"respmsg"`
	PayType    string `json:"pay_type"`
	TxAmt      string `json:"txamt"`
	TxCurrCd   string `json:"txcurrcd"`
	TxDtm      string `json:"txdtm"`
	SysDtm     string `json:"sysdtm"`
	ChnlSn     string `json:"chnlsn"`
	Attempts   string `json:"attempts"`
	Lane       string `json:"lane"`
	Batch      string `json:"batch"` // the bulk run that it belongs to
	EnqueuedAt string `json:"enqueued_at"`
	SettledAt  string `json:"settled_at"`
	Response   string `json:"response"` // the last answer to a create as received, or else the row of a query that decided; with respcd, resperr and respmsg

	Traceparent string `json:"traceparent"` // from the producer, W3C Trace Context
}

// OrderID returns the ID of the order: that of the result without the number of a retry.
func (r Result) OrderID() string { return orderID(r.Merchant, r.OutTradeNo) }

// resultFields is the one list of the fields of a result, in the sequence of the stream.
var resultFields = []struct {
	name string
	at   func(*Result) *string
}{
	{"v", func(r *Result) *string { return &r.V }},
	{"id", func(r *Result) *string { return &r.ID }},
	{"merchant", func(r *Result) *string { return &r.Merchant }},
	{"out_trade_no", func(r *Result) *string { return &r.OutTradeNo }},
	{"issued_as", func(r *Result) *string { return &r.IssuedAs }},
	{"outcome", func(r *Result) *string { return &r.Outcome }},
	{"reason", func(r *Result) *string { return &r.Reason }},
	{"qrcode", func(r *Result) *string { return &r.QRCode }},
	{"qr_expires_at", func(r *Result) *string { return &r.QRExpires }},
	{"syssn", func(r *Result) *string { return &r.Syssn }},
	{"respcd", func(r *Result) *string { return &r.RespCd }},
	{"resperr", func(r *Result) *string { return &r.RespErr }},
	{"respmsg", func(r *Result) *string { return &r.RespMsg }},
	{"pay_type", func(r *Result) *string { return &r.PayType }},
	{"txamt", func(r *Result) *string { return &r.TxAmt }},
	{"txcurrcd", func(r *Result) *string { return &r.TxCurrCd }},
	{"txdtm", func(r *Result) *string { return &r.TxDtm }},
	{"sysdtm", func(r *Result) *string { return &r.SysDtm }},
	{"chnlsn", func(r *Result) *string { return &r.ChnlSn }},
	{"attempts", func(r *Result) *string { return &r.Attempts }},
	{"lane", func(r *Result) *string { return &r.Lane }},
	{"batch", func(r *Result) *string { return &r.Batch }},
	{"enqueued_at", func(r *Result) *string { return &r.EnqueuedAt }},
	{"settled_at", func(r *Result) *string { return &r.SettledAt }},
	{"response", func(r *Result) *string { return &r.Response }},
	{traceparentName, func(r *Result) *string { return &r.Traceparent }},
}

// laterFields are those that older entries do not have.
var laterFields = []string{"qr_expires_at", "batch", traceparentName}

// Values returns the fields of a result as arguments of XADD: names and values in turn.
func (r Result) Values() []any {
	values := make([]any, 0, 2*len(resultFields))
	for _, f := range resultFields {
		values = append(values, f.name, *f.at(&r))
	}
	return values
}

// ParseResult reads an entry of the result stream. Every field must be present, except those that
// older entries do not have; v must be [ResultVersion], and the outcome a known one. It ignores unknown fields, so that a new field does not break consumers.
func ParseResult(m redis.XMessage) (Result, error) {
	if m.Values == nil {
		return Result{}, errors.New("the entry was deleted from the stream before it was read")
	}
	var r Result
	for _, f := range resultFields {
		text, ok := m.Values[f.name].(string)
		if !ok && !slices.Contains(laterFields, f.name) {
			return Result{}, fmt.Errorf("entry %s is not a result: the field %s is missing", m.ID, f.name)
		}
		*f.at(&r) = text
	}
	if r.V != ResultVersion {
		return Result{}, fmt.Errorf("entry %s: v is %q, but this program reads only %q", m.ID, shorten(r.V), ResultVersion)
	}
	if !slices.Contains(Outcomes(), Outcome(r.Outcome)) {
		return Result{}, fmt.Errorf("entry %s: unknown outcome %q", m.ID, shorten(r.Outcome))
	}
	return r, nil
}

// Entry is one entry of the result stream.
type Entry struct {
	StreamID string // the ID of the entry in the stream; continue reading after it
	Result   Result
	Err      error // the entry is not a result; Result is empty
}

// Results reads the result stream.
type Results = consume.Reader[Entry]

// NewResults returns a reader of results. The keys must have the same prefix as those of the workers.
func NewResults(rdb redis.UniversalClient, keys Keys) *Results {
	return consume.New(rdb, keys.Results(), func(m redis.XMessage) Entry {
		r, err := ParseResult(m)
		return Entry{StreamID: m.ID, Result: r, Err: err}
	})
}

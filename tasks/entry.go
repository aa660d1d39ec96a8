package tasks

import (
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// resultFields is the one list of a result's fields, in their order in the stream.
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
	{"enqueued_at", func(r *Result) *string { return &r.EnqueuedAt }},
	{"settled_at", func(r *Result) *string { return &r.SettledAt }},
	{"response", func(r *Result) *string { return &r.Response }},
	{traceparentName, func(r *Result) *string { return &r.Traceparent }},
}

// Values returns the fields of a result as XADD takes them: names and values by
// turns, in their fixed order.
func (r Result) Values() []any {
	values := make([]any, 0, 2*len(resultFields))
	for _, f := range resultFields {
		values = append(values, f.name, *f.at(&r))
	}
	return values
}

// ParseResult reads an entry of the result stream. Every field must be there but
// traceparent, which entries of earlier versions do not have; v must be [ResultVersion] and the outcome a known one. Fields that it does not know
// are left alone, so that fields can be added without breaking consumers.
func ParseResult(m redis.XMessage) (Result, error) {
	if m.Values == nil {
		return Result{}, errors.New("the entry was deleted from the stream before it was read")
	}
	var r Result
	for _, f := range resultFields {
		text, ok := m.Values[f.name].(string)
		if !ok && f.name != traceparentName {
			return Result{}, fmt.Errorf("entry %s is no result: the field %s is missing", m.ID, f.name)
		}
		*f.at(&r) = text
	}
	if r.V != ResultVersion {
		return Result{}, fmt.Errorf("entry %s: v is %q, and this program reads %q only", m.ID, shorten(r.V), ResultVersion)
	}
	if !slices.Contains(Outcomes(), Outcome(r.Outcome)) {
		return Result{}, fmt.Errorf("entry %s: unknown outcome %q", m.ID, shorten(r.Outcome))
	}
	return r, nil
}

// Entry is one entry of the result stream.
type Entry struct {
	StreamID string // the entry's place in the stream, to go on reading after
	Result   Result
	Err      error // the entry is no result; Result is empty
}

func entryOf(m redis.XMessage) Entry {
	r, err := ParseResult(m)
	return Entry{StreamID: m.ID, Result: r, Err: err}
}

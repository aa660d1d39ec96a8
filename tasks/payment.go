package tasks

import (
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks/consume"
)

// PaymentEvent is the word for what became of a published QR code.
type PaymentEvent string

// The events. Exactly one of Paid, Lapsed and Closed comes for each code that is followed; Refunded
// and PaidTwice may follow Paid, each once.
const (
	Paid      PaymentEvent = "paid"       // a signed notification or a query shows the payment
	Lapsed    PaymentEvent = "expired"    // it ran out unpaid: QFPay shows it dead, or not at all after its life
	Closed    PaymentEvent = "closed"     // it was closed or cancelled at QFPay before anybody paid
	Refunded  PaymentEvent = "refunded"   // the payment was refunded, wholly or in part
	PaidTwice PaymentEvent = "paid_twice" // QFPay shows two successful payments under the one number
)

// PaymentEvents returns every event.
func PaymentEvents() []PaymentEvent { return []PaymentEvent{Paid, Lapsed, Closed, Refunded, PaidTwice} }

// Final reports whether the event is the one that ends the wait for a payment.
func (e PaymentEvent) Final() bool { return e == Paid || e == Lapsed || e == Closed }

// What may have shown an event: the field seen_by.
const (
	ByNotification = "notification" // of QFPay, signed
	ByEnquiry      = "enquiry"      // of the worker
)

// PaymentVersion is the value of the field v.
const PaymentVersion = "1"

// Payment is one entry of the payment stream. Its fields are strings, all present, and empty if
// unknown; they have the same sequence in the stream. Times are in [TimeLayout], in UTC.
type Payment struct {
	V          string `json:"v"`
	ID         string `json:"id"` // that of the order and the event: deduplicate by it
	Merchant   string `json:"merchant"`
	OutTradeNo string `json:"out_trade_no"`
	IssuedAs   string `json:"issued_as"` // the out_trade_no under which QFPay has it
	Event      string `json:"event"`
	PayType    string `json:"pay_type"`
	TxAmt      string `json:"txamt"` // the order's, in minor units
	TxCurrCd   string `json:"txcurrcd"`
	Syssn      string `json:"syssn"`   // of what showed it: the payment, its refund, or the second payment
	PaidAt     string `json:"paid_at"` // by QFPay's clock
	SeenBy     string `json:"seen_by"` // notification or enquiry
	At         string `json:"at"`      // when it was published, by Redis's clock
	Batch      string `json:"batch"`   // the bulk run that the order belongs to
}

// paymentFields is the one list of the fields of a payment, in the sequence of the stream.
var paymentFields = []struct {
	name string
	at   func(*Payment) *string
}{
	{"v", func(p *Payment) *string { return &p.V }},
	{"id", func(p *Payment) *string { return &p.ID }},
	{"merchant", func(p *Payment) *string { return &p.Merchant }},
	{"out_trade_no", func(p *Payment) *string { return &p.OutTradeNo }},
	{"issued_as", func(p *Payment) *string { return &p.IssuedAs }},
	{"event", func(p *Payment) *string { return &p.Event }},
	{"pay_type", func(p *Payment) *string { return &p.PayType }},
	{"txamt", func(p *Payment) *string { return &p.TxAmt }},
	{"txcurrcd", func(p *Payment) *string { return &p.TxCurrCd }},
	{"syssn", func(p *Payment) *string { return &p.Syssn }},
	{"paid_at", func(p *Payment) *string { return &p.PaidAt }},
	{"seen_by", func(p *Payment) *string { return &p.SeenBy }},
	{"at", func(p *Payment) *string { return &p.At }},
	{"batch", func(p *Payment) *string { return &p.Batch }},
}

// OrderID returns the ID of the order.
func (p Payment) OrderID() string { return orderID(p.Merchant, p.OutTradeNo) }

// Values returns the fields of a payment as arguments of XADD: names and values in turn.
func (p Payment) Values() []any {
	values := make([]any, 0, 2*len(paymentFields))
	for _, f := range paymentFields {
		values = append(values, f.name, *f.at(&p))
	}
	return values
}

// ParsePayment reads an entry of the payment stream. Every field must be present, v must be
// [PaymentVersion], and the event a known one. It ignores unknown fields, so that a new field does not
// break consumers.
func ParsePayment(m redis.XMessage) (Payment, error) {
	if m.Values == nil {
		return Payment{}, errors.New("the entry was deleted from the stream before it was read")
	}
	var p Payment
	for _, f := range paymentFields {
		text, ok := m.Values[f.name].(string)
		if !ok {
			return Payment{}, fmt.Errorf("entry %s is not a payment: the field %s is missing", m.ID, f.name)
		}
		*f.at(&p) = text
	}
	if p.V != PaymentVersion {
		return Payment{}, fmt.Errorf("entry %s: v is %q, but this program reads only %q", m.ID, shorten(p.V), PaymentVersion)
	}
	if !slices.Contains(PaymentEvents(), PaymentEvent(p.Event)) {
		return Payment{}, fmt.Errorf("entry %s: unknown event %q", m.ID, shorten(p.Event))
	}
	return p, nil
}

// PaymentEntry is one entry of the payment stream.
type PaymentEntry struct {
	StreamID string // the ID of the entry in the stream; continue reading after it
	Payment  Payment
	Err      error // the entry is not a payment; Payment is empty
}

// Payments reads the payment stream.
type Payments = consume.Reader[PaymentEntry]

// NewPayments returns a reader of payments. The keys must have the same prefix as those of the workers.
func NewPayments(rdb redis.UniversalClient, keys Keys) *Payments {
	return consume.New(rdb, keys.Payments(), func(m redis.XMessage) PaymentEntry {
		p, err := ParsePayment(m)
		return PaymentEntry{StreamID: m.ID, Payment: p, Err: err}
	})
}

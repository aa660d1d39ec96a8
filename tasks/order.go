package tasks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// DefaultMerchant is the merchant of an order that names none.
const DefaultMerchant = "default"

// Lane says how soon an order matters.
type Lane string

// The lanes. Interactive is a customer waiting at a checkout.
const (
	Interactive Lane = "interactive"
	Bulk        Lane = "bulk"
)

// Lanes returns the lanes, the more urgent first.
func Lanes() []Lane { return []Lane{Interactive, Bulk} }

// Patience is how long after it was enqueued an order of this lane may still be
// submitted when it names no deadline of its own.
func (l Lane) Patience() time.Duration {
	if l == Interactive {
		return 2 * time.Minute
	}
	return 24 * time.Hour
}

// Order is what a producer enqueues: the order as QFPay knows it, and what the
// worker needs to know besides. It is the payload of a task, a line of NDJSON and
// a row of CSV, under the same names.
type Order struct {
	Merchant string `json:"merchant"` // which of the worker's merchants; DefaultMerchant when empty
	qfpay.Order
	Deadline time.Time `json:"deadline,omitzero"` // not submitted after it
	Lane     Lane      `json:"lane"`

	// Traceparent is the producer's place in a trace, W3C Trace Context: 00-…-…-01. It is no
	// field of the order, and in none of its forms; it comes back in log lines and the
	// result. One that is malformed is ignored, and so is that of a duplicate.
	Traceparent string `json:"-"`
}

// ID identifies an order: merchant:out_trade_no. asynq's task ID begins with it,
// and the order's result has it as its id.
func (o Order) ID() string { return ResultID(o.Merchant, o.OutTradeNo) }

// WithDefaults fills in what the producer left out, as of now: merchant, lane,
// txdtm and deadline. The deadline is put into UTC, in which it is written.
func (o Order) WithDefaults(now time.Time) Order {
	if o.Merchant == "" {
		o.Merchant = DefaultMerchant
	}
	if o.Lane == "" {
		o.Lane = Bulk
	}
	if o.TxDtm == "" {
		o.TxDtm = qfpay.FormatDateTime(now)
	}
	if o.Deadline.IsZero() {
		o.Deadline = now.Add(o.Lane.Patience()).Truncate(time.Millisecond)
	}
	o.Deadline = o.Deadline.UTC()
	return o
}

// Fingerprint tells two orders of the same ID apart by content: everything that
// is sent to QFPay except txdtm. txdtm, deadline and lane do not count, since they
// are filled in at enqueue and a producer that repeats itself repeats the order,
// not the moment.
func (o Order) Fingerprint() string {
	content := o.Order
	content.TxDtm = ""
	b, err := json.Marshal(content)
	if err != nil {
		panic(err) // a struct of strings and integers always marshals
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

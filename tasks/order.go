package tasks

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// DefaultMerchant is the merchant of an order that names none.
const DefaultMerchant = "default"

// Lane says how urgent an order is.
type Lane string

// The lanes. Interactive is for a customer who is waiting at a checkout.
const (
	Interactive Lane = "interactive"
	Bulk        Lane = "bulk"
)

// Lanes returns the lanes, the more urgent one first.
func Lanes() []Lane { return []Lane{Interactive, Bulk} }

// DefaultTTL is how long after it was enqueued an order of this lane may be submitted if it
// has no deadline of its own.
func (l Lane) DefaultTTL() time.Duration {
	if l == Interactive {
		return 2 * time.Minute
	}
	return 24 * time.Hour
}

// Order is what a producer enqueues: the order as QFPay knows it, and the settings for the
// worker. The payload of a task, a line of NDJSON and a row of CSV use the same field names.
type Order struct {
	Merchant string `json:"merchant"` // one of the worker's merchants; DefaultMerchant if empty
	qfpay.Order
	Deadline time.Time `json:"deadline,omitzero"` // the order is not submitted after it
	Lane     Lane      `json:"lane"`

	// NotBefore is the time before which the order is not submitted; zero: at once. It is before
	// the deadline, and at most [MaxAhead] ahead when the order is enqueued.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Batch is the name of the bulk run that the order belongs to, or "".
	Batch string `json:"batch,omitempty"`

	// Traceparent is the producer's position in a trace, W3C Trace Context: 00-…-…-01. It is
	// not a field of the order, and is not written with it; log lines and the result show it.
	// A malformed traceparent is ignored, and so is the traceparent of a duplicate.
	Traceparent string `json:"-"`
}

// ID identifies an order: merchant:out_trade_no. asynq's task ID begins with it, and the
// result of the order has it as its id.
func (o Order) ID() string { return orderID(o.Merchant, o.OutTradeNo) }

func orderID(merchant, outTradeNo string) string { return merchant + ":" + outTradeNo }

// ID returns the ID of an order, which may be otherwise invalid: merchant:out_trade_no. The
// merchant is DefaultMerchant if empty. Without an ID an order cannot have a journal or a
// result, not even one that says what is wrong with it; then the error says why.
func ID(merchant, outTradeNo string) (string, error) {
	merchant = cmp.Or(merchant, DefaultMerchant)
	if !ValidMerchant(merchant) {
		return "", fmt.Errorf("merchant: must be 1 to 64 letters, digits, _ or -, not %q", shorten(merchant))
	}
	if !validNumber.MatchString(outTradeNo) {
		return "", fmt.Errorf("out_trade_no: must be 1 to %d letters, digits, _ or -, not %q", qfpay.MaxOutTradeNo, shorten(outTradeNo))
	}
	return orderID(merchant, outTradeNo), nil
}

// validMerchant excludes the colon, which separates the parts of keys, and the braces, which
// mark hash tags.
var validMerchant = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidMerchant reports whether a merchant may have this name. The name is a part of Redis
// keys and of task IDs, and a label of metrics.
func ValidMerchant(name string) bool { return validMerchant.MatchString(name) }

var validBatch = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// ValidBatch reports whether a batch may have this name. The name is a part of a Redis key.
func ValidBatch(name string) bool { return validBatch.MatchString(name) }

// validNumber matches every out_trade_no that can be a part of an ID.
var validNumber = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_-]{1,%d}$`, qfpay.MaxOutTradeNo))

// WithDefaults sets the fields that the producer left out, as of now: merchant, lane, txdtm
// and deadline, which counts from not_before if there is one. It converts the deadline to UTC.
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
		from := now
		if o.NotBefore.After(now) {
			from = o.NotBefore
		}
		o.Deadline = from.Add(o.Lane.DefaultTTL()).Truncate(time.Millisecond)
	}
	o.Deadline = o.Deadline.UTC()
	return o
}

// Validate checks an order whose defaults are set: the fields for the worker, and QFPay's
// rules for each field and pay type. The error is a [qfpay.FieldErrors] with all wrong
// fields. A deadline in the past is valid: the order is accepted, and expires.
func (o Order) Validate() error {
	var bad qfpay.FieldErrors
	if !ValidMerchant(o.Merchant) {
		bad = append(bad, qfpay.FieldError{Field: "merchant", Value: shorten(o.Merchant),
			Rule: "must be 1 to 64 letters, digits, _ or -"})
	}
	if err := o.Order.Validate(); err != nil {
		broken, ok := errors.AsType[qfpay.FieldErrors](err)
		if !ok {
			return err
		}
		bad = append(bad, broken...)
	}
	// RFC 3339 has four digits for the year.
	if y := o.Deadline.UTC().Year(); o.Deadline.IsZero() || y < 1 || y > 9999 {
		bad = append(bad, qfpay.FieldError{Field: "deadline", Value: deadlineText(o.Deadline),
			Rule: "must be a time in the years 1 to 9999"})
	}
	if !slices.Contains(Lanes(), o.Lane) {
		bad = append(bad, qfpay.FieldError{Field: "lane", Value: shorten(string(o.Lane)),
			Rule: "must be interactive or bulk"})
	}
	if !o.NotBefore.IsZero() && !o.Deadline.IsZero() && !o.NotBefore.Before(o.Deadline) {
		bad = append(bad, qfpay.FieldError{Field: notBefore, Value: o.NotBefore.Format(time.RFC3339Nano), Rule: "must be before deadline"})
	}
	if o.Batch != "" && !ValidBatch(o.Batch) {
		bad = append(bad, qfpay.FieldError{Field: "batch", Value: shorten(o.Batch), Rule: "must be 1 to 64 letters, digits, ., _ or -"})
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// MaxAhead is how far ahead not_before may be when an order is enqueued.
const MaxAhead = 30 * 24 * time.Hour

const notBefore = "not_before"

// CheckAhead returns a [qfpay.FieldErrors] if not_before is too far ahead as of now.
func (o Order) CheckAhead(now time.Time) error {
	if o.NotBefore.After(now.Add(MaxAhead)) {
		return qfpay.FieldErrors{{Field: notBefore, Value: o.NotBefore.Format(time.RFC3339Nano), Rule: "must be at most 30 days ahead"}}
	}
	return nil
}

func deadlineText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}

// Fingerprint identifies the content of an order: everything that is sent to QFPay except
// txdtm. txdtm, deadline and lane do not count, because WithDefaults sets them: a producer
// that repeats an order repeats its content, but at another time. not_before and batch do not
// count, because they are not sent.
func (o Order) Fingerprint() string {
	content := o.Order
	content.TxDtm = ""
	b, err := json.Marshal(content)
	if err != nil {
		panic(err) // a struct of strings and integers always marshals
	}
	return fingerprintOf(b)
}

// TextFingerprint identifies a payload that was accepted although it is not a valid order
// ([Producer.AcceptInvalid]): all of its text.
func TextFingerprint(payload []byte) string { return fingerprintOf(payload) }

func fingerprintOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

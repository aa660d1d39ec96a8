package tasks

import (
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// merchantName leaves out the colon, which separates the parts of keys, and the
// braces, which mark hash tags.
var merchantName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate checks an order whose defaults are filled in: what the worker needs to
// know, and QFPay's rules for the field and the pay type. The error is a
// [qfpay.FieldErrors], all fields at once. A deadline that has passed is valid: its
// order is accepted, and expires.
func (o Order) Validate() error {
	var bad qfpay.FieldErrors
	if !merchantName.MatchString(o.Merchant) {
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
	// Years outside these four digits cannot be written as RFC 3339.
	if y := o.Deadline.UTC().Year(); o.Deadline.IsZero() || y < 1 || y > 9999 {
		bad = append(bad, qfpay.FieldError{Field: "deadline", Value: deadlineText(o.Deadline),
			Rule: "must be a time in the years 1 to 9999"})
	}
	if !slices.Contains(Lanes(), o.Lane) {
		bad = append(bad, qfpay.FieldError{Field: "lane", Value: shorten(string(o.Lane)),
			Rule: "must be interactive or bulk"})
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

func deadlineText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}

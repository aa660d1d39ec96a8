package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// MaxOrderBytes is the size of the longest order that is read, as JSON or as a row
// of CSV. The longest valid one is far shorter.
const MaxOrderBytes = 64 << 10

// ErrOrderTooLong says that an order has more than [MaxOrderBytes].
var ErrOrderTooLong = fmt.Errorf("too long: an order has at most %d bytes", MaxOrderBytes)

// ParseOrder reads an order from a JSON object, the form of a task's payload, of an
// NDJSON line and of the field order of the request stream, and validates it.
// Values are strings; txamt and expired_time may also be whole numbers; null is
// absent. Unknown and repeated keys are errors, as is anything after the object.
//
// The error is a [qfpay.FieldErrors] with everything that is wrong, all fields at
// once, is [ErrOrderTooLong], or says at which byte the JSON breaks. With FieldErrors, the Order holds
// what could be read of it.
func ParseOrder(b []byte) (Order, error) {
	if len(b) > MaxOrderBytes {
		return Order{}, ErrOrderTooLong
	}
	fields, bad, err := objectFields(b)
	if err != nil {
		return Order{}, err
	}
	return read(fields, bad)
}

// objectFields takes a JSON object apart into text by name. What has the wrong type
// or stands there twice is reported, and not among the fields.
func objectFields(b []byte) (map[string]string, qfpay.FieldErrors, error) {
	if !json.Valid(b) {
		var whole json.RawMessage
		return nil, nil, syntaxError(json.Unmarshal(b, &whole))
	}
	b = bytes.TrimLeft(b, jsonSpace)
	if b[0] != '{' {
		return nil, nil, errors.New("an order is a JSON object: {\"out_trade_no\": …}")
	}
	fields, seen := make(map[string]string, len(orderFields)), make(map[string]bool, len(orderFields))
	var bad qfpay.FieldErrors
	for key, value := range members(b) {
		name := unquote(key)
		text, rule := valueText(name, value)
		if seen[name] && fieldNamed(name) != nil {
			rule = "is there more than once"
		}
		if seen[name] = true; rule == "" {
			fields[name] = text
		} else if !complained(bad, name) {
			bad = append(bad, qfpay.FieldError{Field: name, Value: shorten(string(value)), Rule: rule})
		}
	}
	return fields, bad, nil
}

// valueText returns the text of a JSON value, or the rule that it breaks. An
// unknown field passes whatever its type: that it is unknown is said elsewhere.
func valueText(name string, value []byte) (text, rule string) {
	f := fieldNamed(name)
	switch {
	case f == nil || string(value) == "null":
		return "", ""
	case value[0] == '"':
		return unquote(value), ""
	case !f.integer:
		return "", "must be a JSON string, in quotes"
	}
	if _, ok := wholeNumber(string(value)); !ok {
		return "", "must be a whole number, or one in quotes"
	}
	return string(value), ""
}

func syntaxError(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not JSON at byte %d: %w", e.Offset, err)
	}
	return fmt.Errorf("not JSON: %w", err)
}

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
	// A Decoder read token by token lets some mistakes pass, so the whole is checked first.
	var whole json.RawMessage
	if err := json.Unmarshal(b, &whole); err != nil {
		return nil, nil, syntaxError(err)
	}
	if whole[0] != '{' {
		return nil, nil, errors.New("an order is a JSON object: {\"out_trade_no\": …}")
	}
	dec := json.NewDecoder(bytes.NewReader(whole))
	if _, err := dec.Token(); err != nil {
		return nil, nil, syntaxError(err)
	}
	fields, seen := map[string]string{}, map[string]bool{}
	var bad qfpay.FieldErrors
	for dec.More() {
		name, value, err := member(dec)
		if err != nil {
			return nil, nil, syntaxError(err)
		}
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

// member reads one key and its value.
func member(dec *json.Decoder) (name string, value json.RawMessage, err error) {
	key, err := dec.Token()
	if err != nil {
		return "", nil, err
	}
	name, _ = key.(string)
	err = dec.Decode(&value)
	return name, value, err
}

// valueText returns the text of a JSON value, or the rule that it breaks. An
// unknown field passes whatever its type: that it is unknown is said elsewhere.
func valueText(name string, value json.RawMessage) (text, rule string) {
	f := fieldNamed(name)
	switch {
	case f == nil || string(value) == "null":
		return "", ""
	case value[0] == '"':
		if err := json.Unmarshal(value, &text); err != nil {
			return "", "is not a JSON string"
		}
		return text, ""
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

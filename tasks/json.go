package tasks

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

//go:embed schema/order.schema.json
var orderSchema string

//go:embed schema/result.schema.json
var resultSchema string

//go:embed schema/payment.schema.json
var paymentSchema string

// OrderSchema returns the JSON Schema (2020-12) of an order, for producers in any language.
// It accepts what [ParseOrder] accepts, except for a few rules that JSON Schema cannot
// express; its description lists them.
func OrderSchema() string { return orderSchema }

// ResultSchema returns the JSON Schema (2020-12) of a result. Given the fields of an entry
// as an object, it accepts what [ParseResult] accepts.
func ResultSchema() string { return resultSchema }

// PaymentSchema returns the JSON Schema (2020-12) of an event of the payment stream. Given the
// fields of an entry as an object, it accepts what [ParsePayment] accepts.
func PaymentSchema() string { return paymentSchema }

// MaxOrderBytes is the size of the longest order that is read, as JSON or as a row of CSV.
// The longest valid order is far shorter.
const MaxOrderBytes = 64 << 10

// ErrOrderTooLong means that an order has more than [MaxOrderBytes].
var ErrOrderTooLong = fmt.Errorf("too long: an order has at most %d bytes", MaxOrderBytes)

// ParseOrder reads an order from a JSON object and validates it. This is the form of a
// task's payload, of an NDJSON line and of the field order of the request stream. Values are
// strings; txamt and expired_time may also be whole numbers; null counts as absent. Unknown
// and repeated keys are errors, and so is text after the object.
//
// The error is a [qfpay.FieldErrors] with all wrong fields, [ErrOrderTooLong], or an error
// with the byte at which the JSON is invalid. With FieldErrors, the Order has the fields
// that could be read.
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

// objectFields returns the values of a JSON object as text, by name. A value of the wrong
// type and a repeated key are in the errors, not among the fields.
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
			rule = "appears more than once"
		}
		if seen[name] = true; rule == "" {
			fields[name] = text
		} else if !hasError(bad, name) {
			bad = append(bad, qfpay.FieldError{Field: name, Value: shorten(string(value)), Rule: rule})
		}
	}
	return fields, bad, nil
}

// valueText returns the text of a JSON value, or the rule that it breaks. An unknown field
// may have any type: unknownFields reports it.
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
		return "", "must be a whole number, with or without quotes"
	}
	return string(value), ""
}

func syntaxError(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not JSON at byte %d: %w", e.Offset, err)
	}
	return fmt.Errorf("not JSON: %w", err)
}

const jsonSpace = " \t\r\n"

// members iterates over a JSON object that is known to be valid: its keys, in quotes, and
// their values as written. encoding/json can find a repeated key only token by token, which
// takes four times as long, and every order is read here.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for rest := object[1:]; ; {
			rest = bytes.TrimLeft(rest, jsonSpace+",")
			if rest[0] == '}' {
				return
			}
			end := stringEnd(rest)
			key := rest[:end]
			rest = bytes.TrimLeft(rest[end:], jsonSpace+":")
			end = valueEnd(rest)
			if !yield(key, rest[:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// stringEnd returns where the JSON string at the beginning of b ends.
func stringEnd(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueEnd returns where the JSON value at the beginning of b ends.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			i += stringEnd(b[i:]) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // ends the object after a number, true, false or null
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
}

// unquote returns the text of a JSON string that is known to be valid. Bytes that are not
// UTF-8 become U+FFFD, as in encoding/json.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		panic(err) // it is valid
	}
	return text
}

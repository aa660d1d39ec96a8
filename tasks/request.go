package tasks

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// requestOrder is the field of a request that holds a whole order.
const requestOrder = "order"

// ParseRequest reads an order from an entry of the request stream and validates it. fields
// has names and values in turn: either the one field order, with the order as JSON, or one
// field for each field of the order. In both cases there may be a field traceparent. An
// empty value counts as absent. ParseRequest sets no defaults: see [Order.WithDefaults].
//
// The error is a [qfpay.FieldErrors] with all wrong fields, [ErrOrderTooLong], or an error
// in the JSON.
func ParseRequest(fields []string) (Order, error) {
	fields, traceparent := cutTraceparent(fields)
	o, err := parseRequest(fields)
	o.Traceparent = traceparent
	return o, err
}

// parseRequest reads the order of a request without its traceparent.
func parseRequest(fields []string) (Order, error) {
	if len(fields)/2 == 1 && fields[0] == requestOrder {
		return ParseOrder([]byte(fields[1]))
	}
	if sizeOf(fields) > MaxOrderBytes {
		return Order{}, ErrOrderTooLong
	}
	byName := map[string]string{}
	var bad qfpay.FieldErrors
	for i := 0; i+1 < len(fields); i += 2 {
		name, value := fields[i], fields[i+1]
		if _, twice := byName[name]; twice && !hasError(bad, name) {
			bad = append(bad, qfpay.FieldError{Field: shorten(name), Value: shorten(value), Rule: "appears more than once"})
		}
		byName[name] = value
	}
	if _, whole := byName[requestOrder]; whole {
		return Order{}, mixed(byName, bad)
	}
	return read(byName, bad)
}

// mixed returns the error of a request that has the field order and others beside it.
func mixed(byName map[string]string, bad qfpay.FieldErrors) error {
	if len(byName) > 1 {
		bad = append(bad, qfpay.FieldError{Field: requestOrder,
			Rule: "is the whole order as JSON and must be the only field except traceparent; or omit it and send one field for each field of the order"})
	}
	return bad
}

func sizeOf(fields []string) (size int) {
	for _, f := range fields {
		size += len(f)
	}
	return size
}

// RequestText returns an entry of the request stream as one text, for a person who looks up
// why it was rejected: the field order as it is, or the fields as a JSON object, in their
// sequence. It leaves out traceparent, so that the text can be corrected and sent as an
// order. A text that is too long for an order is cut off.
func RequestText(fields []string) string {
	fields, _ = cutTraceparent(fields)
	if len(fields)/2 == 1 && fields[0] == requestOrder {
		return cutOff(fields[1])
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i := 0; i+1 < len(fields) && b.Len() <= MaxOrderBytes; i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(fields[i]))
		b.WriteByte(':')
		b.Write(quote(fields[i+1]))
	}
	b.WriteByte('}')
	return cutOff(b.String())
}

// quote returns a text as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func quote(s string) []byte {
	b, err := json.Marshal(cutOff(s))
	if err != nil {
		panic(err) // a string always marshals
	}
	return b
}

// cutOff shortens a text to the size of the longest order.
func cutOff(s string) string {
	if len(s) <= MaxOrderBytes {
		return s
	}
	return strings.ToValidUTF8(s[:MaxOrderBytes], "\uFFFD") + "…"
}

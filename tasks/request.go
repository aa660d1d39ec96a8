package tasks

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// requestOrder is the field of a request that holds a whole order.
const requestOrder = "order"

// ParseRequest reads an order from an entry of the request stream, whose names and
// values stand by turns in fields: either the one field order, with the order as JSON,
// or one field for each of the order's own. It validates the order and fills in nothing;
// see [Order.WithDefaults]. An empty value is an absent one. A field traceparent may be
// there in either case.
//
// The error is a [qfpay.FieldErrors] with everything that is wrong, all fields at once,
// is [ErrOrderTooLong], or says what breaks the JSON.
func ParseRequest(fields []string) (Order, error) {
	fields, traceparent := cutTraceparent(fields)
	o, err := parseRequest(fields)
	o.Traceparent = traceparent
	return o, err
}

// parseRequest reads the order of a request whose traceparent was taken out.
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
		if _, twice := byName[name]; twice && !complained(bad, name) {
			bad = append(bad, qfpay.FieldError{Field: shorten(name), Value: shorten(value), Rule: "is there more than once"})
		}
		byName[name] = value
	}
	if _, whole := byName[requestOrder]; whole {
		return Order{}, mixed(byName, bad)
	}
	return read(byName, bad)
}

// mixed says what is wrong with a request that has the field order, and not it alone.
func mixed(byName map[string]string, bad qfpay.FieldErrors) error {
	if len(byName) > 1 {
		bad = append(bad, qfpay.FieldError{Field: requestOrder,
			Rule: "holds the whole order as JSON and must be the only field but for traceparent; or leave it out and send the order's fields one by one"})
	}
	return bad
}

func sizeOf(fields []string) (size int) {
	for _, f := range fields {
		size += len(f)
	}
	return size
}

// RequestText returns what stands in an entry of the request stream as one text, for
// people who look why it was refused: the field order as it is, or the fields as a JSON
// object in their order, without traceparent: what is corrected can be sent as an order.
// What is too long to be one is cut off.
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

// quote makes a JSON string of a text. Bytes that are no UTF-8 become U+FFFD.
func quote(s string) []byte {
	b, err := json.Marshal(cutOff(s))
	if err != nil {
		panic(err) // a string always marshals
	}
	return b
}

// cutOff shortens a text to what an order has at most.
func cutOff(s string) string {
	if len(s) <= MaxOrderBytes {
		return s
	}
	return strings.ToValidUTF8(s[:MaxOrderBytes], "\uFFFD") + "…"
}

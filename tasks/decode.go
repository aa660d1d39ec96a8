package tasks

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// FromFields reads an order from its fields by name, as a CSV row and an entry of
// the request stream give them, and validates it. An empty value is an absent one;
// so are fields that are not in the map. Nothing is filled in: see
// [Order.WithDefaults].
//
// The error is a [qfpay.FieldErrors] with everything that is wrong, all fields at
// once; the Order then holds what could be read of it.
func FromFields(fields map[string]string) (Order, error) { return read(fields, nil) }

// read is the one way from text to an order. bad is what was found to be wrong
// before; a field in it is not complained about twice.
func read(fields map[string]string, bad qfpay.FieldErrors) (Order, error) {
	var o Order
	for _, f := range orderFields {
		if e, ok := readField(f, fields[f.name], &o); !ok && !complained(bad, f.name) {
			bad = append(bad, e)
		}
	}
	bad = append(bad, unknownFields(fields)...)
	// What is absent and has a default is filled in with something valid, so that
	// only what is wrong is found to be wrong.
	broken, _ := o.WithDefaults(time.Unix(0, 0)).Validate().(qfpay.FieldErrors)
	for _, e := range broken {
		if !complained(bad, e.Field) {
			bad = append(bad, e)
		}
	}
	if len(bad) > 0 {
		return o, bad
	}
	return o, nil
}

// complained tells whether something is known to be wrong with a field.
func complained(bad qfpay.FieldErrors, name string) bool {
	return slices.ContainsFunc(bad, func(e qfpay.FieldError) bool { return e.Field == name })
}

// readField reads the text of one field into the order. U+FFFD is what decoders put
// in place of bytes that are no UTF-8, so a text that has it was damaged, here or
// before; it is not shown, since nobody knows what it was.
func readField(f field, text string, o *Order) (qfpay.FieldError, bool) {
	switch {
	case text == "" && slices.Contains(RequiredFields(), f.name):
		return qfpay.FieldError{Field: f.name, Rule: "is required"}, false
	case text == "":
		return qfpay.FieldError{}, true
	case strings.ContainsRune(text, utf8.RuneError):
		return qfpay.FieldError{Field: f.name, Rule: "is not UTF-8"}, false
	}
	rule := f.set(o, text)
	return qfpay.FieldError{Field: f.name, Value: shorten(text), Rule: rule}, rule == ""
}

// unknownFields complains about names that no order has. The first complaint says
// which there are; more than a few are counted, not listed.
func unknownFields(fields map[string]string) (bad qfpay.FieldErrors) {
	var names []string
	for name := range fields {
		if fieldNamed(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	const most = 5
	for i, name := range names {
		rule := "no order has a field of this name"
		switch {
		case i == 0:
			rule += "; the fields are " + strings.Join(Fields(), ", ")
		case i == most:
			rule += ", and there are " + strconv.Itoa(len(names)-most) + " such fields more"
		case i > most:
			return bad
		}
		bad = append(bad, qfpay.FieldError{Field: shorten(name), Rule: rule})
	}
	return bad
}

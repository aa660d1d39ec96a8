package qfpay

import (
	"fmt"
	"io"
	"log/slog"
)

// Merchant is one set of credentials at one QFPay environment. Credentials belong
// to an environment and a country; mixing them shows up as respcd 1108.
type Merchant struct {
	Name     string   // our own name for it; the label of metrics and logs
	BaseURL  string   // for example https://openapi-hk.qfapi.com, without a path
	AppCode  string   // sent as X-QF-APPCODE; public
	Key      Secret   // signs, and is never sent
	MchID    string   // sent when QFPay issued one (agents), and only then
	SignType SignType // SHA256 when empty
}

// Secret is a client key. It cannot be printed: every way of formatting, logging
// or encoding it gives "[secret]". Convert it to a string to use it.
//
// One way round this is left: fmt cannot call methods of an unexported field, and
// prints what is in it. Keep a Secret, and a Merchant, in exported fields, or do not
// print the struct that holds it.
type Secret string

const hidden = "[secret]"

// Format implements [fmt.Formatter], so that a verb that does not suit text, such as
// %d, does not print the key in its complaint.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String implements [fmt.Stringer].
func (Secret) String() string { return hidden }

// GoString implements [fmt.GoStringer], for %#v.
func (Secret) GoString() string { return hidden }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements [encoding.TextMarshaler], and so covers JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

package qfpay

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
)

// Merchant is one set of credentials for one QFPay environment. Credentials are valid for
// one environment and country; others answer with respcd 1108.
type Merchant struct {
	Name     string   // our own name, used in metrics and logs
	BaseURL  string   // for example https://openapi-hk.qfapi.com, without a path
	AppCode  string   // sent as X-QF-APPCODE; public
	Key      Secret   // for signatures; never sent
	MchID    string   // only if QFPay issued one (for agents)
	SignType SignType // empty: SHA256

	NotifyKey Secret // of the signatures of notifications, where a store has one of its own; empty: Key
}

// KeyOfNotifications returns the key with which QFPay signs the merchant's notifications.
func (m Merchant) KeyOfNotifications() Secret { return cmp.Or(m.NotifyKey, m.Key) }

// Secret is a client key. It is never printed: formatting, logging and encoding it give
// "[secret]". Convert it to a string to use it.
//
// There is one exception: fmt cannot call methods of an unexported field, and prints its
// value. Keep a Secret, and a Merchant, in exported fields, or do not print the struct that
// contains it.
type Secret string

const hidden = "[secret]"

// Format implements [fmt.Formatter], so that a verb that is wrong for text, such as %d, does
// not print the key in its error.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String implements [fmt.Stringer].
func (Secret) String() string { return hidden }

// GoString implements [fmt.GoStringer], for %#v.
func (Secret) GoString() string { return hidden }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements [encoding.TextMarshaler], and so covers JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

package qfpay

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Order is what is sent to QFPay to create a payment: the fields of the MPM page
// under their own names. It is the one description of an order; tasks and the
// worker embed it.
type Order struct {
	OutTradeNo  string  `json:"out_trade_no"`           // the merchant's number, unique for ever
	PayType     PayType `json:"pay_type"`               // one of PayTypes
	TxAmt       int64   `json:"txamt"`                  // in minor units; JPY has none, so yen
	TxCurrCd    string  `json:"txcurrcd"`               // ISO 4217, upper case
	TxDtm       string  `json:"txdtm,omitempty"`        // DateTimeLayout, in UTC+8
	GoodsName   string  `json:"goods_name,omitempty"`   // at most 20 letters, digits, Chinese characters
	ExpiredTime int     `json:"expired_time,omitempty"` // minutes until the QR code expires; 0: QFPay's default, 30
	LimitPay    string  `json:"limit_pay,omitempty"`    // no_credit
	PayTag      string  `json:"pay_tag,omitempty"`      // ALIPAYHK or ALIPAYCN
	UDID        string  `json:"udid,omitempty"`         // device id shown in QFPay's portal
	NotifyURL   string  `json:"notify_url,omitempty"`   // QFPay may ignore it: see the docs on notifications
}

// DateTimeLayout is how QFPay writes a time: UTC+8, without a zone.
const DateTimeLayout = "2006-01-02 15:04:05"

// Zone is the zone of every time QFPay sends or takes: UTC+8, without daylight
// saving, so that no time zone database is needed.
var Zone = time.FixedZone("UTC+8", 8*60*60)

// FormatDateTime writes t as QFPay expects it, in UTC+8.
func FormatDateTime(t time.Time) string { return t.In(Zone).Format(DateTimeLayout) }

// ParseDateTime reads a time as QFPay writes it.
func ParseDateTime(s string) (time.Time, error) { return time.ParseInLocation(DateTimeLayout, s, Zone) }

// params returns the parameters of a create; empty ones are left out when signed
// and sent.
func (o Order) params() Params {
	p := Params{
		"out_trade_no": o.OutTradeNo,
		"pay_type":     string(o.PayType),
		"txamt":        strconv.FormatInt(o.TxAmt, 10),
		"txcurrcd":     o.TxCurrCd,
		"txdtm":        o.TxDtm,
		"goods_name":   o.GoodsName,
		"limit_pay":    o.LimitPay,
		"pay_tag":      o.PayTag,
		"udid":         o.UDID,
		"notify_url":   o.NotifyURL,
	}
	if o.ExpiredTime != 0 {
		p["expired_time"] = strconv.Itoa(o.ExpiredTime)
	}
	return p
}

// FieldError says what is wrong with one field of an order.
type FieldError struct {
	Field string `json:"field"` // QFPay's name
	Value string `json:"value"` // as given, shortened
	Rule  string `json:"rule"`  // what it must be
}

// Error implements error.
func (e FieldError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %s", e.Field, e.Rule)
	}
	return fmt.Sprintf("%s: %s (got %q)", e.Field, e.Rule, e.Value)
}

// FieldErrors is everything that is wrong with an order, all fields at once.
type FieldErrors []FieldError

// Error implements error.
func (e FieldErrors) Error() string {
	all := make([]string, len(e))
	for i, f := range e {
		all[i] = f.Error()
	}
	return strings.Join(all, "; ")
}

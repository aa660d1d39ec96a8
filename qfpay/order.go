package qfpay

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Order holds the fields of a create, with the names of the MPM page. It is the only
// definition of these fields; packages tasks and worker embed it.
type Order struct {
	OutTradeNo  string  `json:"out_trade_no"`           // the merchant's order number, unique for ever
	PayType     PayType `json:"pay_type"`               // one of PayTypes
	TxAmt       int64   `json:"txamt"`                  // in minor units; JPY has none, so yen
	TxCurrCd    string  `json:"txcurrcd"`               // ISO 4217, upper case
	TxDtm       string  `json:"txdtm,omitempty"`        // DateTimeLayout, in UTC+8
	GoodsName   string  `json:"goods_name,omitempty"`   // any text; which characters QFPay takes is not certain
	ExpiredTime int     `json:"expired_time,omitempty"` // minutes until the QR code expires; 0: QFPay's default, 30. Sent only where the wallet takes it
	LimitPay    string  `json:"limit_pay,omitempty"`    // no_credit
	PayTag      string  `json:"pay_tag,omitempty"`      // ALIPAYHK or ALIPAYCN
	UDID        string  `json:"udid,omitempty"`         // device ID that QFPay's portal shows
	NotifyURL   string  `json:"notify_url,omitempty"`   // QFPay may ignore it: see the docs on notifications
	RMBTag      string  `json:"rmb_tag,omitempty"`      // Y: a WeChat wallet in CNY
}

// DefaultLife is how long a QR code lives when the order brings no expired_time (MPM page: 30 minutes).
const DefaultLife = 30 * time.Minute

// Life returns how long the QR code of an order lives from its creation, or 0 if QFPay does not say:
// its pages say it of the wallets that take expired_time only.
func (o Order) Life() time.Duration {
	switch {
	case !o.PayType.TakesExpiredTime():
		return 0
	case o.ExpiredTime == 0:
		return DefaultLife
	default:
		return time.Duration(o.ExpiredTime) * time.Minute
	}
}

// DateTimeLayout is the format of QFPay's times: UTC+8, without a zone.
const DateTimeLayout = "2006-01-02 15:04:05"

// Zone is the time zone of all of QFPay's times: UTC+8. It has no daylight saving, so no
// time zone database is needed.
var Zone = time.FixedZone("UTC+8", 8*60*60)

// FormatDateTime formats t for QFPay, in UTC+8.
func FormatDateTime(t time.Time) string { return t.In(Zone).Format(DateTimeLayout) }

// ParseDateTime reads a time in QFPay's format.
func ParseDateTime(s string) (time.Time, error) { return time.ParseInLocation(DateTimeLayout, s, Zone) }

// params returns the parameters of a create. Empty ones are neither signed nor sent, and neither
// is an expired_time that the wallet does not take.
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
		"rmb_tag":      o.RMBTag,
	}
	if o.ExpiredTime != 0 && o.PayType.TakesExpiredTime() {
		p["expired_time"] = strconv.Itoa(o.ExpiredTime)
	}
	return p
}

// FieldError is a problem with one field of an order.
type FieldError struct {
	Field string `json:"field"` // QFPay's name
	Value string `json:"value"` // as given, shortened
	Rule  string `json:"rule"`  // what the value must be
}

// Error implements error.
func (e FieldError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %s", e.Field, e.Rule)
	}
	return fmt.Sprintf("%s: %s (got %q)", e.Field, e.Rule, e.Value)
}

// FieldErrors are the problems of all fields of an order.
type FieldErrors []FieldError

// Error implements error.
func (e FieldErrors) Error() string {
	all := make([]string, len(e))
	for i, f := range e {
		all[i] = f.Error()
	}
	return strings.Join(all, "; ")
}

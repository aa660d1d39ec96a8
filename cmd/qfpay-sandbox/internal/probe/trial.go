package probe

import (
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Trial is what a create is to find out.
type Trial string

// The trials. Together asks all that follow it at once, with one order; only if that is refused,
// each is asked by itself.
const (
	Base       Trial = "plain"
	Repeat     Trial = "repeated number"
	Together   Trial = "all at once"
	WithMD5    Trial = "MD5"
	Long       Trial = "64 characters"
	Space      Trial = "space"
	Underscore Trial = "underscore"
	Hyphen     Trial = "hyphen"
	WithURL    Trial = "notify_url"
	ToClose    Trial = "to be closed" // a plain one more, when no other is left to close
)

// singles are the trials of Together.
var singles = []Trial{WithMD5, Long, Space, Underscore, Hyphen, WithURL}

// longNumber is the length of the out_trade_no of Long.
const longNumber = 64

// has reports whether a create of trial t also answers single.
func (t Trial) has(single Trial) bool { return t == single || t == Together }

// apply changes a plain order to that of the trial.
func (t Trial) apply(o *qfpay.Order, notifyURL string) {
	if t.has(Long) {
		o.OutTradeNo += strings.Repeat("0", max(0, longNumber-len(o.OutTradeNo)))
	}
	o.GoodsName = t.goodsName()
	if t.has(WithURL) {
		o.NotifyURL = notifyURL
	}
}

// goodsName returns the name of the trial's order.
func (t Trial) goodsName() string {
	return map[Trial]string{Together: "probe a_b-c", Space: "probe a", Underscore: "probe_a", Hyphen: "probe-a"}[t]
}

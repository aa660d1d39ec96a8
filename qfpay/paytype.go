package qfpay

import (
	"slices"
	"time"
)

// PayType is a six-digit QFPay payment type.
type PayType string

// The seven pay types of the MPM page.
const (
	AlipayOverseas PayType = "800101"
	AlipayHK       PayType = "801501"
	WeChat         PayType = "800201"
	PayMe          PayType = "805801"
	UnionPay       PayType = "800701"
	FPS            PayType = "802001"
	Octopus        PayType = "803701"
)

// payTypeRules are QFPay's rules for one pay type. Pay types differ only in these rules.
type payTypeRules struct {
	payType     PayType
	wallet      string
	currencies  []string   // allowed txcurrcd
	expiredTime bool       // allows expired_time (MPM page: "WeChat and Alipay")
	payTag      bool       // allows pay_tag: Alipay
	limitPay    bool       // allows limit_pay: wallets of mainland China only
	rmbTag      bool       // allows rmb_tag
	closing     []endpoint // documented endpoints to close an unpaid order, in the order to try them

	// closeAfter is the age before which the wallet closes no order.
	closeAfter time.Duration
}

var hkdOnly = []string{"HKD"}

// anyCurrency lists the currencies that QFPay names. The contract of a merchant defines which
// of them it may use.
var anyCurrency = []string{"AED", "AUD", "CAD", "CNY", "EUR", "HKD", "IDR", "JPY", "MMK", "MYR", "SGD", "THB", "USD"}

// About the closing column: in the pages of 2026, Alipay MPM uses /reversal. For WeChat MPM
// they contradict each other (the list says reversal, the text and all older pages say
// close), so close is tried first, and reversal if close is refused. For the others QFPay
// says to contact support, so no call is made. WeChat Pay's own page of closing says that it takes 5
// minutes from the creation until an order can be closed.
var payTypeTable = []payTypeRules{
	{AlipayOverseas, "Alipay", anyCurrency, true, true, true, false, []endpoint{reversal}, 0},
	{AlipayHK, "AlipayHK", hkdOnly, true, true, true, false, []endpoint{reversal}, 0},
	{WeChat, "WeChat Pay", anyCurrency, true, false, true, true, []endpoint{closeOrder, reversal}, 5 * time.Minute},
	{PayMe, "PayMe", hkdOnly, false, false, false, false, nil, 0},
	{UnionPay, "UnionPay QuickPass", anyCurrency, false, false, false, false, nil, 0},
	{FPS, "FPS", hkdOnly, false, false, false, false, nil, 0},
	{Octopus, "Octopus", hkdOnly, false, false, false, false, nil, 0},
}

// PayTypes returns the pay types this package knows, in the order of the MPM page.
func PayTypes() []PayType {
	all := make([]PayType, len(payTypeTable))
	for i, r := range payTypeTable {
		all[i] = r.payType
	}
	return all
}

// Known reports whether t is one of the seven MPM pay types.
func (t PayType) Known() bool { return t.rules() != nil }

// Wallet returns the name of the wallet that scans the QR code, or "" for an unknown pay
// type.
func (t PayType) Wallet() string {
	if r := t.rules(); r != nil {
		return r.wallet
	}
	return ""
}

// TakesExpiredTime reports whether QFPay takes expired_time for this pay type. For the others an
// order may have one, and it is not sent.
func (t PayType) TakesExpiredTime() bool {
	r := t.rules()
	return r != nil && r.expiredTime
}

// Closable reports whether QFPay documents a way to close an unpaid order of this pay type.
func (t PayType) Closable() bool {
	r := t.rules()
	return r != nil && len(r.closing) > 0
}

// ClosableAfter returns how old an order of this pay type must be to be closed.
func (t PayType) ClosableAfter() time.Duration {
	if r := t.rules(); r != nil {
		return r.closeAfter
	}
	return 0
}

func (t PayType) rules() *payTypeRules {
	i := slices.IndexFunc(payTypeTable, func(r payTypeRules) bool { return r.payType == t })
	if i < 0 {
		return nil
	}
	return &payTypeTable[i]
}

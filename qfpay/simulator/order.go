package simulator

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// State is the state of an order in the ledger.
type State string

// The states. Only a created order can be paid.
const (
	Created  State = "created"
	Paid     State = "paid"
	Closed   State = "closed" // by close or reversal, while unpaid
	Expired  State = "expired"
	Refunded State = "refunded" // completely
	Failed   State = "failed"   // at the channel, with a row in the ledger
)

// Order is one row of the ledger: a payment, a refund or a cancellation. The JSON names are
// QFPay's where QFPay has one.
type Order struct {
	AppCode    string        `json:"app_code"`
	MchID      string        `json:"mchid,omitempty"`
	OrderType  string        `json:"order_type"` // payment, refund, close
	OutTradeNo string        `json:"out_trade_no"`
	Syssn      string        `json:"syssn"`
	OrigSyssn  string        `json:"origssn,omitempty"` // of a refund or a cancellation
	PayType    qfpay.PayType `json:"pay_type"`
	TxAmt      int64         `json:"txamt"`
	TxCurrCd   string        `json:"txcurrcd"`
	TxDtm      string        `json:"txdtm"`
	SysDtm     string        `json:"sysdtm"`
	PayDtm     string        `json:"paydtm,omitempty"`
	QRCode     string        `json:"qrcode,omitempty"`
	GoodsName  string        `json:"goods_name,omitempty"`
	UDID       string        `json:"udid,omitempty"`
	NotifyURL  string        `json:"notify_url,omitempty"`
	State      State         `json:"state"`
	Scanned    bool          `json:"scanned,omitempty"` // by a customer who may pay it
	RespCd     qfpay.RespCd  `json:"respcd,omitempty"`  // of a failed order
	Refunded   int64         `json:"refunded"`          // of TxAmt, so far
	Stored     time.Time     `json:"stored"`
	Expires    time.Time     `json:"expires,omitzero"`
	Visible    time.Time     `json:"visible"` // from when queries show it

	endedBy string // the endpoint that closed it
}

// Live reports whether the order can still be paid.
func (o Order) Live() bool { return o.State == Created }

// number is an out_trade_no with its merchant account, within which it is unique.
type number struct{ appCode, mchID, outTradeNo string }

// ledger holds every order ever stored.
type ledger struct {
	all      []*Order
	byNumber map[number][]*Order
	bySyssn  map[string]*Order
	byMonth  map[string][]*Order // "2006-01" in UTC+8 of SysDtm; QFPay partitions by it
}

func newLedger() ledger {
	return ledger{byNumber: map[number][]*Order{}, bySyssn: map[string]*Order{}, byMonth: map[string][]*Order{}}
}

func (l *ledger) store(o *Order) {
	l.all = append(l.all, o)
	l.byNumber[o.number()] = append(l.byNumber[o.number()], o)
	l.bySyssn[o.Syssn] = o
	l.byMonth[o.SysDtm[:7]] = append(l.byMonth[o.SysDtm[:7]], o)
}

func (o *Order) number() number { return number{o.AppCode, o.MchID, o.OutTradeNo} }

// expire changes the state of an unpaid order after its expiry time.
func (o *Order) expire(now time.Time) {
	if o.State == Created && !now.Before(o.Expires) {
		o.State = Expired
	}
}

// holds returns the orders that use an out_trade_no: payments and refunds, according to all
// documents since 2017, but not cancellations.
func (l *ledger) holds(n number) []*Order {
	var used []*Order
	for _, o := range l.byNumber[n] {
		if o.OrderType != typeClose {
			used = append(used, o)
		}
	}
	return used
}

// The order types in a query.
const (
	typePayment = "payment"
	typeRefund  = "refund"
	typeClose   = "close"
)

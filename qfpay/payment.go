package qfpay

// Payment is the gateway's answer to a create: respcd 0000 with a QR code, and an
// echo that matches the order. It is created, not paid.
type Payment struct {
	OutTradeNo string
	QRCode     string // text to draw as a QR code; QFPay says at most 512 characters
	Syssn      string // QFPay's number of the order
	RespCd     RespCd
	RespErr    string
	RespMsg    string
	TxDtm      string
	SysDtm     string // QFPay's time of the order, UTC+8; enquiry windows filter on it
	ChnlSn     string
	Signature  Signature
	Body       []byte // the answer as received
}

// Record is one row of an enquiry.
type Record struct {
	Syssn      string
	OutTradeNo string
	PayType    PayType
	OrderType  string // payment, refund, close
	TxAmt      string
	TxCurrCd   string
	TxDtm      string
	SysDtm     string
	RespCd     RespCd
	ErrMsg     string
	Cancel     string // 0 none, 1 reversed (CPM), 2 cancelled (MPM), 3 refunded, 5 partly refunded
	ChnlSn     string
}

// Standing is what a Record says of its order.
type Standing uint8

// The standings. An unknown respcd of a row is Unclear, never Failed.
const (
	Unclear Standing = iota // says nothing certain
	Unpaid                  // stands and can be paid: 1143, 1145
	Paid                    // paid, perhaps refunded since: 0000 with cancel 0, 3 or 5, and 1260, 1262
	Dead                    // closed, cancelled or expired, never paid: 1142, 1181, 1263, 1264, cancel 2
	Failed                  // failed at the channel or refused: nothing to pay, and the number is used up
)

// Closing is the gateway's answer to a close or a reversal. It is best effort:
// only an enquiry tells whether the order is dead.
type Closing struct {
	Endpoint  string // which of the two did it
	Syssn     string // of the cancellation
	OrigSyssn string // of the order
	RespCd    RespCd
	Body      []byte
}

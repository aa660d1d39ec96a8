package tasks

// Outcome is the one word that says how an order ended.
type Outcome string

// The outcomes.
const (
	Created    Outcome = "created"    // the QR code is in qrcode; created, not paid
	Rejected   Outcome = "rejected"   // refused for good, by validation or by QFPay
	Expired    Outcome = "expired"    // its deadline passed, and QFPay holds no live order for it
	Unresolved Outcome = "unresolved" // QFPay may hold an order whose QR code is lost: a person must look
)

// Outcomes returns every outcome.
func Outcomes() []Outcome { return []Outcome{Created, Rejected, Expired, Unresolved} }

// ResultVersion is the value of the field v.
const ResultVersion = "1"

// Result is one entry of the result stream: flat fields, every one a string, all
// present, empty when unknown. Times are RFC 3339 with milliseconds, in UTC, on Redis's
// clock, except txdtm and sysdtm, which are QFPay's own. The order of the fields here is
// their order in the stream. Entries from before there was traceparent do not have it;
// of all the fields, none but that may be missing.
type Result struct {
	V          string `json:"v"`
	ID         string `json:"id"` // the same order has the same id: deduplicate by it; "#2" and up behind it after order retry
	Merchant   string `json:"merchant"`
	OutTradeNo string `json:"out_trade_no"`
	IssuedAs   string `json:"issued_as"` // the number under which QFPay has it
	Outcome    string `json:"outcome"`
	Reason     string `json:"reason"`
	QRCode     string `json:"qrcode"`
	Syssn      string `json:"syssn"`
	RespCd     string `json:"respcd"`
	RespErr    string `json:"resperr"`
	RespMsg    string `json:"respmsg"`
	PayType    string `json:"pay_type"`
	TxAmt      string `json:"txamt"`
	TxCurrCd   string `json:"txcurrcd"`
	TxDtm      string `json:"txdtm"`
	SysDtm     string `json:"sysdtm"`
	ChnlSn     string `json:"chnlsn"`
	Attempts   string `json:"attempts"`
	Lane       string `json:"lane"`
	EnqueuedAt string `json:"enqueued_at"`
	SettledAt  string `json:"settled_at"`
	Response   string `json:"response"` // the gateway's JSON as received

	Traceparent string `json:"traceparent"` // of the producer, W3C Trace Context
}

// ResultID returns the id of the result of an order: the same for the same order,
// always.
func ResultID(merchant, outTradeNo string) string { return merchant + ":" + outTradeNo }
